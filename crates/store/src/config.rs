//! Device configs: the very bytes that machines are served, and what became of them.

use std::collections::HashSet;
use std::fmt;

use model::{Device, DeviceId, InstallEvent, MacAddr, Role, Sha256Digest, Timestamp};
use rusqlite::{Row, params};

use crate::row::{Cells, fingerprint, json};
use crate::{Error, Reader, Writer};

/// The config of one device.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredConfig {
    /// The device.
    pub device: DeviceId,
    /// Its MAC at this moment.
    pub mac: MacAddr,
    /// The role the config was made for.
    pub role: Role,
    /// Talos YAML with secrets.
    pub bytes: Vec<u8>,
    /// The fingerprint of the bytes.
    pub sha256: Sha256Digest,
    /// When it was made.
    pub generated_at: Timestamp,
    /// The revision that made it, or gave its device another MAC.
    pub revision: i64,
}

impl fmt::Debug for StoredConfig {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredConfig")
            .field("device", &self.device)
            .field("mac", &self.mac)
            .field("role", &self.role)
            .field("sha256", &self.sha256)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

const ONE: &str = "
    SELECT device_id, mac, c.role, bytes, sha256, generated_at, revision
    FROM device_configs c JOIN devices d ON d.id = c.device_id
    WHERE device_id = ?1";

const SINCE: &str = "
    SELECT device_id, mac, c.role, bytes, sha256, generated_at, revision
    FROM device_configs c JOIN devices d ON d.id = c.device_id
    WHERE revision > ?1 ORDER BY device_id";

const DIGESTS: &str = "
    SELECT mac, c.role, sha256
    FROM device_configs c JOIN devices d ON d.id = c.device_id
    ORDER BY device_id";

/// Another transfer may be under way, or may have reached the machine whole: then an install may follow, and the mark stays.
const NOT_DELIVERED: &str = "
    UPDATE devices
    SET config_transfers = max(config_transfers - 1, 0),
        config_released_at = iif(config_transfers <= 1 AND config_delivered = 0, NULL, config_released_at)
    WHERE id = ?1
    RETURNING config_released_at IS NULL AND config_transfers = 0";

/// A transfer that began before the present order and ends after it counts for the present order: the machine has a config.
const SERVED: &str = "
    UPDATE devices
    SET config_transfers = max(config_transfers - 1, 0), config_delivered = 1,
        config_released_at = coalesce(config_released_at, ?2), last_config_download_at = ?2, served_sha256 = ?3
    WHERE id = ?1";

/// What a machine was sent and did not get whole is no config of its any more, unless another transfer is under way.
const FORGET_UNDELIVERED: &str = "
    DELETE FROM served_configs
    WHERE device_id = ?1
      AND EXISTS (SELECT 1 FROM devices WHERE id = ?1 AND config_transfers = 0 AND served_sha256 IS NOT served_configs.sha256)";

/// Those that were served another config than they would be at this moment; but a disk that was wiped, and waits for its install, runs none.
const OUTDATED: &str = "
    SELECT id FROM devices d JOIN device_configs c ON c.device_id = d.id
    WHERE d.served_sha256 <> c.sha256 AND NOT (d.wipe ->> '$.state' = 'proven' AND d.install ->> '$.state' = 'waiting')";

impl Reader<'_> {
    /// Those of these devices that were served another config than they would be now.
    pub fn outdated(&self, devices: &[DeviceId]) -> Result<HashSet<DeviceId>, Error> {
        let sql = format!("{OUTDATED} AND id IN (SELECT value FROM json_each(?1))");
        let found = self.all(&sql, [json(devices)?], |row| row.get(0).map(DeviceId))?;
        Ok(found.into_iter().collect())
    }

    /// Whether a device was served another config than it would be now.
    pub fn is_outdated(&self, device: DeviceId) -> Result<bool, Error> {
        let sql = format!("{OUTDATED} AND id = ?1");
        Ok(self.maybe(&sql, [device.0], |_| Ok(()))?.is_some())
    }

    /// The bytes of the config that a device was last served whole; `None` too if it was served by a ktizo that did not keep them.
    pub fn served_config(&self, device: DeviceId) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT bytes FROM served_configs s JOIN devices d ON d.id = s.device_id
                   WHERE d.id = ?1 AND s.sha256 = d.served_sha256";
        self.maybe(sql, [device.0], |row| row.get(0))
    }

    /// The config of a device, if it has one.
    pub fn config(&self, device: DeviceId) -> Result<Option<StoredConfig>, Error> {
        self.maybe(ONE, [device.0], read)
    }

    /// The configs that are newer than a revision, ordered by device. One that was deleted since is in no list.
    pub fn configs_since(&self, revision: i64) -> Result<Vec<StoredConfig>, Error> {
        self.all(SINCE, [revision], read)
    }

    /// The fingerprint of every config, ordered by device.
    pub fn config_digests(&self) -> Result<Vec<(MacAddr, Role, Sha256Digest)>, Error> {
        self.all(DIGESTS, [], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.parse()?, cells.parse()?, cells.parse()?))
        })
    }

    /// The fingerprint of the config that a device was last served whole, and when.
    pub fn last_served(
        &self,
        device: DeviceId,
    ) -> Result<Option<(Sha256Digest, Timestamp)>, Error> {
        let sql = "SELECT served_sha256, last_config_download_at FROM devices
                   WHERE id = ?1 AND served_sha256 IS NOT NULL AND last_config_download_at IS NOT NULL";
        self.maybe(sql, [device.0], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.parse()?, cells.at()?))
        })
    }

    /// The devices whose config was made at `at` or later, of the `limit` that were made last, ordered by number.
    pub fn configs_made_since(&self, at: Timestamp, limit: u64) -> Result<Vec<DeviceId>, Error> {
        let sql = "
            SELECT device_id FROM (SELECT device_id, generated_at FROM device_configs ORDER BY revision DESC LIMIT ?2)
            WHERE generated_at >= ?1 ORDER BY device_id";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, params![at.as_micros(), limit], |row| {
            row.get(0).map(DeviceId)
        })
    }
}

impl Writer<'_> {
    /// Puts a config in the place of the one before; false, and nothing is written, if it is the same for the same role.
    pub fn save_config(&self, device: &Device, role: Role, bytes: &[u8]) -> Result<bool, Error> {
        let sha256 = fingerprint(bytes).to_string();
        let same: bool = self.one(
            "SELECT EXISTS (SELECT 1 FROM device_configs WHERE device_id = ?1 AND role = ?2 AND sha256 = ?3)",
            params![device.id.0, role.as_str(), sha256],
            |row| row.get(0),
        )?;
        if same {
            return Ok(false);
        }
        self.must_exist(device.id)?;
        self.run(
            "INSERT OR REPLACE INTO device_configs (device_id, role, sha256, generated_at, revision, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                device.id.0,
                role.as_str(),
                sha256,
                self.now().as_micros(),
                self.next_revision()?,
                bytes
            ],
        )?;
        self.device_touched(device.id)?;
        Ok(true)
    }

    /// Deletes the config of a device, if it has one.
    pub fn delete_config(&self, device: DeviceId) -> Result<(), Error> {
        let sql = "DELETE FROM device_configs WHERE device_id = ?1";
        if self.run(sql, [device.0])? > 0 {
            self.device_touched(device)?;
        }
        Ok(())
    }

    /// A transfer of the config is about to begin: from here on an install may follow. Each call is to be followed by one of
    /// [`Self::config_served`] and [`Self::config_not_delivered`]; if neither comes, as after a power cut, the mark stays.
    /// [`Error::ConfigChanged`] if the device does not have a config with this fingerprint any more: it must not go out.
    pub fn config_released(&self, device: DeviceId, sha256: Sha256Digest) -> Result<(), Error> {
        let marked = self.run(
            "UPDATE devices
             SET config_released_at = coalesce(config_released_at, ?2), config_transfers = config_transfers + 1
             WHERE id = ?1 AND EXISTS (SELECT 1 FROM device_configs WHERE device_id = ?1 AND sha256 = ?3)",
            params![device.0, self.now().as_micros(), sha256.to_string()],
        )?;
        if marked == 0 {
            return Err(Error::ConfigChanged(device));
        }
        self.shown_itself(device)?;
        self.install_goes_on(device, &InstallEvent::Released)?;
        self.run(
            "INSERT OR IGNORE INTO served_configs (device_id, sha256, bytes)
             SELECT device_id, sha256, bytes FROM device_configs WHERE device_id = ?1",
            [device.0],
        )?;
        self.device_touched(device)
    }

    /// A transfer broke off. Takes the mark of [`Self::config_released`] back if nothing was served whole since the order was given
    /// and no other transfer is under way. Nothing happens if the device is gone.
    pub fn config_not_delivered(&self, device: DeviceId) -> Result<(), Error> {
        let Some(taken_back) = self.maybe(NOT_DELIVERED, [device.0], |row| row.get(0))? else {
            return Ok(());
        };
        if taken_back {
            self.install_goes_on(device, &InstallEvent::TakenBack)?;
        }
        self.run(FORGET_UNDELIVERED, [device.0])?;
        self.device_touched(device)
    }

    /// A transfer ended and the machine has the whole config. Nothing happens if the device is gone. The event is the caller's to write.
    pub fn config_served(&self, device: DeviceId, sha256: Sha256Digest) -> Result<(), Error> {
        let params = params![device.0, self.now().as_micros(), sha256.to_string()];
        if self.run(SERVED, params)? > 0 {
            self.run(FORGET_UNDELIVERED, [device.0])?;
            self.device_touched(device)?;
        }
        Ok(())
    }

    /// Tells the state of the install what became of the config.
    fn install_goes_on(&self, device: DeviceId, event: &InstallEvent) -> Result<(), Error> {
        let settings = self.settings()?;
        let reports =
            settings.tells_to_report(self.options.takes_events, self.options.takes_kernel_logs);
        if let Some(mut device) = self.device(device)? {
            self.install_event(&mut device, event, reports)?;
        }
        Ok(())
    }

    /// Names the device that is missing, where SQLite would only say that a foreign key failed.
    pub(crate) fn must_exist(&self, device: DeviceId) -> Result<(), Error> {
        let sql = "SELECT 1 FROM devices WHERE id = ?1";
        self.maybe(sql, [device.0], |_| Ok(()))?
            .ok_or(Error::NoSuchDevice(device))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredConfig> {
    let mut cells = Cells::of(row);
    Ok(StoredConfig {
        device: DeviceId(cells.get()?),
        mac: cells.parse()?,
        role: cells.parse()?,
        bytes: cells.get()?,
        sha256: cells.parse()?,
        generated_at: cells.at()?,
        revision: cells.get()?,
    })
}
