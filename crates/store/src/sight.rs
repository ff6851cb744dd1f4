//! How machines make themselves known, and how strangers are kept from filling the disk.

use std::time::Duration;

use model::{
    Actor, Conflict, ConflictKind, Device, DeviceId, EphemeralVolume, EventKind, Identity,
    Inventory, MacAddr, SeenBy, Timestamp,
};
use rusqlite::params;

use crate::identity::two_at_once;
use crate::row::{Cells, count, micros, text};
use crate::{Error, NewDevice, Writer};

/// A machine that made itself known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its device, as it is afterwards.
    pub device: Device,
    /// Whether nothing was known of it before.
    pub is_new: bool,
}

impl Sight {
    fn of_known(device: Device) -> Self {
        Self {
            device,
            is_new: false,
        }
    }

    fn of_new(device: Device) -> Self {
        Self {
            device,
            is_new: true,
        }
    }
}

/// A device seen again within this time is not written again.
const FRESH: Duration = Duration::from_secs(1);
/// The part of the cap that is cleared beyond what is needed, so that a flood of new addresses writes an event for many of them
/// rather than for each.
const SLACK: u64 = 16;

const SEEN_AGAIN: &str = "
    UPDATE devices
    SET first_seen_at = ?2, last_seen_at = ?3, arch = ?4, firmware = ?5, uuid = ?6, serial = ?7, vendor = ?8, model = ?9
    WHERE id = ?1";

/// ?1 the device, ?2 now, ?3 how long a moment is fresh. A clock that was set back must not keep a device unseen until it has caught up.
const SHOWN_ITSELF: &str = "
    UPDATE devices SET first_seen_at = coalesce(first_seen_at, ?2), last_seen_at = ?2
    WHERE id = ?1 AND (last_seen_at IS NULL OR last_seen_at > ?2 OR last_seen_at + ?3 <= ?2)";

/// Those nobody ever had a hand in, the longest unseen first.
const FORGET: &str = "
    DELETE FROM devices WHERE id IN (
        SELECT id FROM devices WHERE status = 'pending' AND kept = 0 ORDER BY last_seen_at, id LIMIT ?1)
    RETURNING id";

impl Writer<'_> {
    /// Takes note of a machine: one device per MAC, whatever the race. A new one has its event, and makes room for itself if there are
    /// too many that nobody decided about. `last_seen` is written at most once a second.
    pub fn sight(&self, mac: MacAddr, inventory: &Inventory, by: SeenBy) -> Result<Sight, Error> {
        self.sight_beside(mac, inventory, by, &|_| None)
    }

    /// The same, where it is known which card of a device is in a boot at this moment.
    pub fn sight_beside(
        &self,
        mac: MacAddr,
        inventory: &Inventory,
        by: SeenBy,
        booting: &dyn Fn(DeviceId) -> Option<MacAddr>,
    ) -> Result<Sight, Error> {
        let inventory = clean(inventory);
        if let Some(device) = self.device_by_mac(mac)? {
            return self.seen_with(device, mac, &inventory, by, booting);
        }
        match self.owner_of(mac, &inventory, DeviceId(0), booting)? {
            Identity::OtherCard(owner) => {
                if let Some(owner) = self.device(owner)? {
                    self.attach_card(&owner, mac)?;
                    let nothing = Inventory::default();
                    return Ok(Sight::of_known(self.seen_again(owner, &nothing)?));
                }
            }
            // A DHCP request alone, which nobody can be asked about, makes no conflict; the script that follows will.
            Identity::Conflict(other, kind) if by == SeenBy::Script => {
                if let Some(other) = self.device(other)? {
                    let device = self.meet(mac, inventory, by)?;
                    self.identified(&device)?;
                    self.note_twins(&device, &other, kind)?;
                    return Ok(Sight::of_new(device));
                }
            }
            Identity::Unknown | Identity::Same(_) | Identity::Conflict(..) => {}
        }
        let device = self.meet(mac, inventory, by)?;
        if by == SeenBy::Script {
            self.identified(&device)?;
        }
        Ok(Sight::of_new(device))
    }

    /// A device showed itself otherwise: it fetched its config, or told of itself. Written at most once a second, too.
    pub fn shown_itself(&self, device: DeviceId) -> Result<(), Error> {
        self.run(
            SHOWN_ITSELF,
            params![
                device.0,
                self.now().as_micros(),
                i64::try_from(FRESH.as_micros()).unwrap_or(i64::MAX)
            ],
        )?;
        Ok(())
    }

    /// A machine that is new.
    fn meet(&self, mac: MacAddr, inventory: Inventory, by: SeenBy) -> Result<Device, Error> {
        self.forget_unseen(self.options.undecided_devices.saturating_sub(1))?;
        let device = self.insert_device(NewDevice {
            mac,
            hostname: None,
            ip_address: None,
            role: None,
            notes: String::new(),
            labels: model::Labels::default(),
            install_disk: None,
            ephemeral: EphemeralVolume::default(),
            inventory,
            seen: true,
        })?;
        self.event(Some(&device), EventKind::DeviceSeen { by })?;
        Ok(device)
    }

    /// From here on what is known of its mainboard is what its own iPXE read there.
    fn identified(&self, device: &Device) -> Result<(), Error> {
        if device.inventory.uuid.is_some() || device.inventory.serial.is_some() {
            self.run(
                "UPDATE devices SET identified = 1 WHERE id = ?1 AND identified = 0",
                [device.id.0],
            )?;
        }
        Ok(())
    }

    /// A known card was heard of.
    fn seen_with(
        &self,
        device: Device,
        mac: MacAddr,
        shows: &Inventory,
        by: SeenBy,
        booting: &dyn Fn(DeviceId) -> Option<MacAddr>,
    ) -> Result<Sight, Error> {
        let told = by == SeenBy::Script && (shows.uuid.is_some() || shows.serial.is_some());
        if !told {
            // What a DHCP request claims fills gaps: firmware makes a UUID up where it has none.
            let mut hearsay = shows.clone();
            if self.is_identified(device.id)? || mac != device.mac {
                hearsay.uuid = None;
                hearsay.serial = None;
            }
            if mac != device.mac {
                hearsay = Inventory::default();
            }
            return Ok(Sight::of_known(self.seen_again(device, &hearsay)?));
        }
        if self.contradicts(&device, mac, shows)? {
            if self.is_unconfirmed(device.id, mac)? {
                // It attached itself, and belongs elsewhere after all.
                self.detach_card(device.id, mac)?;
                return self.sight_beside(mac, shows, by, booting);
            }
            let found = Conflict {
                kind: ConflictKind::OneMacTwoMachines,
                mac,
                uuid: shows.uuid,
                serial: shows.serial.clone(),
                with: None,
                since: self.now(),
            };
            self.note_conflict(&device, &found)?;
            return Ok(Sight::of_known(
                self.seen_again(device, &Inventory::default())?,
            ));
        }
        if two_at_once(&device, mac, booting) {
            let other = booting(device.id).filter(|_| mac == device.mac);
            let card = other.unwrap_or(mac);
            if self.is_unconfirmed(device.id, card)? {
                self.detach_card(device.id, card)?;
                let shown = if card == mac {
                    shows.clone()
                } else {
                    Inventory {
                        uuid: shows.uuid,
                        ..Inventory::default()
                    }
                };
                let twin = self.meet(card, shown, by)?;
                self.note_twins(&device, &twin, ConflictKind::OneUuidTwoBoots)?;
                return Ok(if card == mac {
                    Sight::of_new(twin)
                } else {
                    Sight::of_known(device)
                });
            }
        }
        if mac != device.mac {
            // What kind of machine it is, its own card says.
            return Ok(Sight::of_known(
                self.seen_again(device, &Inventory::default())?,
            ));
        }
        match self.owner_of(mac, shows, device.id, booting)? {
            Identity::OtherCard(owner) => {
                if let Some(owner) = self.device(owner)? {
                    if self.is_stranger(device.id)? {
                        self.delete_device(device.id)?;
                        self.attach_card(&owner, mac)?;
                        return Ok(Sight::of_known(
                            self.seen_again(owner, &Inventory::default())?,
                        ));
                    }
                    if self.is_stranger(owner.id)? {
                        self.delete_device(owner.id)?;
                        self.attach_card(&device, owner.mac)?;
                    } else {
                        self.note_twins(&device, &owner, ConflictKind::OneUuidTwoSerials)?;
                    }
                }
            }
            Identity::Conflict(other, kind) => {
                if let Some(other) = self.device(other)? {
                    self.note_twins(&device, &other, kind)?;
                }
            }
            Identity::Unknown | Identity::Same(_) => {}
        }
        let device = self.seen_again(device, shows)?;
        self.identified(&device)?;
        Ok(Sight::of_known(device))
    }

    /// Whether nobody ever had a hand in a device.
    fn is_stranger(&self, device: DeviceId) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM devices WHERE id = ?1 AND status = 'pending' AND kept = 0)";
        self.one(sql, [device.0], |row| row.get(0))
    }

    fn seen_again(&self, mut device: Device, inventory: &Inventory) -> Result<Device, Error> {
        let now = self.now();
        let learned = device.inventory.learn(inventory);
        // A clock that was set back must not keep a device unseen until it has caught up.
        let fresh = |last: Timestamp| now.is_soon_after(last, FRESH);
        if !learned && device.first_seen.is_some() && device.last_seen.is_some_and(fresh) {
            return Ok(device);
        }
        device.first_seen = device.first_seen.or(Some(now));
        device.last_seen = Some(now);
        let known = &device.inventory;
        self.run(
            SEEN_AGAIN,
            params![
                device.id.0,
                micros(device.first_seen),
                micros(device.last_seen),
                text(known.arch.as_ref()),
                text(known.firmware.as_ref()),
                text(known.uuid.as_ref()),
                known.serial,
                known.vendor,
                known.model,
            ],
        )?;
        if learned {
            self.device_touched(device.id)?;
        }
        Ok(device)
    }

    /// Keeps the number of devices that nobody had a hand in at or below `cap`: the longest unseen go first, a sixteenth of `cap`
    /// more than needed at once, with what was recorded of them, and one event counts them. Never one that was added by hand,
    /// changed by a person or decided about. Returns how many went.
    pub fn forget_unseen(&self, cap: u64) -> Result<u64, Error> {
        let undecided: u64 = self.one(
            "SELECT count(*) FROM devices WHERE status = 'pending' AND kept = 0",
            [],
            |row| Cells::of(row).count(),
        )?;
        if undecided <= cap {
            return Ok(0);
        }
        let surplus = count(undecided - cap + cap / SLACK);
        let gone = self.all(FORGET, [surplus], |row| row.get(0).map(DeviceId))?;
        for device in &gone {
            // What a stranger did is worth a count, not a row for ever.
            self.run(
                "DELETE FROM events WHERE device_id = ?1 AND actor NOT GLOB 'person:*'",
                [device.0],
            )?;
            self.device_touched(*device)?;
        }
        let forgotten = gone.len() as u64;
        let what = EventKind::DevicesForgotten { count: forgotten };
        tracing::warn!(forgotten, cap, "{what}");
        self.event_by(&Actor::System, None, &what, &[])?;
        Ok(forgotten)
    }
}

/// Keeps of each text what can be shown anywhere, whatever the caller let through.
fn clean(inventory: &Inventory) -> Inventory {
    let clean = |text: &Option<String>| text.as_deref().and_then(Inventory::clean);
    Inventory {
        serial: clean(&inventory.serial),
        vendor: clean(&inventory.vendor),
        model: clean(&inventory.model),
        ..inventory.clone()
    }
}
