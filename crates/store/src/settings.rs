//! The network settings: one row, or none as long as nobody changed a default.

use model::{ConfigRelease, NetworkSettings, Payload};
use rusqlite::{Row, params};

use crate::row::{Cells, json, text};
use crate::{Error, Reader, Writer};

const READ: &str = "
    SELECT strict_boot_mode, hold_limit_seconds, menu_seconds, node_subnet, gateway, nameservers, server_address,
           talos_version, payload, extra_kernel_args, reports, install_attempts, proof_limit_seconds,
           config_release, firmware
    FROM network_settings";

const SAVE: &str = "
    INSERT OR REPLACE INTO network_settings (
        id, strict_boot_mode, hold_limit_seconds, menu_seconds, node_subnet, gateway, nameservers, server_address,
        talos_version, payload, extra_kernel_args, reports, install_attempts, proof_limit_seconds,
        config_release, firmware)
    VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

impl Reader<'_> {
    /// The settings in force.
    pub fn settings(&self) -> Result<NetworkSettings, Error> {
        Ok(self.maybe(READ, [], read)?.unwrap_or_default())
    }
}

impl Writer<'_> {
    /// Puts other settings in force. Whether they agree with each other is for the caller to check; so is the event.
    pub fn save_settings(&self, settings: &NetworkSettings) -> Result<(), Error> {
        self.run(
            SAVE,
            params![
                settings.strict_boot_mode,
                settings.hold_limit_seconds,
                settings.menu_seconds,
                text(settings.node_subnet.as_ref()),
                text(settings.gateway.as_ref()),
                json(&settings.nameservers)?,
                text(settings.server_address.as_ref()),
                text(settings.talos_version.as_ref()),
                Payload::as_str(settings.payload),
                json(&settings.extra_kernel_args)?,
                settings.reports,
                settings.install_attempts,
                settings.proof_limit_seconds,
                ConfigRelease::as_str(settings.config_release),
                json(&settings.firmware)?,
            ],
        )?;
        self.next_revision()?;
        self.touch(|change| change.settings = true);
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<NetworkSettings> {
    let mut cells = Cells::of(row);
    Ok(NetworkSettings {
        strict_boot_mode: cells.get()?,
        hold_limit_seconds: cells.get()?,
        menu_seconds: cells.get()?,
        node_subnet: cells.parse_or_null()?,
        gateway: cells.parse_or_null()?,
        nameservers: cells.json()?,
        server_address: cells.parse_or_null()?,
        talos_version: cells.parse_or_null()?,
        payload: cells.parse()?,
        extra_kernel_args: cells.json()?,
        reports: cells.get()?,
        install_attempts: cells.get()?,
        proof_limit_seconds: cells.get()?,
        config_release: cells.parse()?,
        firmware: cells.json()?,
    })
}
