//! Boots: the timeline of each attempt of a device.

use std::collections::HashMap;
use std::time::Duration;

use model::{
    Boot, BootId, BootStage, BootStanding, DeviceId, StageOutcome, StageRecord, Timestamp,
    begins_boot,
};
use rusqlite::{Row, params};

use crate::row::{Cells, count, json, micros, text};
use crate::{Error, Reader, Writer};

/// How much is kept of a device.
#[derive(Clone, Copy)]
struct Kept {
    boots: i64,
    /// Of each boot: the first is never dropped, nor are the newest.
    stages: i64,
}

/// Of a device that a person had a hand in.
const KNOWN: Kept = Kept {
    boots: 20,
    stages: 200,
};
/// Of one that only the network speaks of: thousands of such addresses may be made up.
const STRANGER: Kept = Kept {
    boots: 4,
    stages: 50,
};
/// The longest detail that is kept, in characters.
const DETAIL: usize = 512;

const NEWEST: &str = "
    SELECT id, device_id, number, began_at, last_at, furthest, left_at
    FROM boots WHERE device_id = ?1 ORDER BY id DESC LIMIT ?2";

/// Boots that go on: heard of at ?1 or later, or waiting for a config since ?2 or later.
const UNDER_WAY: [&str; 2] = [
    "standing IN ('goes', 'may_fall_silent') AND last_at >= ?1",
    "standing = 'waits_for_config' AND last_at >= ?2",
];

/// Boots that failed at ?2 or later, or broke off then, for they were not heard of since ?1.
const FAILED: [&str; 2] = [
    "standing = 'failed' AND last_at >= ?2",
    "standing = 'goes' AND last_at >= ?2 AND last_at < ?1",
];

/// The boot during which a moment lay, or the first one if it lay before all.
const DURING: &str = "
    SELECT id, device_id, number, began_at, last_at, furthest, left_at
    FROM boots WHERE device_id = ?1 ORDER BY began_at > ?2, iif(began_at > ?2, id, -id) LIMIT 1";

const STAGES_OF: &str = "
    SELECT stage, began_at, duration_us, bytes, retries, peer, outcome, detail
    FROM boot_stages WHERE boot_id = ?1 ORDER BY id";

const LAST_OF_EACH: &str = "
    SELECT id, device_id, number, began_at, last_at, furthest, left_at
    FROM boots
    WHERE id IN (SELECT (SELECT max(id) FROM boots WHERE device_id = value) FROM json_each(?1))";

const STAGES_OF_EACH: &str = "
    SELECT stage, began_at, duration_us, bytes, retries, peer, outcome, detail, boot_id
    FROM boot_stages WHERE boot_id IN (SELECT value FROM json_each(?1)) ORDER BY boot_id, id";

/// A machine holds for one reason at a time, though that may change meanwhile, and Talos does one thing of a kind at a time; the end
/// of a transfer may have a remark behind `: `.
const LAST_OF_ITS_KIND: &str = "
    SELECT stage, began_at, duration_us, bytes, retries, peer, outcome, detail, id
    FROM boot_stages
    WHERE boot_id = ?1 AND stage = ?2
      AND (detail = ?3
           OR outcome = 'running' AND (stage IN ('hold', 'maintenance', 'wipe', 'start', 'install') OR substr(?3, 1, length(detail) + 2) = detail || ': '))
    ORDER BY id DESC LIMIT 1";

/// Whoever begins anew waits no longer where it waited before. A transfer of the boot before may still end late; those of earlier
/// ones never will.
const BREAK_OFF: &str = "
    UPDATE boot_stages SET outcome = 'failed'
    WHERE outcome = 'running' AND boot_id IN (SELECT id FROM boots WHERE device_id = ?1)
      AND (stage = 'hold' OR boot_id < (SELECT max(id) FROM boots WHERE device_id = ?1))";

/// Only the last boot of a device stands somewhere.
const LEAVE_BEHIND: &str =
    "UPDATE boots SET standing = NULL WHERE device_id = ?1 AND standing IS NOT NULL";

const LAST_STAGE: &str =
    "SELECT stage, outcome FROM boot_stages WHERE boot_id = ?1 ORDER BY id DESC LIMIT 1";

const GO_ON: &str = "
    UPDATE boots SET last_at = ?2, furthest = ?3, left_at = ?4,
        standing = iif(id = (SELECT max(id) FROM boots WHERE device_id = ?5), ?6, NULL)
    WHERE id = ?1";

const DROP_STAGES: &str = "
    DELETE FROM boot_stages WHERE id IN (
        SELECT id FROM boot_stages
        WHERE boot_id = ?1 AND id <> (SELECT min(id) FROM boot_stages WHERE boot_id = ?1)
        ORDER BY id DESC LIMIT -1 OFFSET ?2)";

const DROP_BOOTS: &str = "
    DELETE FROM boots WHERE id IN (SELECT id FROM boots WHERE device_id = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)";

/// Some devices of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Those with the newest boots, newest first.
    pub devices: Vec<DeviceId>,
    /// How many there are.
    pub in_all: u64,
}

impl Reader<'_> {
    /// The last boots of a device with their stages, newest first.
    pub fn boots(&self, device: DeviceId, limit: u64) -> Result<Vec<Boot>, Error> {
        let mut boots = self.all(NEWEST, params![device.0, count(limit)], read)?;
        for boot in &mut boots {
            boot.stages = self.all(STAGES_OF, [boot.id.0], read_stage)?;
        }
        Ok(boots)
    }

    /// How many boots were ever begun, also by devices that are gone.
    pub fn boots_ever(&self) -> Result<u64, Error> {
        let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'boots'), 0)";
        self.one(sql, [], |row| Cells::of(row).count())
    }

    /// The devices that were heard of in a boot at or after a moment.
    pub fn booted_since(&self, at: Timestamp) -> Result<Vec<DeviceId>, Error> {
        let sql = "SELECT DISTINCT device_id FROM boots WHERE last_at >= ?1 ORDER BY device_id";
        self.all(sql, [at.as_micros()], |row| row.get(0).map(DeviceId))
    }

    /// The devices whose last boot goes on, and is no hold, and how many they are: those heard of since `alive`, and those that wait
    /// for a config since `since`. The newest boots come first, `limit` of them.
    pub fn under_way(
        &self,
        alive: Timestamp,
        since: Timestamp,
        limit: u64,
    ) -> Result<Newest, Error> {
        self.some_of(UNDER_WAY, alive, since, limit)
    }

    /// The devices whose last boot failed at `since` or later, or broke off, for it was not heard of since `alive`; as above.
    pub fn failed(&self, alive: Timestamp, since: Timestamp, limit: u64) -> Result<Newest, Error> {
        self.some_of(FAILED, alive, since, limit)
    }

    fn some_of(
        &self,
        [one, other]: [&str; 2],
        alive: Timestamp,
        since: Timestamp,
        limit: u64,
    ) -> Result<Newest, Error> {
        let (alive, since) = (alive.as_micros(), since.as_micros());
        let sql = format!(
            "SELECT (SELECT count(*) FROM boots WHERE {one}) + (SELECT count(*) FROM boots WHERE {other})"
        );
        let in_all = self.one(&sql, [alive, since], |row| Cells::of(row).count())?;
        let sql = format!(
            "SELECT device_id FROM boots WHERE id IN (
                SELECT id FROM boots WHERE {one} UNION ALL SELECT id FROM boots WHERE {other} ORDER BY id DESC LIMIT ?3)
             ORDER BY id DESC"
        );
        let devices = self.all(&sql, params![alive, since, count(limit)], |row| {
            row.get(0).map(DeviceId)
        })?;
        Ok(Newest { devices, in_all })
    }

    /// The last stage that a boot reached, if it is still kept.
    pub(crate) fn furthest(&self, boot: BootId) -> Result<Option<BootStage>, Error> {
        self.maybe(
            "SELECT furthest FROM boots WHERE id = ?1",
            [boot.0],
            |row| Cells::of(row).parse(),
        )
    }

    /// The last boot of each of these devices that has any, with its stages.
    pub fn last_boots(&self, devices: &[DeviceId]) -> Result<HashMap<DeviceId, Boot>, Error> {
        let boots = self.all(LAST_OF_EACH, [json(devices)?], read)?;
        let ids: Vec<BootId> = boots.iter().map(|boot| boot.id).collect();
        let mut stages: HashMap<BootId, Vec<StageRecord>> = HashMap::new();
        for (boot, stage) in self.all(STAGES_OF_EACH, [json(&ids)?], |row| {
            Ok((BootId(row.get("boot_id")?), read_stage(row)?))
        })? {
            stages.entry(boot).or_default().push(stage);
        }
        let whole = |boot: Boot| {
            let stages = stages.remove(&boot.id).unwrap_or_default();
            (boot.device, Boot { stages, ..boot })
        };
        Ok(boots.into_iter().map(whole).collect())
    }

    /// The last boot of a device, without its stages.
    pub fn last_boot(&self, device: DeviceId) -> Result<Option<Boot>, Error> {
        self.maybe(NEWEST, params![device.0, 1], read)
    }
}

impl Writer<'_> {
    /// Adds a stage to the boot it belongs to, or begins a new boot. Where the last record of the same stage with the same detail, or
    /// with what this one's detail begins with, is still running, that one is completed. A record that began before the present boot goes to the one it began in. Keeps
    /// 20 boots a device and 200 stages a boot, fewer of one that nobody had a hand in. [`Error::NoSuchDevice`] if the device is gone.
    pub fn record_stage(&self, device: DeviceId, record: &StageRecord) -> Result<BootId, Error> {
        let record = &StageRecord {
            detail: shown(&record.detail),
            ..record.clone()
        };
        let kept = self.kept(device)?;
        let boot = match self.last_boot(device)? {
            Some(last) if self.began_before(&last, record)? => {
                self.one(DURING, params![device.0, record.at.as_micros()], read)?
            }
            last => match last.filter(|last| !begins_boot(Some(last), record.stage, record.at)) {
                Some(last) => last,
                None => self.begin_boot(device, record, kept)?,
            },
        };
        self.put_stage(boot.id, record, kept)?;
        self.go_on(&boot, record)?;
        self.touch(|change| change.boot(device));
        Ok(boot.id)
    }

    /// Whether a record that comes in the present boot began in an earlier one.
    fn began_before(&self, last: &Boot, record: &StageRecord) -> Result<bool, Error> {
        // The end of a transfer says how long it took, from which its beginning is known only so well.
        const BLUR: Duration = Duration::from_secs(1);
        if record.at >= last.began_at || record.at.is_set_back_since(last.began_at) {
            return Ok(false);
        }
        let running = self.last_of_its_kind(last.id, record)?;
        let running = running.filter(|(last, _)| last.outcome == StageOutcome::Running);
        // How long a hold took is measured by another clock than these, and in the last boot alone one can be running.
        let is_hold = record.stage == BootStage::Hold;
        Ok(running.is_none_or(|(running, _)| !is_hold && running.at.since(record.at) >= BLUR))
    }

    /// The last record of the same stage that this one may complete, with its row.
    fn last_of_its_kind(
        &self,
        boot: BootId,
        record: &StageRecord,
    ) -> Result<Option<(StageRecord, i64)>, Error> {
        let of_its_kind = params![boot.0, record.stage.as_str(), record.detail];
        self.maybe(LAST_OF_ITS_KIND, of_its_kind, |row| {
            Ok((read_stage(row)?, row.get(8)?))
        })
    }

    fn kept(&self, device: DeviceId) -> Result<Kept, Error> {
        let sql = "SELECT status = 'pending' AND kept = 0 FROM devices WHERE id = ?1";
        let stranger: Option<bool> = self.maybe(sql, [device.0], |row| row.get(0))?;
        let stranger = stranger.ok_or(Error::NoSuchDevice(device))?;
        Ok(if stranger { STRANGER } else { KNOWN })
    }

    fn begin_boot(
        &self,
        device: DeviceId,
        record: &StageRecord,
        kept: Kept,
    ) -> Result<Boot, Error> {
        self.run(BREAK_OFF, [device.0])?;
        self.run(LEAVE_BEHIND, [device.0])?;
        // The newest are kept, so that no number comes twice.
        let (id, number) = self.one(
            "INSERT INTO boots (device_id, number, began_at, last_at, furthest)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM boots WHERE device_id = ?1), ?2, ?2, ?3) RETURNING id, number",
            params![device.0, record.at.as_micros(), record.stage.as_str()],
            |row| {
                let mut cells = Cells::of(row);
                Ok((BootId(cells.get()?), cells.count()?))
            },
        )?;
        self.run(DROP_BOOTS, params![device.0, kept.boots])?;
        Ok(Boot {
            id,
            device,
            number,
            began_at: record.at,
            last_at: record.at,
            furthest: record.stage,
            left_at: None,
            stages: Vec::new(),
        })
    }

    fn put_stage(&self, boot: BootId, record: &StageRecord, kept: Kept) -> Result<(), Error> {
        let last = self.last_of_its_kind(boot, record)?;
        if let Some((running, id)) = last.filter(|(last, _)| last.outcome == StageOutcome::Running)
        {
            let done = completed(&running, record);
            self.run(
                "UPDATE boot_stages
                 SET duration_us = ?2, bytes = ?3, retries = ?4, peer = ?5, outcome = ?6, detail = ?7
                 WHERE id = ?1",
                params![
                    id,
                    done.duration_us.map(count),
                    done.bytes.map(count),
                    done.retries,
                    text(done.peer.as_ref()),
                    done.outcome.as_str(),
                    done.detail,
                ],
            )?;
            return Ok(());
        }
        self.run(
            "INSERT INTO boot_stages (boot_id, stage, began_at, duration_us, bytes, retries, peer, outcome, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                boot.0,
                record.stage.as_str(),
                record.at.as_micros(),
                record.duration_us.map(count),
                record.bytes.map(count),
                record.retries,
                text(record.peer.as_ref()),
                record.outcome.as_str(),
                record.detail,
            ],
        )?;
        self.run(DROP_STAGES, params![boot.0, kept.stages - 1])?;
        Ok(())
    }

    /// Moves the summary of a boot on.
    fn go_on(&self, boot: &Boot, record: &StageRecord) -> Result<(), Error> {
        let ended = record
            .at
            .plus(Duration::from_micros(record.duration_us.unwrap_or(0)));
        let left_at = match record.stage {
            BootStage::Leave => Some(record.at),
            // Firmware on its way to the disk tries its other network entries, and a transfer may end late: it is still leaving.
            stage if stage < BootStage::Script || record.at < boot.last_at => boot.left_at,
            _ => None,
        };
        let boot = Boot {
            last_at: ended.max(boot.last_at),
            furthest: boot.furthest.max(record.stage),
            left_at,
            ..boot.clone()
        };
        let (stage, outcome) = self.one(LAST_STAGE, [boot.id.0], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.parse()?, cells.parse()?))
        })?;
        let standing = match BootStanding::of(&boot, stage, outcome) {
            BootStanding::Ended => None,
            other => Some(other.as_str()),
        };
        self.run(
            GO_ON,
            params![
                boot.id.0,
                boot.last_at.as_micros(),
                boot.furthest.as_str(),
                micros(boot.left_at),
                boot.device.0,
                standing,
            ],
        )?;
        Ok(())
    }
}

/// What a running record becomes when the next word of the same stage comes; it keeps its beginning.
fn completed(running: &StageRecord, record: &StageRecord) -> StageRecord {
    let offset = u64::try_from(record.at.since(running.at).as_micros()).unwrap_or(u64::MAX);
    let known = record.duration_us.is_some() || offset > 0;
    StageRecord {
        at: running.at,
        duration_us: known
            .then(|| offset.saturating_add(record.duration_us.unwrap_or(0)))
            .or(running.duration_us),
        bytes: record.bytes.or(running.bytes),
        retries: record.retries.or(running.retries),
        peer: record.peer.or(running.peer),
        // What it waited for is known best at the beginning.
        detail: match record.stage {
            BootStage::Hold => running.detail.clone(),
            _ => record.detail.clone(),
        },
        ..record.clone()
    }
}

/// Keeps of a detail what fits in a line.
fn shown(detail: &str) -> String {
    let printable = detail.chars().filter(|c| !c.is_control());
    printable.take(DETAIL).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Boot> {
    let mut cells = Cells::of(row);
    Ok(Boot {
        id: BootId(cells.get()?),
        device: DeviceId(cells.get()?),
        number: cells.count()?,
        began_at: cells.at()?,
        last_at: cells.at()?,
        furthest: cells.parse()?,
        left_at: cells.at_or_null()?,
        stages: Vec::new(),
    })
}

fn read_stage(row: &Row<'_>) -> rusqlite::Result<StageRecord> {
    let mut cells = Cells::of(row);
    Ok(StageRecord {
        stage: cells.parse()?,
        at: cells.at()?,
        duration_us: cells.count_or_null()?,
        bytes: cells.count_or_null()?,
        retries: cells.get()?,
        peer: cells.parse_or_null()?,
        outcome: cells.parse()?,
        detail: cells.get()?,
    })
}
