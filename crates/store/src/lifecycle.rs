//! What is ordered of devices and what becomes of it; the states are the model's.

use std::time::Duration;

use model::proof::Verdict;
use model::{
    Device, DeviceId, EventKind, Install, InstallEvent, ProofSource, Scene, StandingOrder,
    Timestamp,
};
use rusqlite::params;

use crate::row::{json, micros};
use crate::{Error, Reader, Writer};

const PUT: &str = "
    UPDATE devices
    SET boot_order = ?2, install = ?3, wipe = ?4, config_released_at = ?5,
        config_transfers = iif(?5 IS NULL, 0, config_transfers), config_delivered = iif(?5 IS NULL, 0, config_delivered)
    WHERE id = ?1";

/// Once the install is proven, or another order stands, the machine needs its config no more.
const OUT_OF_FORCE: &str = "
    DELETE FROM config_tokens
    WHERE device_id = ?1 AND (?2 OR EXISTS (SELECT 1 FROM devices WHERE id = ?1 AND boot_order <> ?3))";

/// Those that wait for something; each condition is that of an index.
const WAITING: &str = "
    SELECT id FROM devices WHERE install ->> '$.state' = 'begun'
    UNION SELECT id FROM devices WHERE wipe ->> '$.state' IN ('asked', 'ordered')";

/// Those on which a boot could do harm by itself.
const ARMED: &str = "
    SELECT id FROM devices WHERE wipe ->> '$.state' IN ('asked', 'ordered')
    UNION SELECT id FROM devices WHERE status = 'approved' AND boot_order = 'install'";

/// What orders were taken back at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoodDown {
    /// How many wipes, asked for or ordered.
    pub wipes: u64,
    /// How many installs, which are now a menu.
    pub installs: u64,
}

impl Reader<'_> {
    /// The devices that owe a proof for too long, or whose wipe has waited too long, ordered by number. Without `reports` no proof is
    /// owed.
    pub fn overdue(&self, now: Timestamp, reports: bool) -> Result<Vec<DeviceId>, Error> {
        let limit = self.proof_limit()?;
        let mut overdue = Vec::new();
        for id in self.all(WAITING, [], |row| row.get(0).map(DeviceId))? {
            let device = self.device(id)?;
            let late = device.is_some_and(|device| {
                device.life.wipe.is_over(now)
                    || (reports && is_silent(&device.life.install, now, limit))
            });
            if late {
                overdue.push(id);
            }
        }
        Ok(overdue)
    }

    fn proof_limit(&self) -> Result<Duration, Error> {
        let seconds = self.settings()?.proof_limit_seconds;
        Ok(Duration::from_secs(seconds.into()))
    }
}

/// Whether a machine that was told to report owes a proof for longer than `limit`.
fn is_silent(install: &Install, now: Timestamp, limit: Duration) -> bool {
    match install {
        Install::Begun { since, reports, .. } => *reports && now.since(*since) >= limit,
        _ => false,
    }
}

impl Writer<'_> {
    /// Notes of a device what [`Reader::overdue`] found, if it still is so.
    pub fn pass_deadlines(&self, device: DeviceId, reports: bool) -> Result<(), Error> {
        let Some(mut device) = self.device(device)? else {
            return Ok(());
        };
        let told = device.life.expire(self.now());
        self.live(&device, told)?;
        if reports && is_silent(&device.life.install, self.now(), self.proof_limit()?) {
            self.install_event(&mut device, &InstallEvent::Silent, reports)?;
        }
        Ok(())
    }

    /// Takes back what is ordered of machines and may have been carried out long ago: wipes, and installs of approved machines, which
    /// get a menu that ends at the disk; the tokens for configs go as well. An event tells of each order.
    pub(crate) fn stand_down(&self) -> Result<StoodDown, Error> {
        let mut stood_down = StoodDown::default();
        for id in self.all(ARMED, [], |row| row.get(0).map(DeviceId))? {
            let Some(mut device) = self.device(id)? else {
                continue;
            };
            let told = device.life.decline_wipe();
            stood_down.wipes += u64::from(self.live(&device, told)?);
            if device.approval.is_approved() && device.life.order == StandingOrder::Install {
                let order = StandingOrder::Menu;
                device.give_order(order);
                let told = EventKind::OrderGiven { order };
                stood_down.installs += u64::from(self.live(&device, Some(told))?);
            }
        }
        self.run("DELETE FROM config_tokens", [])?;
        Ok(stood_down)
    }

    /// Takes what a machine said of itself, or a person of it, and writes the event of what came of it. Says whether anything did: the
    /// same word again changes nothing, and so does a word about what was before the present order. Nothing happens if the device
    /// is gone.
    pub fn take_verdict(
        &self,
        device: DeviceId,
        verdict: &Verdict,
        source: ProofSource,
    ) -> Result<bool, Error> {
        let Some(mut device) = self.device(device)? else {
            return Ok(false);
        };
        let scene = self.scene(&device, false)?;
        let told = device.life.hear(verdict, source, &scene);
        if let Some(EventKind::WipeProven { .. }) = told {
            // The config that was released before the wipe is gone with the disk.
            device.config_released_at = None;
        }
        self.live(&device, told)
    }

    /// Something happened to the install of a device; writes the event of what came of it, if any has one. `reports` is whether the
    /// machine is told to report. Says whether anything changed.
    pub fn install_event(
        &self,
        device: &mut Device,
        event: &InstallEvent,
        reports: bool,
    ) -> Result<bool, Error> {
        let scene = self.scene(device, reports)?;
        let before = device.life.install.clone();
        let told = device.life.install_event(event, &scene);
        if before == device.life.install {
            return Ok(false);
        }
        self.put_life(device)?;
        if let Some(told) = told {
            self.event(Some(device), told)?;
        }
        Ok(true)
    }

    /// Writes what became of a device's orders, with its event; nothing if there is none. Says whether it did.
    pub fn live(&self, device: &Device, told: Option<EventKind>) -> Result<bool, Error> {
        let Some(told) = told else { return Ok(false) };
        self.put_life(device)?;
        self.event(Some(device), told)?;
        Ok(true)
    }

    fn put_life(&self, device: &Device) -> Result<(), Error> {
        let installed = matches!(device.life.install, Install::Installed { .. });
        self.run(
            OUT_OF_FORCE,
            params![device.id.0, installed, device.life.order.as_str()],
        )?;
        let params = params![
            device.id.0,
            device.life.order.as_str(),
            json(&device.life.install)?,
            json(&device.life.wipe)?,
            micros(device.config_released_at),
        ];
        self.run(PUT, params)?;
        self.device_touched(device.id)
    }

    fn scene(&self, device: &Device, reports: bool) -> Result<Scene, Error> {
        let boot = self.last_boot(device.id)?;
        // A machine that asks again does so in another boot than the one it failed in.
        let tried = match device.life.install {
            Install::Begun { boot, .. } => boot,
            _ => None,
        };
        let furthest = match tried {
            Some(tried) => self.furthest(tried)?,
            None => boot.as_ref().map(|boot| boot.furthest),
        };
        Ok(Scene {
            at: self.now(),
            boot: boot.map(|boot| boot.id),
            furthest,
            reports,
        })
    }
}
