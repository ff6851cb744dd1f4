//! What a device could be approved with.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use model::{Device, DeviceId, Hostname, NetworkSettings, Role, first_free_address};
use store::{DeviceFilter, Reader, Store};

use super::show::look;
use super::{DeviceRef, find};
use crate::{Error, types};

/// Suggests name, address and role. What the device was given already stays; a control plane comes first, then workers.
pub(crate) async fn suggest(store: &Store, who: DeviceRef) -> Result<types::Suggestions, Error> {
    look(store, move |reader| {
        Ok(Suggester::read(reader)?.suggest(&find(reader, who)?))
    })
    .await
}

/// Suggests for several devices together, in their order, so that no two are given the same.
pub(crate) async fn suggest_all(
    store: &Store,
    who: Vec<DeviceRef>,
) -> Result<Vec<(types::Device, types::Suggestions)>, Error> {
    look(store, move |reader| {
        let mut suggester = Suggester::read(reader)?;
        let mut all = Vec::new();
        for who in who {
            let device = find(reader, who)?;
            let with = suggester.suggest(&device);
            let (hostname, address) = (with.hostname.clone(), with.ip_address);
            suggester.give(device.id, hostname, address, Some(with.role), true);
            all.push((device.into(), with));
        }
        Ok(all)
    })
    .await
}

/// What is given already, so that several devices can be suggested for at once.
pub(super) struct Suggester {
    settings: NetworkSettings,
    controlplane: Option<DeviceId>,
    addresses: HashMap<Ipv4Addr, DeviceId>,
    names: HashMap<Hostname, DeviceId>,
}

impl Suggester {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let mut own = Self {
            settings: reader.settings()?,
            controlplane: None,
            addresses: HashMap::new(),
            names: HashMap::new(),
        };
        for device in reader.devices(&DeviceFilter::default())? {
            let approved = device.approval.is_approved();
            own.give(
                device.id,
                device.hostname,
                device.ip_address,
                device.role,
                approved,
            );
        }
        Ok(own)
    }

    /// Notes what a device was given.
    pub(super) fn give(
        &mut self,
        id: DeviceId,
        hostname: Option<Hostname>,
        address: Option<Ipv4Addr>,
        role: Option<Role>,
        approved: bool,
    ) {
        if let Some(hostname) = hostname {
            self.names.insert(hostname, id);
        }
        if let Some(address) = address {
            self.addresses.insert(address, id);
        }
        if approved && role == Some(Role::Controlplane) && self.controlplane.is_none() {
            self.controlplane = Some(id);
        }
    }

    /// What a device could be approved with.
    pub(super) fn suggest(&self, device: &Device) -> types::Suggestions {
        let controlled = self.controlplane.is_some_and(|id| id != device.id);
        let role = device.role.unwrap_or(if controlled {
            Role::Worker
        } else {
            Role::Controlplane
        });
        let taken = |address| {
            self.addresses
                .get(&address)
                .is_some_and(|id| *id != device.id)
        };
        let address = device
            .ip_address
            .or_else(|| first_free_address(&self.settings, taken));
        let hostname = device
            .hostname
            .clone()
            .or_else(|| free_name(role, &self.names));
        types::Suggestions {
            hostname,
            ip_address: address,
            role,
            install_disk: device.install_disk.clone(),
        }
    }
}

/// The lowest number that makes a name nobody has: `cp-1`, `worker-1`.
fn free_name(role: Role, taken: &HashMap<Hostname, DeviceId>) -> Option<Hostname> {
    let stem = match role {
        Role::Controlplane => "cp",
        Role::Worker => "worker",
    };
    (1..=taken.len() + 1)
        .filter_map(|number| format!("{stem}-{number}").parse().ok())
        .find(|name| !taken.contains_key(name))
}
