//! Which machine is which: the cards and the mainboard of a device, and what is undecided about them.

use std::collections::{HashMap, HashSet};

use model::{
    Conflict, ConflictKind, Device, DeviceId, EventKind, Identity, IdentityDecision, Inventory,
    Known, MacAddr, OtherCard, Serial, Shown, SmbiosUuid, Standing, identify,
};
use rusqlite::{Row, params};

use crate::row::{Cells, json, micros, text};
use crate::{Error, Reader, Writer};

const CONFLICT: &str = "
    SELECT kind, mac, uuid, serial, with_device, since_at FROM conflicts";

const CARDS: &str = "SELECT mac, confirmed_at, first_seen_at FROM device_macs";

/// Those that show a UUID, in whichever byte order it was read, unless a person said that it is on several boards.
const WITH_UUID: &str = "
    SELECT id, mac, uuid, serial FROM devices
    WHERE uuid IN (?1, ?2) AND id <> ?3 AND NOT EXISTS (SELECT 1 FROM shared_uuids WHERE uuid IN (?1, ?2))
    ORDER BY id LIMIT 8";

/// What a boot that names a card shows, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is as it was known, or nothing can be told of it.
    AsKnown,
    /// Something has to be written down before the boot goes on: [`Writer::sight`] does.
    News,
}

impl Reader<'_> {
    /// The other cards of a device, in the order in which they were seen.
    pub fn cards(&self, device: DeviceId) -> Result<Vec<OtherCard>, Error> {
        let sql = format!("{CARDS} WHERE device_id = ?1 ORDER BY first_seen_at, mac");
        self.all(&sql, [device.0], |row| read_card(&mut Cells::of(row)))
    }

    /// The other cards of those of these devices that have any, in the same order.
    pub fn cards_of(
        &self,
        devices: &[DeviceId],
    ) -> Result<HashMap<DeviceId, Vec<OtherCard>>, Error> {
        let sql = "SELECT mac, confirmed_at, first_seen_at, device_id FROM device_macs
                   WHERE device_id IN (SELECT value FROM json_each(?1)) ORDER BY first_seen_at, mac";
        let mut cards: HashMap<_, Vec<_>> = HashMap::new();
        for (device, card) in self.all(sql, [json(devices)?], |row| {
            Ok((
                DeviceId(row.get("device_id")?),
                read_card(&mut Cells::of(row))?,
            ))
        })? {
            cards.entry(device).or_default().push(card);
        }
        Ok(cards)
    }

    /// The cards with which a device may have its config: the one it was let in with, and those that a person confirmed.
    pub fn trusted_cards(&self, device: &Device) -> Result<Vec<MacAddr>, Error> {
        let mut macs = vec![device.mac];
        let cards = self.cards(device.id)?;
        macs.extend(
            cards
                .iter()
                .filter(|card| card.confirmed_at.is_some())
                .map(|card| card.mac),
        );
        Ok(macs)
    }

    /// What is undecided about who a device is.
    pub fn conflict(&self, device: DeviceId) -> Result<Option<Conflict>, Error> {
        let sql = format!("{CONFLICT} WHERE device_id = ?1 AND kept_at IS NULL");
        self.maybe(&sql, [device.0], read_conflict)
    }

    /// The machine with the card of a device that a person turned away.
    pub fn turned_away(&self, device: DeviceId) -> Result<Option<Conflict>, Error> {
        let sql = format!("{CONFLICT} WHERE device_id = ?1 AND kept_at IS NOT NULL");
        self.maybe(&sql, [device.0], read_conflict)
    }

    /// The devices with whose card a person turned another machine away: few ever are.
    pub fn all_turned_away(&self) -> Result<HashSet<DeviceId>, Error> {
        let sql = "SELECT device_id FROM conflicts WHERE kept_at IS NOT NULL";
        let all = self.all(sql, [], |row| row.get(0).map(DeviceId))?;
        Ok(all.into_iter().collect())
    }

    /// The same as [`Reader::conflict`] for every device of which something is: few ever are.
    pub fn conflicts(&self) -> Result<HashMap<DeviceId, Conflict>, Error> {
        let sql = "SELECT kind, mac, uuid, serial, with_device, since_at, device_id FROM conflicts WHERE kept_at IS NULL";
        let all = self.all(sql, [], |row| {
            Ok((DeviceId(row.get("device_id")?), read_conflict(row)?))
        })?;
        Ok(all.into_iter().collect())
    }

    /// How sure it is that a boot with this card is `device`, going by what was written down and by what it `shows`.
    pub fn standing(
        &self,
        device: &Device,
        mac: MacAddr,
        shows: &Inventory,
    ) -> Result<Standing, Error> {
        if self.conflict(device.id)?.is_some() {
            return Ok(Standing::Conflict);
        }
        if self.contradicts(device, mac, shows)? {
            let kept = self.turned_away(device.id)?;
            let is_that = kept.is_some_and(|other| other.is_shown_by(shows));
            return Ok(if is_that {
                Standing::TurnedAway
            } else {
                Standing::Conflict
            });
        }
        if mac == device.mac {
            return Ok(Standing::Sure);
        }
        let confirmed = self
            .cards(device.id)?
            .into_iter()
            .any(|card| card.mac == mac && card.confirmed_at.is_some());
        Ok(if confirmed {
            Standing::Sure
        } else {
            Standing::OtherCard
        })
    }

    /// Whether a boot with this card shows something that has to be written down before it may go on.
    pub fn judge(
        &self,
        device: Option<&Device>,
        mac: MacAddr,
        shows: &Inventory,
        booting: &dyn Fn(DeviceId) -> Option<MacAddr>,
    ) -> Result<Judgement, Error> {
        if shows.uuid.is_none() && shows.serial.is_none() {
            return Ok(Judgement::AsKnown);
        }
        let Some(device) = device else {
            return Ok(match self.owner_of(mac, shows, DeviceId(0), booting)? {
                Identity::Unknown => Judgement::AsKnown,
                _ => Judgement::News,
            });
        };
        let twins = || self.owner_of(mac, shows, device.id, booting);
        let news = !self.is_identified(device.id)?
            || self.contradicts(device, mac, shows)?
            || two_at_once(device, mac, booting)
            || (self.conflict(device.id)?.is_none() && twins()? != Identity::Unknown);
        Ok(if news {
            Judgement::News
        } else {
            Judgement::AsKnown
        })
    }

    /// Whether what a boot shows speaks against its being `device`; with a card that no person confirmed, every number that differs
    /// does. What only a DHCP request claimed does not count: firmware makes a UUID up where it has none.
    pub(crate) fn contradicts(
        &self,
        device: &Device,
        mac: MacAddr,
        shows: &Inventory,
    ) -> Result<bool, Error> {
        if !self.is_identified(device.id)? {
            return Ok(false);
        }
        let (own, shown) = (known(device.id, mac, &device.inventory), shown(mac, shows));
        if mac != device.mac && self.is_unconfirmed(device.id, mac)? {
            return Ok(!shown.agrees_with(&own));
        }
        Ok(identify(&shown, &[own]) != Identity::Same(device.id))
    }

    /// Whether a card attached itself to a device, and no person said that it is the device's.
    pub(crate) fn is_unconfirmed(&self, device: DeviceId, card: MacAddr) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM device_macs WHERE mac = ?1 AND device_id = ?2 AND confirmed_at IS NULL)";
        self.one(sql, params![card.to_string(), device.0], |row| row.get(0))
    }

    /// Whom a boot with an unknown card belongs to, besides `besides`.
    pub(crate) fn owner_of(
        &self,
        mac: MacAddr,
        shows: &Inventory,
        besides: DeviceId,
        booting: &dyn Fn(DeviceId) -> Option<MacAddr>,
    ) -> Result<Identity, Error> {
        let Some(uuid) = shows.uuid else {
            return Ok(Identity::Unknown);
        };
        let params = params![uuid.to_string(), uuid.swapped().to_string(), besides.0];
        let mut known = self.all(WITH_UUID, params, read_twin)?;
        for twin in &mut known {
            twin.booting = booting(twin.id);
        }
        Ok(identify(&shown(mac, shows), &known))
    }

    /// Whether what is known of the device's mainboard is what its own iPXE read there.
    pub(crate) fn is_identified(&self, device: DeviceId) -> Result<bool, Error> {
        let sql = "SELECT identified FROM devices WHERE id = ?1";
        Ok(self
            .maybe(sql, [device.0], |row| row.get(0))?
            .unwrap_or(false))
    }
}

/// Whether another card of the device than this one is in a boot at this moment.
pub(crate) fn two_at_once(
    device: &Device,
    mac: MacAddr,
    booting: &dyn Fn(DeviceId) -> Option<MacAddr>,
) -> bool {
    booting(device.id).is_some_and(|other| other != mac)
}

fn shown(mac: MacAddr, shows: &Inventory) -> Shown {
    Shown {
        mac,
        uuid: shows.uuid,
        serial: shows.serial.as_deref().and_then(Serial::new),
    }
}

fn known(id: DeviceId, mac: MacAddr, inventory: &Inventory) -> Known {
    Known {
        id,
        macs: vec![mac],
        uuid: inventory.uuid,
        serial: inventory.serial.as_deref().and_then(Serial::new),
        booting: None,
    }
}

impl Writer<'_> {
    /// Notes a card that showed the UUID of a device. It gets no config until a person confirms it.
    pub(crate) fn attach_card(&self, device: &Device, card: MacAddr) -> Result<(), Error> {
        self.run(
            "INSERT INTO device_macs (mac, device_id, first_seen_at) VALUES (?1, ?2, ?3)",
            params![card.to_string(), device.id.0, self.now().as_micros()],
        )?;
        self.device_touched(device.id)?;
        self.event(Some(device), EventKind::CardAttached { card })?;
        Ok(())
    }

    /// A person says that a card is the device's. False if it is none of its other cards.
    pub fn confirm_card(&self, device: DeviceId, card: MacAddr) -> Result<bool, Error> {
        let confirmed = self.run(
            "UPDATE device_macs SET confirmed_at = ?3 WHERE mac = ?1 AND device_id = ?2",
            params![card.to_string(), device.0, self.now().as_micros()],
        )? > 0;
        if confirmed {
            self.device_touched(device)?;
        }
        Ok(confirmed)
    }

    /// Takes a card off a device; whoever boots with it is another machine. False if it is none of its other cards.
    pub fn detach_card(&self, device: DeviceId, card: MacAddr) -> Result<bool, Error> {
        let gone = self.run(
            "DELETE FROM device_macs WHERE mac = ?1 AND device_id = ?2",
            params![card.to_string(), device.0],
        )? > 0;
        if gone {
            self.device_touched(device)?;
        }
        Ok(gone)
    }

    /// Notes that it cannot be told who `device` is. One that a person dismissed is not brought up again by the same machine.
    pub(crate) fn note_conflict(&self, device: &Device, found: &Conflict) -> Result<(), Error> {
        let same: bool = self.one(
            "SELECT EXISTS (SELECT 1 FROM conflicts
                            WHERE device_id = ?1 AND kind = ?2 AND uuid IS ?3 AND serial IS ?4 AND with_device IS ?5)",
            params![
                device.id.0,
                found.kind.as_str(),
                text(found.uuid.as_ref()),
                found.serial,
                found.with.map(|with| with.0),
            ],
            |row| row.get(0),
        )?;
        if same {
            return Ok(());
        }
        self.run(
            "INSERT OR REPLACE INTO conflicts (device_id, kind, mac, uuid, serial, with_device, since_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                device.id.0,
                found.kind.as_str(),
                found.mac.to_string(),
                text(found.uuid.as_ref()),
                found.serial,
                found.with.map(|with| with.0),
                self.now().as_micros(),
            ],
        )?;
        self.device_touched(device.id)?;
        let what = EventKind::IdentityConflict {
            conflict: found.kind,
            card: found.mac,
        };
        tracing::warn!(mac = %device.mac, "{}: {what}", device.mac);
        self.event(Some(device), what)?;
        Ok(())
    }

    /// Both devices that show one UUID.
    pub(crate) fn note_twins(
        &self,
        one: &Device,
        other: &Device,
        kind: ConflictKind,
    ) -> Result<(), Error> {
        for (device, with) in [(one, other), (other, one)] {
            let found = Conflict {
                kind,
                mac: with.mac,
                uuid: with.inventory.uuid,
                serial: with.inventory.serial.clone(),
                with: Some(with.id),
                since: self.now(),
            };
            self.note_conflict(device, &found)?;
        }
        Ok(())
    }

    /// Takes over what the machine of a conflict showed of itself: its mainboard was replaced. The event is the caller's to write.
    pub fn accept_shown(&self, device: DeviceId, found: &Conflict) -> Result<(), Error> {
        self.run(
            "UPDATE devices SET uuid = ?2, serial = ?3, identified = 1 WHERE id = ?1",
            params![device.0, text(found.uuid.as_ref()), found.serial],
        )?;
        self.end_conflict(device)
    }

    /// Stays with what was known: the other machine is turned away as long as it shows the same. The event is the caller's to write.
    pub fn keep_known(&self, device: DeviceId) -> Result<(), Error> {
        self.run(
            "UPDATE conflicts SET kept_at = ?2 WHERE device_id = ?1",
            params![device.0, self.now().as_micros()],
        )?;
        self.device_touched(device)
    }

    /// Makes a conflict as if it had not been found. The event is the caller's to write.
    pub fn end_conflict(&self, device: DeviceId) -> Result<(), Error> {
        self.run("DELETE FROM conflicts WHERE device_id = ?1", [device.0])?;
        self.device_touched(device)
    }

    /// A UUID that is on several boards tells no machine from another any more. Every conflict about it ends.
    pub fn share_uuid(&self, uuid: SmbiosUuid) -> Result<(), Error> {
        let both = [uuid.to_string(), uuid.swapped().to_string()];
        self.run(
            "INSERT OR IGNORE INTO shared_uuids (uuid, decided_by, decided_at) VALUES (?1, ?2, ?3)",
            params![both[0], self.actor().to_string(), self.now().as_micros()],
        )?;
        let gone = self.all(
            "DELETE FROM conflicts WHERE with_device IS NOT NULL AND uuid IN (?1, ?2) RETURNING device_id",
            params![both[0], both[1]],
            |row| row.get(0).map(DeviceId),
        )?;
        for device in gone {
            self.device_touched(device)?;
        }
        Ok(())
    }

    /// Makes one device of two: `other` goes, and the card it was known by is a confirmed one of `device`. A card of it that no person
    /// confirmed is still not confirmed. The event is the caller's to write.
    pub fn merge_devices(&self, device: &Device, other: &Device) -> Result<(), Error> {
        let cards = self.cards(other.id)?;
        self.delete_device(other.id)?;
        let first = OtherCard {
            mac: other.mac,
            confirmed_at: Some(self.now()),
            first_seen: other.first_seen.unwrap_or_else(|| self.now()),
        };
        for card in std::iter::once(&first).chain(&cards) {
            self.run(
                "INSERT INTO device_macs (mac, device_id, first_seen_at, confirmed_at) VALUES (?1, ?2, ?3, ?4)",
                params![
                    card.mac.to_string(),
                    device.id.0,
                    card.first_seen.as_micros(),
                    micros(card.confirmed_at),
                ],
            )?;
        }
        self.device_touched(device.id)
    }

    /// Writes the event of a decision.
    pub fn identity_decided(
        &self,
        device: &Device,
        decision: IdentityDecision,
        card: MacAddr,
    ) -> Result<(), Error> {
        self.event(Some(device), EventKind::IdentityDecided { decision, card })?;
        Ok(())
    }
}

fn read_card(cells: &mut Cells<'_, '_>) -> rusqlite::Result<OtherCard> {
    Ok(OtherCard {
        mac: cells.parse()?,
        confirmed_at: cells.at_or_null()?,
        first_seen: cells.at()?,
    })
}

fn read_conflict(row: &Row<'_>) -> rusqlite::Result<Conflict> {
    let mut cells = Cells::of(row);
    Ok(Conflict {
        kind: cells.parse()?,
        mac: cells.parse()?,
        uuid: cells.parse_or_null()?,
        serial: cells.get()?,
        with: cells.get::<Option<i64>>()?.map(DeviceId),
        since: cells.at()?,
    })
}

fn read_twin(row: &Row<'_>) -> rusqlite::Result<Known> {
    let mut cells = Cells::of(row);
    let (id, mac): (i64, MacAddr) = (cells.get()?, cells.parse()?);
    let inventory = Inventory {
        uuid: cells.parse_or_null()?,
        serial: cells.get()?,
        ..Inventory::default()
    };
    Ok(known(DeviceId(id), mac, &inventory))
}
