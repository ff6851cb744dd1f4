//! The tokens that boot scripts carry for the config of their device. Only fingerprints are kept.

use std::collections::HashMap;

use model::{BootId, ConfigToken, DeviceId, Sha256Digest, Timestamp, TokenGrant, TokenRefusal};
use rusqlite::{Row, params};
use subtle::ConstantTimeEq as _;

use crate::row::{Cells, fingerprint, json};
use crate::{Error, Reader, Writer};

const GRANT: &str = "
    SELECT boot_id, issued_at, expires_at, fetches, token_sha256 FROM config_tokens WHERE device_id = ?1";

impl Reader<'_> {
    /// The grants of those of these devices that have one, without the tokens.
    pub fn token_grants(
        &self,
        devices: &[DeviceId],
    ) -> Result<HashMap<DeviceId, TokenGrant>, Error> {
        let sql = "SELECT boot_id, issued_at, expires_at, fetches, token_sha256, device_id FROM config_tokens
                   WHERE device_id IN (SELECT value FROM json_each(?1))";
        let grants = self.all(sql, [json(devices)?], |row| {
            Ok((DeviceId(row.get("device_id")?), read(row)?.0))
        })?;
        Ok(grants.into_iter().collect())
    }

    /// The token of a device that is in force or was until it expired, without the token.
    pub fn token_grant(&self, device: DeviceId) -> Result<Option<TokenGrant>, Error> {
        Ok(self.maybe(GRANT, [device.0], read)?.map(|(grant, _)| grant))
    }

    /// The devices whose token was put in force at `at` or later, ordered by number.
    pub fn tokens_issued_since(&self, at: Timestamp) -> Result<Vec<DeviceId>, Error> {
        let sql = "SELECT device_id FROM config_tokens WHERE issued_at >= ?1 ORDER BY device_id";
        self.all(sql, [at.as_micros()], |row| row.get(0).map(DeviceId))
    }
}

impl Writer<'_> {
    /// Puts the token of a boot script in force, in the place of any other of the device. It belongs to the device's last boot.
    pub fn issue_token(&self, device: DeviceId, token: &ConfigToken) -> Result<(), Error> {
        self.must_exist(device)?;
        let boot = self.last_boot(device)?.map(|boot| boot.id.0);
        self.run(
            "INSERT OR REPLACE INTO config_tokens (device_id, token_sha256, boot_id, issued_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                device.0,
                fingerprint(token.expose_bytes()).to_string(),
                boot,
                self.now().as_micros(),
                self.now().plus(TokenGrant::SPAN).as_micros(),
            ],
        )?;
        self.touch(|change| change.device(device));
        Ok(())
    }

    /// Whether the device's config may be served for this token; if it `counts`, the fetch is counted.
    pub fn take_token(
        &self,
        device: DeviceId,
        token: Option<&ConfigToken>,
        counts: bool,
    ) -> Result<Result<(), TokenRefusal>, Error> {
        let Some(token) = token else {
            return Ok(Err(TokenRefusal::Missing));
        };
        let Some((grant, kept)) = self.maybe(GRANT, [device.0], read)? else {
            return Ok(Err(TokenRefusal::NotInForce));
        };
        let shown = fingerprint(token.expose_bytes());
        if !bool::from(shown.0.ct_eq(&kept.0)) {
            return Ok(Err(TokenRefusal::Wrong));
        }
        if let Err(refusal) = grant.check(self.now()) {
            return Ok(Err(refusal));
        }
        if counts {
            let sql = "UPDATE config_tokens SET fetches = fetches + 1 WHERE device_id = ?1";
            self.run(sql, [device.0])?;
        }
        Ok(Ok(()))
    }

    /// Makes the token that the device has been given good for as long as a new one; false if none is in force or was until it
    /// expired. The event is the caller's to write.
    pub fn renew_token(&self, device: DeviceId) -> Result<bool, Error> {
        let until = self.now().plus(TokenGrant::SPAN).as_micros();
        let sql = "UPDATE config_tokens SET expires_at = ?2, fetches = 0 WHERE device_id = ?1";
        let renewed = self.run(sql, params![device.0, until])? > 0;
        if renewed {
            self.touch(|change| change.device(device));
        }
        Ok(renewed)
    }

    /// Puts the device's token out of force, for good; false if it has none.
    pub fn revoke_token_of(&self, device: DeviceId) -> Result<bool, Error> {
        let sql = "DELETE FROM config_tokens WHERE device_id = ?1";
        Ok(self.run(sql, [device.0])? > 0)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(TokenGrant, Sha256Digest)> {
    let mut cells = Cells::of(row);
    let boot: Option<i64> = cells.get()?;
    let grant = TokenGrant {
        boot: boot.map(BootId),
        issued_at: cells.at()?,
        expires_at: cells.at()?,
        fetches: cells.get()?,
    };
    Ok((grant, cells.parse()?))
}
