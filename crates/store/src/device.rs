//! Devices as persons see and change them. Lists of them are in `device_list`, and how machines make themselves known in `sight`.

use std::net::Ipv4Addr;

use model::{
    Actor, Approval, ApprovalStatus, Device, DeviceId, EphemeralVolume, Hostname, Inventory,
    Labels, Lifecycle, LocalBoot, MacAddr, Role, Timestamp,
};
use rusqlite::{Row, named_params, params};

use crate::row::{Cells, count, json, micros, text};
use crate::{Error, Reader, Writer};

/// A device to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// The address it boots with.
    pub mac: MacAddr,
    /// Its name as a node.
    pub hostname: Option<Hostname>,
    /// Its address as a node.
    pub ip_address: Option<Ipv4Addr>,
    /// Its role as a node.
    pub role: Option<Role>,
    /// Free text.
    pub notes: String,
    /// The operator's own words for it.
    pub labels: Labels,
    /// Device path of the disk to install on.
    pub install_disk: Option<String>,
    /// Size and place of Talos's EPHEMERAL volume.
    pub ephemeral: EphemeralVolume,
    /// What the machine said of itself.
    pub inventory: Inventory,
    /// Whether the machine itself was heard of; one added by hand was not.
    pub seen: bool,
}

/// The columns of a device in the order in which `read` takes them.
macro_rules! columns {
    () => {
        "id, mac, hostname, ip_address, role, status, decided_by, decided_at, boot_order, install, wipe, notes, install_disk, \
         ephemeral_min_size, ephemeral_max_size, ephemeral_disk_selector, local_boot, loader, arch, firmware, uuid, serial, vendor, model, \
         first_seen_at, last_seen_at, last_config_download_at, config_released_at, created_at, updated_at, labels"
    };
}

/// What a list of devices begins with.
pub(crate) const SELECT: &str = concat!("SELECT ", columns!());
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM devices WHERE id = ?1");
/// By the card it was first seen with, else by another one of it.
const BY_MAC: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM devices WHERE id = coalesce((SELECT id FROM devices WHERE mac = ?1), (SELECT device_id FROM device_macs WHERE mac = ?1))"
);
const APPROVED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM devices WHERE status = 'approved' ORDER BY id"
);

/// A person's hand in a row stays known even where the row is taken back to what it was. A row without a released config starts
/// the count of its transfers anew: that is what a new order does.
const PUT: &str = "
    INSERT INTO devices (
        id, mac, hostname, ip_address, role, status, decided_by, decided_at, boot_order, notes, install_disk,
        ephemeral_min_size, ephemeral_max_size, ephemeral_disk_selector, local_boot, loader, arch, firmware, uuid, serial, vendor, model,
        first_seen_at, last_seen_at, last_config_download_at, config_released_at, install, wipe, created_at, updated_at, labels, kept)
    VALUES (
        :id, :mac, :hostname, :ip_address, :role, :status, :decided_by, :decided_at, :boot_order, :notes, :install_disk,
        :min_size, :max_size, :disk_selector, :local_boot, :loader, :arch, :firmware, :uuid, :serial, :vendor, :model,
        :first_seen, :last_seen, :last_config_download, :config_released, :install, :wipe, :now, :now, :labels, :kept)
    ON CONFLICT (id) DO UPDATE SET
        mac = excluded.mac, hostname = excluded.hostname, ip_address = excluded.ip_address, role = excluded.role,
        status = excluded.status, decided_by = excluded.decided_by, decided_at = excluded.decided_at,
        boot_order = excluded.boot_order, notes = excluded.notes, install_disk = excluded.install_disk,
        ephemeral_min_size = excluded.ephemeral_min_size, ephemeral_max_size = excluded.ephemeral_max_size,
        ephemeral_disk_selector = excluded.ephemeral_disk_selector,
        local_boot = excluded.local_boot, loader = excluded.loader, arch = excluded.arch, firmware = excluded.firmware,
        uuid = excluded.uuid, serial = excluded.serial, vendor = excluded.vendor, model = excluded.model,
        first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at,
        last_config_download_at = excluded.last_config_download_at, config_released_at = excluded.config_released_at,
        install = excluded.install, wipe = excluded.wipe, updated_at = excluded.updated_at, labels = excluded.labels,
        kept = max(kept, excluded.kept),
        config_transfers = iif(excluded.config_released_at IS NULL, 0, config_transfers),
        config_delivered = iif(excluded.config_released_at IS NULL, 0, config_delivered)
    RETURNING id";

/// Devices that nobody approved and that are held, asked for at ?1 or later.
const HELD: &str = "
    FROM devices JOIN boots ON boots.id = (SELECT max(id) FROM boots WHERE device_id = devices.id)
    WHERE status = 'pending' AND furthest = 'hold' AND coalesce(last_seen_at, -1) >= ?1 AND left_at IS NOT last_at";

/// A boot loader that devices have of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLoader {
    /// Its file name.
    pub name: String,
    /// How many devices have it.
    pub devices: u64,
    /// One of them.
    pub one: DeviceId,
}

impl Reader<'_> {
    /// The device, if it is there.
    pub fn device(&self, id: DeviceId) -> Result<Option<Device>, Error> {
        self.maybe(BY_ID, [id.0], read)
    }

    /// The device that has this card, if it is known; any of its cards, also one that no person confirmed.
    pub fn device_by_mac(&self, mac: MacAddr) -> Result<Option<Device>, Error> {
        self.maybe(BY_MAC, [mac.to_string()], read)
    }

    /// The devices that were changed at or after a moment. Being seen is no change.
    pub fn devices_changed_since(&self, at: Timestamp) -> Result<Vec<DeviceId>, Error> {
        let sql = "SELECT id FROM devices WHERE updated_at >= ?1 ORDER BY id";
        self.all(sql, [at.as_micros()], |row| row.get(0).map(DeviceId))
    }

    /// How many devices there are, in all or of one status.
    pub fn count_devices(&self, status: Option<ApprovalStatus>) -> Result<u64, Error> {
        let one = |row: &Row<'_>| Cells::of(row).count();
        match status {
            None => self.one("SELECT count(*) FROM devices", [], one),
            Some(status) => self.one(
                "SELECT count(*) FROM devices WHERE status = ?1",
                [status.as_str()],
                one,
            ),
        }
    }

    /// Every approved device, ordered by number.
    pub fn approved(&self) -> Result<Vec<Device>, Error> {
        self.all(APPROVED, [], read)
    }

    /// Whether a control plane other than `besides` is approved.
    pub fn has_control_plane(&self, besides: DeviceId) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM devices WHERE status = 'approved' AND role = 'controlplane' AND id <> ?1)";
        self.one(sql, [besides.0], |row| row.get(0))
    }

    /// The boot loaders of their own of devices that were not turned away, by name.
    pub fn own_loaders(&self) -> Result<Vec<OwnLoader>, Error> {
        let sql = "SELECT loader, count(*), min(id) FROM devices WHERE loader IS NOT NULL AND status <> 'rejected' GROUP BY loader ORDER BY loader";
        self.all(sql, [], |row| {
            let mut cells = Cells::of(row);
            Ok(OwnLoader {
                name: cells.get()?,
                devices: cells.count()?,
                one: DeviceId(cells.get()?),
            })
        })
    }

    /// How many devices that nobody approved are held: their last boot came as far as that and did not end at the disk (then it left at
    /// its last sign), and they asked at `since` or later.
    pub fn count_held(&self, since: Timestamp) -> Result<u64, Error> {
        let sql = format!("SELECT count(*){HELD}");
        self.one(&sql, [since.as_micros()], |row| Cells::of(row).count())
    }

    /// The devices that nobody approved and that most want a look: first those that are held, as above, the last to be switched on
    /// before the others; then the others, the last to be seen first.
    pub fn waiting(&self, since: Timestamp, limit: u64) -> Result<Vec<Device>, Error> {
        let held = format!("SELECT devices.id{HELD} ORDER BY boots.id DESC LIMIT ?2");
        let mut ids: Vec<i64> =
            self.all(&held, params![since.as_micros(), count(limit)], |row| {
                row.get(0)
            })?;
        let others = "SELECT id FROM devices WHERE status = 'pending' ORDER BY coalesce(last_seen_at, -1) DESC, id DESC LIMIT ?1";
        let enough = limit.saturating_add(ids.len() as u64);
        for id in self.all(others, [count(enough)], |row| row.get(0))? {
            if (ids.len() as u64) < limit && !ids.contains(&id) {
                ids.push(id);
            }
        }
        let mut devices = Vec::new();
        for id in ids {
            devices.extend(self.device(DeviceId(id))?);
        }
        Ok(devices)
    }

    /// Who has this name.
    pub fn device_with_hostname(&self, hostname: &Hostname) -> Result<Option<DeviceId>, Error> {
        let sql = "SELECT id FROM devices WHERE hostname = ?1";
        self.maybe(sql, [hostname.as_str()], |row| row.get(0).map(DeviceId))
    }

    /// Who has this address.
    pub fn device_with_address(&self, address: Ipv4Addr) -> Result<Option<DeviceId>, Error> {
        let sql = "SELECT id FROM devices WHERE ip_address = ?1";
        self.maybe(sql, [address.to_string()], |row| row.get(0).map(DeviceId))
    }
}

impl Writer<'_> {
    /// Makes a pending device with order `install`. [`Error::Taken`] if its MAC, name or address belongs to another. The event is
    /// the caller's to write.
    pub fn insert_device(&self, new: NewDevice) -> Result<Device, Error> {
        let seen = new.seen.then_some(self.now());
        let mut device = Device {
            id: DeviceId(0),
            mac: new.mac,
            hostname: new.hostname,
            ip_address: new.ip_address,
            role: new.role,
            approval: Approval::Pending,
            life: Lifecycle::default(),
            notes: new.notes,
            labels: new.labels,
            install_disk: new.install_disk,
            ephemeral: new.ephemeral,
            local_boot: LocalBoot::Auto,
            loader: None,
            inventory: new.inventory,
            first_seen: seen,
            last_seen: seen,
            last_config_download: None,
            config_released_at: None,
            created_at: self.now(),
            updated_at: self.now(),
        };
        device.id = self.put_device(None, &device, !new.seen || bears_a_hand(&device))?;
        Ok(device)
    }

    /// Writes every field of the device but its number and the moment it was made; sets `updated_at`. [`Error::Taken`] if its MAC,
    /// name or address belongs to another. The event is the caller's to write.
    pub fn update_device(&self, device: &Device) -> Result<(), Error> {
        let before = self
            .device(device.id)?
            .ok_or(Error::NoSuchDevice(device.id))?;
        let by_person = matches!(self.actor(), Actor::Person(_));
        let id = Some(device.id);
        self.put_device(id, device, by_person || bears_a_hand(device))?;
        let anew = before.config_released_at.is_some() && device.config_released_at.is_none();
        if before.mac != device.mac
            || before.approval.status() != device.approval.status()
            || before.life.order != device.life.order
            || before.life.wipe != device.life.wipe
            || anew
        {
            // What a boot was let have under the decision before, it is not let have under this one.
            self.revoke_token_of(device.id)?;
        }
        if before.mac != device.mac {
            self.detach_card(device.id, device.mac)?;
            // The MAC is part of the config's name, so the config counts as changed.
            self.run(
                "UPDATE device_configs SET revision = ?2 WHERE device_id = ?1",
                params![device.id.0, self.next_revision()?],
            )?;
        }
        Ok(())
    }

    /// Deletes the device with its config and its boots; says whether it was there. Its events stay. Their last one is the
    /// caller's to write.
    pub fn delete_device(&self, id: DeviceId) -> Result<bool, Error> {
        if self.run("DELETE FROM devices WHERE id = ?1", [id.0])? == 0 {
            return Ok(false);
        }
        self.device_touched(id)?;
        Ok(true)
    }

    /// Writes a row, a new one if `id` is `None`; returns its number.
    fn put_device(
        &self,
        id: Option<DeviceId>,
        device: &Device,
        kept: bool,
    ) -> Result<DeviceId, Error> {
        let (decided_by, decided_at) = match &device.approval {
            Approval::Pending => (None, None),
            Approval::Approved { by, at } | Approval::Rejected { by, at } => {
                (Some(by.to_string()), Some(at.as_micros()))
            }
        };
        let mut statement = self.conn.prepare_cached(PUT)?;
        let put = statement.query_row(
            named_params! {
                ":id": id.map(|id| id.0),
                ":mac": device.mac.to_string(),
                ":hostname": text(device.hostname.as_ref()),
                ":ip_address": text(device.ip_address.as_ref()),
                ":role": device.role.map(Role::as_str),
                ":status": device.approval.status().as_str(),
                ":decided_by": decided_by,
                ":decided_at": decided_at,
                ":boot_order": device.life.order.as_str(),
                ":notes": device.notes,
                ":labels": json(&device.labels)?,
                ":install_disk": device.install_disk,
                ":min_size": device.ephemeral.min_size,
                ":max_size": device.ephemeral.max_size,
                ":disk_selector": device.ephemeral.disk_selector,
                ":local_boot": device.local_boot.as_str(),
                ":loader": device.loader,
                ":arch": text(device.inventory.arch.as_ref()),
                ":firmware": text(device.inventory.firmware.as_ref()),
                ":uuid": text(device.inventory.uuid.as_ref()),
                ":serial": device.inventory.serial,
                ":vendor": device.inventory.vendor,
                ":model": device.inventory.model,
                ":first_seen": micros(device.first_seen),
                ":last_seen": micros(device.last_seen),
                ":last_config_download": micros(device.last_config_download),
                ":config_released": micros(device.config_released_at),
                ":install": json(&device.life.install)?,
                ":wipe": json(&device.life.wipe)?,
                ":now": self.now().as_micros(),
                ":kept": kept,
            },
            |row| row.get(0).map(DeviceId),
        );
        let id = put.map_err(|err| taken(err, device))?;
        self.device_touched(id)?;
        Ok(id)
    }

    /// Notes that a device's row or config changed. What a machine does by itself changes nothing that a config is made of, so it
    /// makes no revision: a fleet that boots must not keep a regeneration from being saved.
    pub(crate) fn device_touched(&self, id: DeviceId) -> Result<(), Error> {
        if !matches!(self.actor(), Actor::Device(_)) {
            self.next_revision()?;
        }
        self.touch(|change| change.device(id));
        Ok(())
    }
}

/// Whether something in the row can only have come from a person.
fn bears_a_hand(device: &Device) -> bool {
    device.hostname.is_some()
        || device.ip_address.is_some()
        || device.role.is_some()
        || device.install_disk.is_some()
        || device.ephemeral != EphemeralVolume::default()
        || device.local_boot != LocalBoot::Auto
        || device.loader.is_some()
        || !device.notes.is_empty()
        || !device.labels.is_empty()
}

/// Says which unique value of `device` belongs to another.
fn taken(err: rusqlite::Error, device: &Device) -> Error {
    let rule = Error::rule(&err).unwrap_or_default();
    let unique = rule.strip_prefix("UNIQUE constraint failed: devices.");
    let (field, value) = match unique {
        Some("mac") => ("mac_address", Some(device.mac.to_string())),
        Some("hostname") => ("hostname", text(device.hostname.as_ref())),
        Some("ip_address") => ("ip_address", text(device.ip_address.as_ref())),
        _ => return err.into(),
    };
    Error::Taken {
        field,
        value: value.unwrap_or_default(),
    }
}

/// Reads a row of `columns`.
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Device> {
    let mut cells = Cells::of(row);
    Ok(Device {
        id: DeviceId(cells.get()?),
        mac: cells.parse()?,
        hostname: cells.parse_or_null()?,
        ip_address: cells.parse_or_null()?,
        role: cells.parse_or_null()?,
        approval: approval(&mut cells)?,
        life: Lifecycle {
            order: cells.parse()?,
            install: cells.json()?,
            wipe: cells.json()?,
        },
        notes: cells.get()?,
        install_disk: cells.get()?,
        ephemeral: EphemeralVolume {
            min_size: cells.get()?,
            max_size: cells.get()?,
            disk_selector: cells.get()?,
        },
        local_boot: cells.parse()?,
        loader: cells.get()?,
        inventory: Inventory {
            arch: cells.parse_or_null()?,
            firmware: cells.parse_or_null()?,
            uuid: cells.parse_or_null()?,
            serial: cells.get()?,
            vendor: cells.get()?,
            model: cells.get()?,
        },
        first_seen: cells.at_or_null()?,
        last_seen: cells.at_or_null()?,
        last_config_download: cells.at_or_null()?,
        config_released_at: cells.at_or_null()?,
        created_at: cells.at()?,
        updated_at: cells.at()?,
        labels: cells.json()?,
    })
}

/// Reads `status, decided_by, decided_at`.
fn approval(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Approval> {
    match cells.parse()? {
        ApprovalStatus::Pending => {
            cells.get::<Option<String>>()?;
            cells.at_or_null()?;
            Ok(Approval::Pending)
        }
        ApprovalStatus::Approved => Ok(Approval::Approved {
            by: cells.parse()?,
            at: cells.at()?,
        }),
        ApprovalStatus::Rejected => Ok(Approval::Rejected {
            by: cells.parse()?,
            at: cells.at()?,
        }),
    }
}
