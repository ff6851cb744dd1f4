//! What a device could be approved with.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use model::{
    Device, DeviceId, Hostname, NetworkSettings, Role, check_node_address, first_free_address,
};
use store::{DeviceFilter, Reader, Store};

use super::show::look;
use super::{DeviceRef, disk, find, shown};
use crate::cluster::endpoint;
use crate::generate::Recipe;
use crate::sources::Sources;
use crate::{Error, types};

/// Suggests name, address and role.
pub(crate) async fn suggest(
    store: &Store,
    who: DeviceRef,
    own: Vec<Ipv4Addr>,
) -> Result<types::Suggestions, Error> {
    look(store, move |reader| {
        let device = find(reader, &who)?;
        let with = Suggester::read(reader, own)?.suggest(&device);
        let recipe = Recipe::of(Sources::read(reader)?).ok();
        with_disks(reader, &device, with, recipe.as_ref())
    })
    .await
}

/// Suggests for several devices together, in their order, so that no two are given the same. One that is gone is passed over.
pub(crate) async fn suggest_all(
    store: &Store,
    who: Vec<DeviceRef>,
    own: Vec<Ipv4Addr>,
) -> Result<Vec<(types::Device, types::Suggestions)>, Error> {
    look(store, move |reader| {
        let mut suggester = Suggester::read(reader, own)?;
        let recipe = Recipe::of(Sources::read(reader)?).ok();
        let mut all = Vec::new();
        for who in who {
            let device = match find(reader, &who) {
                Ok(device) => device,
                Err(Error::NotFound { .. }) => continue,
                Err(err) => return Err(err),
            };
            let with = suggester.suggest(&device);
            let (hostname, address) = (with.hostname.clone(), with.ip_address);
            suggester.give(device.id, hostname, address, Some(with.role), true);
            let with = with_disks(reader, &device, with, recipe.as_ref())?;
            all.push((shown(reader, device)?, with));
        }
        Ok(all)
    })
    .await
}

/// The same with what is known of the disks.
fn with_disks(
    reader: &Reader<'_>,
    device: &Device,
    with: types::Suggestions,
    recipe: Option<&Recipe>,
) -> Result<types::Suggestions, Error> {
    Ok(types::Suggestions {
        disks: disk::known(reader, device.id)?,
        disk_note: disk::told(reader, device, Some(with.role), recipe)?,
        ..with
    })
}

/// What is given already, so that several devices can be suggested for at once.
pub(super) struct Suggester {
    settings: NetworkSettings,
    /// The address of the cluster's endpoint, which is the first control plane's if it is free.
    endpoint: Option<Ipv4Addr>,
    /// The addresses of this host.
    own: Vec<Ipv4Addr>,
    controlplanes: HashSet<DeviceId>,
    addresses: HashMap<Ipv4Addr, DeviceId>,
    names: HashMap<Hostname, DeviceId>,
}

impl Suggester {
    /// Reads what is given; `own` are the addresses of this host.
    pub(super) fn read(reader: &Reader<'_>, own: Vec<Ipv4Addr>) -> Result<Self, Error> {
        let mut suggester = Self {
            settings: reader.settings()?,
            endpoint: endpoint(reader)?,
            own,
            controlplanes: HashSet::new(),
            addresses: HashMap::new(),
            names: HashMap::new(),
        };
        for device in reader.devices(&DeviceFilter::default())? {
            let approved = device.approval.is_approved();
            suggester.give(
                device.id,
                device.hostname,
                device.ip_address,
                device.role,
                approved,
            );
        }
        Ok(suggester)
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
        if approved && role == Some(Role::Controlplane) {
            self.controlplanes.insert(id);
        }
    }

    /// When the device that has this role, or none yet, is approved among others, the least first: a control plane before who joins it,
    /// and the one that answers at the cluster's endpoint before all.
    pub(super) fn turn(&self, device: &Device, role: Option<Role>) -> (u8, u8) {
        let by_role = match role {
            Some(Role::Controlplane) => 0,
            // It becomes a control plane where there is none yet.
            None => 1,
            Some(Role::Worker) => 2,
        };
        let by_address = match device.ip_address {
            Some(address) if Some(address) == self.endpoint => 0,
            // It gets the endpoint's where that is free.
            None => 1,
            Some(_) => 2,
        };
        (by_role, by_address)
    }

    /// What a device could be approved with. What it was given already stays; a control plane comes first, at the cluster's endpoint if
    /// that is free, then workers.
    pub(super) fn suggest(&self, device: &Device) -> types::Suggestions {
        let controlled = self.controlplanes.iter().any(|id| *id != device.id);
        let role = device.role.unwrap_or(if controlled {
            Role::Worker
        } else {
            Role::Controlplane
        });
        let taken = |address: Ipv4Addr| {
            let holder = self.addresses.get(&address);
            holder.is_some_and(|id| *id != device.id) || self.own.contains(&address)
        };
        let is_free = |address: &Ipv4Addr| {
            check_node_address(*address, &self.settings).is_ok() && !taken(*address)
        };
        // Whoever is not the first control plane leaves the endpoint's address to it.
        let first_free = || {
            first_free_address(&self.settings, |address| {
                taken(address) || Some(address) == self.endpoint
            })
        };
        let address = device.ip_address.or_else(|| {
            let first = role == Role::Controlplane && !controlled;
            self.endpoint
                .filter(|_| first)
                .filter(is_free)
                .or_else(first_free)
        });
        let hostname = device
            .hostname
            .clone()
            .or_else(|| free_name(role, &self.names));
        types::Suggestions {
            hostname,
            ip_address: address,
            role,
            install_disk: device.install_disk.clone(),
            // Only who approves has to know.
            disks: Vec::new(),
            disk_note: String::new(),
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
