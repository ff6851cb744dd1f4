//! What a machine has told of itself, so that a restart of the daemon forgets nothing of it.

use model::DeviceId;
use model::proof::Testimony;
use rusqlite::params;

use crate::{Error, Reader, Writer};

impl Reader<'_> {
    /// What a device has told; nothing if it never did. What cannot be read any more counts as never told.
    pub fn testimony(&self, device: DeviceId) -> Result<Testimony, Error> {
        let sql = "SELECT testimony FROM testimonies WHERE device_id = ?1";
        let text: Option<String> = self.maybe(sql, [device.0], |row| row.get(0))?;
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(read
            .unwrap_or_else(|err| {
                tracing::warn!(%device, %err, "what a machine told before cannot be read, and is begun anew");
                None
            })
            .unwrap_or_default())
    }
}

impl Writer<'_> {
    /// Keeps what a device has told. [`Error::NoSuchDevice`] if the device is gone.
    pub fn keep_testimony(&self, device: DeviceId, testimony: &Testimony) -> Result<(), Error> {
        let text =
            serde_json::to_string(testimony).map_err(|err| Error::Refused(err.to_string()))?;
        let kept = self.run(
            "INSERT INTO testimonies (device_id, testimony) SELECT id, ?2 FROM devices WHERE id = ?1
             ON CONFLICT (device_id) DO UPDATE SET testimony = excluded.testimony",
            params![device.0, text],
        )?;
        if kept == 0 {
            return Err(Error::NoSuchDevice(device));
        }
        Ok(())
    }
}
