//! Letting a device in.

use std::net::Ipv4Addr;

use model::{Approval, Author, Device, EventKind, Role};
use serde_json::{Map, Value};
use store::{Lane, Reader, Store, Writer};

use super::config::SettingsChange;
use super::fields::{check_not_own, check_unique, check_values, filled};
use super::{DeviceRef, called, disk, find, look, shown, shown_again};
use crate::cluster::endpoint;
use crate::generate::Ready;
use crate::{Error, IfMatch, Version, audit, types};

/// Lets a device in: checks its name, address and role, and makes its config in the same transaction. To approve again with the
/// same values changes nothing.
pub(crate) async fn approve(
    store: &Store,
    author: Author,
    who: DeviceRef,
    with: types::ApproveDevice,
    expected: IfMatch,
    own: Vec<Ipv4Addr>,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let mut with = with;
            let before = find(writer, &who)?;
            // The same once more is no change, whatever it was made for.
            if !before.approval.is_approved() {
                expected.check(&Version::of_device(&shown(writer, before)?))?;
            }
            save_settings(writer, &who, with.settings.take())?;
            approve_in(writer, &Ready::read(writer)?, &who, with, &own)
        })
        .await
}

/// Saves what a device's config has beyond its fields, before anything is made of it.
fn save_settings(
    writer: &Writer<'_>,
    who: &DeviceRef,
    settings: Option<Map<String, Value>>,
) -> Result<(), Error> {
    let Some(settings) = settings else {
        return Ok(());
    };
    let device = find(writer, who)?;
    let change = SettingsChange::of(writer, &DeviceRef::Id(device.id), settings)?;
    if change.fields.is_empty() {
        return Ok(());
    }
    if device.approval.is_approved() {
        return Err(approved_already(&device));
    }
    change.save(writer, &device)?;
    let changes = change.changes();
    let fields = change.fields;
    let what = EventKind::DeviceUpdated { fields };
    writer.event_of(Some(&device), what, &changes)?;
    Ok(())
}

fn approved_already(device: &Device) -> Error {
    let why = format!("{} is approved already, with other values", called(device));
    let hint = "`ktizo device set` changes an approved device; by API, PUT does";
    Error::refused("already_approved", None, why, Some(hint))
}

pub(super) fn approve_in(
    writer: &Writer<'_>,
    ready: &Ready,
    who: &DeviceRef,
    with: types::ApproveDevice,
    own: &[Ipv4Addr],
) -> Result<types::Device, Error> {
    let endpoint_elsewhere = with.endpoint_elsewhere;
    let before = find(writer, who)?;
    let mut device = with_values(&before, with);
    if before.approval.is_approved() {
        if device == before {
            return shown(writer, before);
        }
        return Err(approved_already(&before));
    }
    let (Some(hostname), Some(address), Some(role)) =
        (device.hostname.clone(), device.ip_address, device.role)
    else {
        return Err(first_missing(&device));
    };
    check_unique(
        writer,
        Some(device.id),
        device.mac,
        Some(&hostname),
        Some(address),
    )?;
    check_values(&device, ready.settings())?;
    disk::check_chosen(writer, &device)?;
    check_not_own(address, own)?;
    if !has_control_plane(writer, &device)? {
        if role == Role::Worker {
            let why = "the first approved device must be a control plane; workers join one";
            return Err(Error::invalid("role", why));
        }
        if !endpoint_elsewhere {
            check_endpoint(writer, address)?;
        }
    }
    device.approval = Approval::Approved {
        by: writer.actor().clone(),
        at: writer.now(),
    };
    writer.update_device(&device)?;
    if let DeviceRef::Mac(card) = who {
        // Whoever is let in by the name of a card has that card.
        writer.confirm_card(device.id, *card)?;
    }
    ready.save_for(writer, &device)?;
    let what = EventKind::DeviceApproved {
        hostname,
        address,
        role,
    };
    let changes = audit::of_device(&before, &device);
    writer.event_of(Some(&device), what, &changes)?;
    shown_again(writer, device.id)
}

/// All that is wrong with the values that a device would be approved with, each for itself; nothing is changed. What only shows in the
/// approval as a whole is not among it.
pub(crate) async fn wrongs(
    store: &Store,
    who: DeviceRef,
    with: types::ApproveDevice,
    own: Vec<Ipv4Addr>,
) -> Result<Vec<Error>, Error> {
    look(store, move |reader| {
        let device = with_values(&find(reader, &who)?, with);
        let settings = reader.settings()?;
        let (id, mac) = (Some(device.id), device.mac);
        // A check tells the first thing that is wrong: without address or disk, it comes to the other.
        let nowhere = Device {
            ip_address: None,
            ..device.clone()
        };
        let diskless = Device {
            install_disk: None,
            ..device.clone()
        };
        let checks = [
            check_unique(reader, id, mac, device.hostname.as_ref(), None),
            check_unique(reader, id, mac, None, device.ip_address),
            check_values(&nowhere, &settings),
            check_values(&diskless, &settings),
            disk::check_chosen(reader, &device),
            device
                .ip_address
                .map_or(Ok(()), |address| check_not_own(address, &own)),
        ];
        Ok(checks.into_iter().filter_map(Result::err).collect())
    })
    .await
}

/// The device with the values it is approved with.
fn with_values(before: &Device, with: types::ApproveDevice) -> Device {
    let mut device = before.clone();
    device.hostname = with.hostname.or(device.hostname);
    device.ip_address = with.ip_address.or(device.ip_address);
    device.role = with.role.or(device.role);
    if let Some(notes) = with.notes {
        device.notes = notes;
    }
    if let Some(labels) = with.labels {
        device.labels = labels;
    }
    for (own, new) in [
        (&mut device.install_disk, with.install_disk),
        (&mut device.ephemeral.min_size, with.ephemeral_min_size),
        (&mut device.ephemeral.max_size, with.ephemeral_max_size),
        (
            &mut device.ephemeral.disk_selector,
            with.ephemeral_disk_selector,
        ),
    ] {
        if new.is_some() {
            *own = filled(new);
        }
    }
    device
}

/// Names the first value that an approved device must have and this one lacks.
fn first_missing(device: &Device) -> Error {
    let field = if device.hostname.is_none() {
        "hostname"
    } else if device.ip_address.is_none() {
        "ip_address"
    } else {
        "role"
    };
    let why = "an approved device must have one";
    let hint =
        "`ktizo device approve` without it suggests one; by API, GET .../approval-suggestions does";
    Error::refused("missing", Some(field.to_owned()), why, Some(hint))
}

/// The first control plane answers at the cluster's endpoint, where that is an address of a node and nobody says that something else does.
fn check_endpoint(reader: &Reader<'_>, address: Ipv4Addr) -> Result<(), Error> {
    let subnet = reader.settings()?.node_subnet;
    let endpoint =
        endpoint(reader)?.filter(|endpoint| subnet.is_some_and(|subnet| subnet.contains(endpoint)));
    match endpoint {
        Some(endpoint) if endpoint != address => {
            let why = format!(
                "the cluster's endpoint is {endpoint}, so the first control plane must have that address"
            );
            let hint = "or say with --endpoint-elsewhere (`endpoint_elsewhere: true` by API) that a load balancer or a virtual address answers there";
            Err(Error::refused(
                "endpoint",
                Some("ip_address".to_owned()),
                why,
                Some(hint),
            ))
        }
        _ => Ok(()),
    }
}

/// Refuses to let the last approved control plane go while workers are approved: they would have nothing to join.
pub(super) fn check_not_last(reader: &Reader<'_>, device: &Device) -> Result<(), Error> {
    let is_control_plane = device.approval.is_approved() && device.role == Some(Role::Controlplane);
    if !is_control_plane || has_control_plane(reader, device)? {
        return Ok(());
    }
    let approved = reader.approved()?;
    let workers = approved
        .iter()
        .filter(|other| other.role == Some(Role::Worker))
        .count();
    if workers == 0 {
        return Ok(());
    }
    let why = format!(
        "{} is the last control plane, and {workers} approved workers belong to it; a cluster must have one",
        called(device)
    );
    let hint = "approve another control plane before, or reject the workers first";
    Err(Error::refused("last_control_plane", None, why, Some(hint)))
}

/// Whether a control plane other than `device` is approved.
pub(super) fn has_control_plane(reader: &Reader<'_>, device: &Device) -> Result<bool, Error> {
    Ok(reader.has_control_plane(device.id)?)
}
