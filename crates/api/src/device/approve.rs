//! Letting a device in.

use model::{Approval, Author, Device, EventKind, Role};
use store::{Lane, Reader, Store, Writer};

use super::fields::{check_unique, check_values, filled};
use super::{DeviceRef, called, find};
use crate::generate::Ready;
use crate::{Error, audit, types};

/// Lets a device in: checks its name, address and role, and makes its config in the same transaction. To approve again with the
/// same values changes nothing.
pub(crate) async fn approve(
    store: &Store,
    author: Author,
    who: DeviceRef,
    with: types::ApproveDevice,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            approve_in(writer, &Ready::read(writer)?, who, with)
        })
        .await
}

pub(super) fn approve_in(
    writer: &Writer<'_>,
    ready: &Ready,
    who: DeviceRef,
    with: types::ApproveDevice,
) -> Result<types::Device, Error> {
    let before = find(writer, who)?;
    let mut device = with_values(&before, with);
    if before.approval.is_approved() {
        if device == before {
            return Ok(before.into());
        }
        let why = format!("{} is approved already, with other values", called(&before));
        let hint = "change an approved device with PUT, or `ktizo device set`";
        return Err(Error::refused("already_approved", None, why, Some(hint)));
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
    if role == Role::Worker && !has_control_plane(writer, &device)? {
        let why = "the first approved device must be a control plane; workers join one";
        return Err(Error::invalid("role", why));
    }
    device.approval = Approval::Approved {
        by: writer.actor().clone(),
        at: writer.now(),
    };
    writer.update_device(&device)?;
    ready.save_for(writer, &device)?;
    let what = EventKind::DeviceApproved {
        hostname,
        address,
        role,
    };
    let changes = audit::of_device(&before, &device);
    writer.event_of(Some(&device), what, &changes)?;
    Ok(find(writer, DeviceRef::Id(device.id))?.into())
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
    let hint = "GET .../approval-suggestions, or `ktizo device show`, suggests one";
    Error::refused("missing", Some(field.to_owned()), why, Some(hint))
}

/// Whether a control plane other than `device` is approved.
pub(super) fn has_control_plane(reader: &Reader<'_>, device: &Device) -> Result<bool, Error> {
    Ok(reader.has_control_plane(device.id)?)
}
