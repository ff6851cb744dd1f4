//! Patches of operators, and the settings of one device that only its config needs.

use std::fmt;

use model::{DeviceId, PatchId, PatchScope, Sha256Digest, Timestamp};
use rusqlite::{Row, params};

use crate::row::{Cells, fingerprint};
use crate::{Error, Reader, Writer};

/// A patch as it was saved.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPatch {
    /// Its row.
    pub id: PatchId,
    /// What it is for.
    pub scope: PatchScope,
    /// The device it is for, if its scope is one.
    pub device: Option<DeviceId>,
    /// Its name; within a scope, names are the order of application.
    pub name: String,
    /// YAML or JSON; it may hold secrets.
    pub text: String,
    /// The fingerprint of the text.
    pub sha256: Sha256Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl fmt::Debug for StoredPatch {
    /// Leaves the text out, for it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPatch")
            .field("id", &self.id)
            .field("scope", &self.scope)
            .field("device", &self.device)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// In the order of application, cluster first.
const ALL: &str = "
    SELECT id, scope, device_id, name, text, sha256, created_at, updated_at FROM patches
    ORDER BY CASE scope WHEN 'cluster' THEN 0 WHEN 'controlplane' THEN 1 WHEN 'worker' THEN 2 ELSE 3 END, device_id, name";

const ONE: &str = "
    SELECT id, scope, device_id, name, text, sha256, created_at, updated_at FROM patches WHERE id = ?1";

const NAMED: &str = "
    SELECT id, scope, device_id, name, text, sha256, created_at, updated_at FROM patches
    WHERE scope = ?1 AND coalesce(device_id, 0) = ?2 AND name = ?3";

impl Reader<'_> {
    /// Every patch in the order of application: the cluster's, the roles', the devices', by name within each.
    pub fn patches(&self) -> Result<Vec<StoredPatch>, Error> {
        self.all(ALL, [], read)
    }

    /// One patch.
    pub fn patch(&self, id: PatchId) -> Result<Option<StoredPatch>, Error> {
        self.maybe(ONE, [id.0], read)
    }

    /// The patch with a name in a scope.
    pub fn patch_named(
        &self,
        scope: PatchScope,
        device: Option<DeviceId>,
        name: &str,
    ) -> Result<Option<StoredPatch>, Error> {
        let device = device.map_or(0, |id| id.0);
        self.maybe(NAMED, params![scope.as_str(), device, name], read)
    }

    /// What the config of a device has beyond its row, as JSON in the API's form, if anything.
    pub fn device_settings(&self, device: DeviceId) -> Result<Option<String>, Error> {
        let sql = "SELECT settings FROM device_settings WHERE device_id = ?1";
        self.maybe(sql, [device.0], |row| row.get(0))
    }

    /// The same of every device that has any, ordered by device.
    pub fn all_device_settings(&self) -> Result<Vec<(DeviceId, String)>, Error> {
        let sql = "SELECT device_id, settings FROM device_settings ORDER BY device_id";
        self.all(sql, [], |row| Ok((DeviceId(row.get(0)?), row.get(1)?)))
    }
}

impl Writer<'_> {
    /// Adds a patch, or puts its text in the place of that of the same name in its scope. Says which it is, and whether anything
    /// changed. The event is the caller's to write.
    pub fn save_patch(
        &self,
        scope: PatchScope,
        device: Option<DeviceId>,
        name: &str,
        text: &str,
    ) -> Result<(PatchId, bool), Error> {
        let sha256 = fingerprint(text.as_bytes());
        let now = self.now().as_micros();
        let before = self.patch_named(scope, device, name)?;
        if let Some(before) = before {
            if before.sha256 == sha256 {
                return Ok((before.id, false));
            }
            self.run(
                "UPDATE patches SET text = ?2, sha256 = ?3, updated_at = ?4 WHERE id = ?1",
                params![before.id.0, text, sha256.to_string(), now],
            )?;
            self.cluster_touched()?;
            return Ok((before.id, true));
        }
        if let Some(device) = device {
            self.must_exist(device)?;
        }
        let id = self.one(
            "INSERT INTO patches (scope, device_id, name, text, sha256, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) RETURNING id",
            params![
                scope.as_str(),
                device.map(|id| id.0),
                name,
                text,
                sha256.to_string(),
                now
            ],
            |row| row.get(0),
        )?;
        self.cluster_touched()?;
        Ok((PatchId(id), true))
    }

    /// Deletes a patch; says whether it was there. The event is the caller's to write.
    pub fn delete_patch(&self, id: PatchId) -> Result<bool, Error> {
        if self.run("DELETE FROM patches WHERE id = ?1", [id.0])? == 0 {
            return Ok(false);
        }
        self.cluster_touched()?;
        Ok(true)
    }

    /// Puts other settings of a device in force; `None` leaves all to the base. The event is the caller's to write.
    pub fn save_device_settings(&self, device: DeviceId, json: Option<&str>) -> Result<(), Error> {
        self.must_exist(device)?;
        match json {
            Some(json) => self.run(
                "INSERT OR REPLACE INTO device_settings (device_id, settings) VALUES (?1, ?2)",
                params![device.0, json],
            )?,
            None => self.run(
                "DELETE FROM device_settings WHERE device_id = ?1",
                [device.0],
            )?,
        };
        self.device_touched(device)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredPatch> {
    let mut cells = Cells::of(row);
    Ok(StoredPatch {
        id: PatchId(cells.get()?),
        scope: cells.parse()?,
        device: cells.get::<Option<i64>>()?.map(DeviceId),
        name: cells.get()?,
        text: cells.get()?,
        sha256: cells.parse()?,
        created_at: cells.at()?,
        updated_at: cells.at()?,
    })
}
