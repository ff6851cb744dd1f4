//! Kernel logs of machines: the newest lines of the newest boots, and no more than a bound of all.

use model::{
    BootId, DeviceId, KernelLineId, KernelLogEntry, KernelLogLine, KernelLogSummary, Timestamp,
};
use rusqlite::{Row, params};

use crate::row::{Cells, count, micros};
use crate::{Error, Reader, Writer};

/// Logs that are kept of a device.
const LOGS: i64 = 4;
/// Lines that are kept of a log, and the bytes they may have together.
const LINES: u64 = 2000;
const BYTES: u64 = 256 << 10;
/// By so much both may be exceeded before lines are dropped, so that not each new line costs a search for the oldest.
const SLACK: u64 = 8;
/// The longest text that is kept of a line, in characters.
const MESSAGE: usize = 1024;
/// What a line takes beside its text, in bytes.
const BESIDE: usize = 64;

/// ?2 the most bytes, ?3 the most lines.
const DROP_LINES: &str = "
    DELETE FROM kernel_lines WHERE boot_id = ?1 AND id <= (
        SELECT max(id) FROM (
            SELECT id, sum(64 + length(CAST(message AS BLOB))) OVER newest AS bytes, count(*) OVER newest AS lines
            FROM kernel_lines WHERE boot_id = ?1
            WINDOW newest AS (ORDER BY id DESC))
        WHERE bytes > ?2 OR lines > ?3)";

const COUNT_ANEW: &str = "
    UPDATE kernel_logs SET dropped = dropped + ?2, (lines, bytes) = (
        SELECT count(*), coalesce(sum(64 + length(CAST(message AS BLOB))), 0) FROM kernel_lines WHERE boot_id = ?1)
    WHERE boot_id = ?1";

const DROP_LOGS: &str = "
    DELETE FROM kernel_logs WHERE boot_id IN (
        SELECT boot_id FROM kernel_logs WHERE device_id = ?1 ORDER BY boot_id DESC LIMIT -1 OFFSET ?2)";

/// Those heard of longest ago, until the rest has no more than ?1 bytes.
const DROP_OLDEST_LOGS: &str = "
    DELETE FROM kernel_logs WHERE boot_id IN (
        SELECT boot_id FROM (
            SELECT boot_id, sum(bytes) OVER (ORDER BY last_at DESC, boot_id DESC) AS newer FROM kernel_logs)
        WHERE newer > ?1)";

impl Reader<'_> {
    /// Which boots of a device have a kernel log, newest first.
    pub fn kernel_logs(&self, device: DeviceId) -> Result<Vec<KernelLogSummary>, Error> {
        let sql = "
            SELECT boot_id, number, lines, bytes, dropped, kernel_logs.last_at
            FROM kernel_logs JOIN boots ON boots.id = boot_id
            WHERE kernel_logs.device_id = ?1 ORDER BY boot_id DESC";
        self.all(sql, [device.0], |row| {
            let mut cells = Cells::of(row);
            Ok(KernelLogSummary {
                boot: BootId(cells.get()?),
                number: cells.count()?,
                lines: cells.count()?,
                bytes: cells.count()?,
                dropped: cells.count()?,
                last_at: cells.at()?,
            })
        })
    }

    /// Devices whose kernel logs went on at or after this moment, in order.
    pub fn logged_since(&self, at: Timestamp) -> Result<Vec<DeviceId>, Error> {
        let sql =
            "SELECT DISTINCT device_id FROM kernel_logs WHERE last_at >= ?1 ORDER BY device_id";
        self.all(sql, [at.as_micros()], |row| row.get(0).map(DeviceId))
    }

    /// Lines of a boot of a device in the order in which they came: the first `limit` after `after`, or without that the last ones.
    pub fn kernel_lines(
        &self,
        device: DeviceId,
        boot: BootId,
        after: Option<KernelLineId>,
        limit: u64,
    ) -> Result<Vec<KernelLogEntry>, Error> {
        let order = if after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT * FROM (
                 SELECT l.id, l.boot_id, heard_at, message, said_at, level, facility, priority, sequence, clock_us
                 FROM kernel_lines l JOIN kernel_logs g ON g.boot_id = l.boot_id
                 WHERE l.boot_id = ?1 AND g.device_id = ?2 AND l.id > ?3
                 ORDER BY l.id {order} LIMIT ?4)
             ORDER BY id"
        );
        let after = after.map_or(0, |after| after.0);
        self.all(
            &sql,
            params![boot.0, device.0, after, count(limit)],
            read_line,
        )
    }
}

impl Writer<'_> {
    /// Keeps lines of a device's kernel log, beside its last boot. A device that never booted has none. Drops what is oldest: of the
    /// log, of the device's logs, and of all logs beyond what the options allow.
    pub fn keep_kernel_lines(
        &self,
        device: DeviceId,
        lines: &[KernelLogLine],
    ) -> Result<(), Error> {
        let Some(boot) = self.last_boot(device)?.map(|boot| boot.id) else {
            return Ok(());
        };
        let begun = self.run(
            "INSERT INTO kernel_logs (boot_id, device_id, lines, bytes, dropped, last_at) VALUES (?1, ?2, 0, 0, 0, ?3)
             ON CONFLICT (boot_id) DO NOTHING",
            params![boot.0, device.0, self.now().as_micros()],
        )? > 0;
        let mut bytes = 0;
        for line in lines {
            bytes += self.keep_line(boot, line)?;
        }
        let (all, heavy) = self.one(
            "UPDATE kernel_logs SET lines = lines + ?2, bytes = bytes + ?3, last_at = ?4 WHERE boot_id = ?1 RETURNING lines, bytes",
            params![boot.0, count(lines.len() as u64), count(bytes), self.now().as_micros()],
            |row| {
                let mut cells = Cells::of(row);
                Ok((cells.count()?, cells.count()?))
            },
        )?;
        if all > LINES + LINES / SLACK || heavy > BYTES + BYTES / SLACK {
            let dropped = self.run(DROP_LINES, params![boot.0, count(BYTES), count(LINES)])?;
            self.run(COUNT_ANEW, params![boot.0, count(dropped as u64)])?;
        }
        if begun {
            self.run(DROP_LOGS, params![device.0, LOGS])?;
            self.run(DROP_OLDEST_LOGS, [count(self.options.kernel_log_bytes)])?;
        }
        self.touch(|change| change.kernel_log(device));
        Ok(())
    }

    /// Keeps one line; says how many bytes it counts for.
    fn keep_line(&self, boot: BootId, line: &KernelLogLine) -> Result<u64, Error> {
        let word = |text: &str| text.chars().take(16).collect::<String>();
        let mut message: String = line.message.chars().take(MESSAGE).collect();
        if message.len() < line.message.len() {
            message.push('…');
        }
        self.run(
            "INSERT INTO kernel_lines (boot_id, heard_at, said_at, sequence, clock_us, level, facility, priority, message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                boot.0,
                self.now().as_micros(),
                micros(line.at),
                count(line.sequence),
                line.clock_us,
                line.level.as_str(),
                word(&line.facility),
                word(&line.priority),
                message,
            ],
        )?;
        Ok((message.len() + BESIDE) as u64)
    }
}

fn read_line(row: &Row<'_>) -> rusqlite::Result<KernelLogEntry> {
    let mut cells = Cells::of(row);
    Ok(KernelLogEntry {
        id: KernelLineId(cells.get()?),
        boot: BootId(cells.get()?),
        heard_at: cells.at()?,
        line: KernelLogLine {
            message: cells.get()?,
            at: cells.get::<Option<i64>>()?.map(Timestamp::from_micros),
            level: cells.parse()?,
            facility: cells.get()?,
            priority: cells.get()?,
            sequence: cells.count()?,
            clock_us: cells.get()?,
        },
    })
}
