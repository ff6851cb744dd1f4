//! What a device could be approved with.

use std::collections::HashSet;

use model::{Device, Hostname, Role, first_free_address};
use store::{DeviceFilter, Store};

use super::show::look;
use super::{DeviceRef, find};
use crate::{Error, types};

/// Suggests name, address and role. What the device was given already stays; a control plane comes first, then workers.
pub(crate) async fn suggest(store: &Store, who: DeviceRef) -> Result<types::Suggestions, Error> {
    look(store, move |reader| {
        let device = find(reader, who)?;
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
        let taken: HashSet<_> = others.iter().filter_map(|other| other.ip_address).collect();
        let address = device
            .ip_address
            .or_else(|| first_free_address(&settings, |address| taken.contains(&address)));
        let hostname = device.hostname.clone().or_else(|| free_name(role, &others));
        Ok(types::Suggestions {
            hostname,
            ip_address: address,
            role,
            install_disk: device.install_disk,
        })
    })
    .await
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
