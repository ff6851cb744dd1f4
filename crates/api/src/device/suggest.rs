//! What a device could be approved with.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use model::{Device, Hostname, Role, check_node_address, first_free_address};
use store::{DeviceFilter, Reader, Store};

use super::show::look;
use super::{DeviceRef, find};
use crate::cluster::endpoint;
use crate::{Error, types};

/// Suggests name, address and role.
pub(crate) async fn suggest(
    store: &Store,
    who: DeviceRef,
    own: Vec<Ipv4Addr>,
) -> Result<types::Suggestions, Error> {
    look(store, move |reader| {
        suggestions(reader, &find(reader, who)?, &own)
    })
    .await
}

/// What the device was given already stays; a control plane comes first, at the cluster's endpoint if that is free, then workers.
pub(super) fn suggestions(
    reader: &Reader<'_>,
    device: &Device,
    own: &[Ipv4Addr],
) -> Result<types::Suggestions, Error> {
    let settings = reader.settings()?;
    let all = reader.devices(&DeviceFilter::default())?;
    let others: Vec<&Device> = all.iter().filter(|other| other.id != device.id).collect();
    let controlled = others
        .iter()
        .any(|other| other.approval.is_approved() && other.role == Some(Role::Controlplane));
    let role = device.role.unwrap_or(if controlled {
        Role::Worker
    } else {
        Role::Controlplane
    });
    let taken: HashSet<_> = others
        .iter()
        .filter_map(|other| other.ip_address)
        .chain(own.iter().copied())
        .collect();
    let endpoint = endpoint(reader)?;
    let is_free = |address: &Ipv4Addr| {
        check_node_address(*address, &settings).is_ok() && !taken.contains(address)
    };
    // Whoever is not the first control plane leaves the endpoint's address to it.
    let first_free = || {
        first_free_address(&settings, |address| {
            taken.contains(&address) || Some(address) == endpoint
        })
    };
    let address = device.ip_address.or_else(|| {
        let first = role == Role::Controlplane && !controlled;
        endpoint
            .filter(|_| first)
            .filter(is_free)
            .or_else(first_free)
    });
    let hostname = device.hostname.clone().or_else(|| free_name(role, &others));
    Ok(types::Suggestions {
        hostname,
        ip_address: address,
        role,
        install_disk: device.install_disk.clone(),
    })
}

/// The lowest number that makes a name nobody has: `cp-1`, `worker-1`.
fn free_name(role: Role, others: &[&Device]) -> Option<Hostname> {
    let taken: HashSet<&Hostname> = others
        .iter()
        .filter_map(|other| other.hostname.as_ref())
        .collect();
    let stem = match role {
        Role::Controlplane => "cp",
        Role::Worker => "worker",
    };
    (1..=others.len() + 1)
        .filter_map(|number| format!("{stem}-{number}").parse().ok())
        .find(|name| !taken.contains(name))
}
