//! Changing a device.

use std::net::Ipv4Addr;

use model::{Author, BootOrder, Device, EventKind, Role, StandingOrder};
use serde_json::{Map, Value};
use store::{Lane, Store, Writer};

use super::approve::has_control_plane;
use super::config::SettingsChange;
use super::fields::{check_not_own, check_unique, check_values, filled};
use super::order::{no_back_door, record_order, standing};
use super::{DeviceRef, called, find, shown, shown_again};
use crate::cluster::endpoint;
use crate::generate::Recipe;
use crate::sources::Sources;
use crate::types::DevicePatch;
use crate::version::{IfMatch, Version};
use crate::{Error, audit, body, generate, types};

/// Fields that follow from what persons decide, besides [`types::Device::RECORDED`]. Both kinds may be sent back, as a client does that
/// reads a device, changes it and writes it whole, and are not looked at.
const DERIVED: [&str; 2] = ["settings_version", "approved_at"];

/// Fields that only persons read.
const REMARKS: [&str; 2] = ["notes", "labels"];

/// What a change was made from: the device, and what its config has beyond it.
#[derive(Debug, Default)]
pub(crate) struct MadeFrom {
    /// The device.
    pub(crate) device: IfMatch,
    /// Its settings.
    pub(crate) settings: IfMatch,
}

/// Changes the fields that the body has, if the device is the expected version. If the device is approved, its config follows in the same transaction.
pub(crate) async fn update(
    store: &Store,
    author: Author,
    who: DeviceRef,
    fields: Map<String, Value>,
    expected: MadeFrom,
    own: Vec<Ipv4Addr>,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let before = find(writer, &who)?;
            let present = Version::of_device(&shown(writer, before.clone())?);
            expected.device.check(&present)?;
            let patch = read_patch(&before, fields)?;
            update_in(writer, &before, patch, &expected.settings, &own)
        })
        .await
}

/// Reads a body against the device it is for: what cannot be changed this way may only say what is so already.
fn read_patch(before: &Device, mut fields: Map<String, Value>) -> Result<DevicePatch, Error> {
    for field in types::Device::RECORDED.iter().chain(&DERIVED) {
        fields.remove(*field);
    }
    let fixed = |field: &str, why: &str, hint: Option<&str>| {
        Err(Error::refused("fixed", Some(field.to_owned()), why, hint))
    };
    if let Some(id) = fields.remove("id")
        && id != before.id.0
    {
        return fixed("id", "the number of a device never changes", None);
    }
    if let Some(status) = fields.remove("status")
        && status != before.approval.status().as_str()
    {
        let hint = "POST .../approve or .../reject";
        return fixed("status", "is not changed by PUT", Some(hint));
    }
    let ordered = before.life.boot_order() == BootOrder::Wipe;
    if let Some(wipe) = fields.remove("wipe_on_next_boot")
        && wipe != ordered
    {
        if wipe != false {
            return Err(no_back_door("wipe_on_next_boot"));
        }
        let hint = "DELETE .../wipe, or `ktizo device wipe MAC --cancel`";
        return fixed("wipe_on_next_boot", "is not changed by PUT", Some(hint));
    }
    body::read_value(fields.into())
}

fn update_in(
    writer: &Writer<'_>,
    before: &Device,
    patch: DevicePatch,
    expected: &IfMatch,
    own: &[Ipv4Addr],
) -> Result<types::Device, Error> {
    let order = ordered(before, &patch)?;
    let settings = patch.settings.clone().unwrap_or_default();
    let settings = SettingsChange::of(writer, &DeviceRef::Id(before.id), settings)?;
    settings.check(expected)?;
    let (mut device, changed) = patched(before, patch);
    if changed.is_empty() && settings.fields.is_empty() && order.is_none() {
        return shown(writer, before.clone());
    }
    check_unique(
        writer,
        Some(device.id),
        device.mac,
        device.hostname.as_ref(),
        device.ip_address,
    )?;
    check_values(&device, &writer.settings()?)?;
    if let Some(address) = device
        .ip_address
        .filter(|_| device.ip_address != before.ip_address)
    {
        check_not_own(address, own)?;
    }
    if device.approval.is_approved() {
        check_approved(writer, before, &device)?;
    }
    let called_off = match order {
        Some(order) => {
            device.give_order(order);
            None
        }
        // A wipe was ordered of what the device was before; a remark makes it no other.
        None if !settings.fields.is_empty()
            || changed.iter().any(|field| !REMARKS.contains(field)) =>
        {
            device.life.change()
        }
        None => None,
    };
    writer.update_device(&device)?;
    if !settings.fields.is_empty() {
        settings.save(writer, &device)?;
    }
    if device.approval.is_approved() {
        generate::for_one(writer, &device)?;
    } else if !settings.fields.is_empty() {
        Recipe::of(Sources::read(writer)?)?.try_device(&device)?;
    }
    if !changed.is_empty() || !settings.fields.is_empty() {
        let mut changes = audit::of_device(before, &device);
        changes.retain(|change| changed.contains(&change.field.as_str()));
        changes.extend(settings.changes());
        let fields = changed.into_iter().map(str::to_owned);
        let fields = fields.chain(settings.fields).collect();
        writer.event_of(Some(&device), EventKind::DeviceUpdated { fields }, &changes)?;
    }
    if let Some(called_off) = called_off {
        writer.event(Some(&device), called_off)?;
    }
    if order.is_some() {
        record_order(writer, before, &device)?;
    }
    shown_again(writer, device.id)
}

/// The standing order that is given: `order` also where it is the one that stands, `boot_order` where it is another.
fn ordered(before: &Device, patch: &DevicePatch) -> Result<Option<StandingOrder>, Error> {
    let changed = standing(before, patch.boot_order)?;
    let Some(order) = patch.order else {
        return Ok(changed);
    };
    let given = order.standing().ok_or_else(|| no_back_door("order"))?;
    if changed.is_some_and(|changed| changed != given) {
        return Err(Error::invalid("order", "is another than `boot_order`"));
    }
    Ok(Some(given))
}

/// What an approved device must stay.
fn check_approved(writer: &Writer<'_>, before: &Device, device: &Device) -> Result<(), Error> {
    for (field, there) in [
        ("hostname", device.hostname.is_some()),
        ("ip_address", device.ip_address.is_some()),
        ("role", device.role.is_some()),
    ] {
        if !there {
            let why = "an approved device must have one";
            return Err(Error::invalid(field, why));
        }
    }
    if before.role == Some(Role::Controlplane)
        && before.ip_address != device.ip_address
        && before.ip_address == endpoint(writer)?
        && !has_control_plane(writer, device)?
    {
        let why = format!(
            "{} is the only control plane, and its address is the cluster's endpoint, which all nodes are made with",
            called(before)
        );
        let hint =
            "approve another control plane, or change the endpoint in the cluster's settings first";
        return Err(Error::refused(
            "endpoint",
            Some("ip_address".to_owned()),
            why,
            Some(hint),
        ));
    }
    let gives_up = before.role == Some(Role::Controlplane) && device.role == Some(Role::Worker);
    if gives_up && !has_control_plane(writer, device)? {
        let why = format!(
            "{} is the last control plane; a cluster must have one",
            called(before)
        );
        return Err(Error::invalid("role", why));
    }
    Ok(())
}

/// The device with the patch on it, and the names of the fields that changed by it. The order is the caller's.
fn patched(before: &Device, patch: DevicePatch) -> (Device, Vec<&'static str>) {
    let mut device = before.clone();
    let mut changed = Vec::new();
    put(
        &mut changed,
        "mac_address",
        &mut device.mac,
        patch.mac_address,
    );
    put(
        &mut changed,
        "hostname",
        &mut device.hostname,
        patch.hostname,
    );
    put(
        &mut changed,
        "ip_address",
        &mut device.ip_address,
        patch.ip_address,
    );
    put(&mut changed, "role", &mut device.role, patch.role);
    let notes = patch.notes.map(Option::unwrap_or_default);
    put(&mut changed, "notes", &mut device.notes, notes);
    let labels = patch.labels.map(Option::unwrap_or_default);
    put(&mut changed, "labels", &mut device.labels, labels);
    put(
        &mut changed,
        "local_boot",
        &mut device.local_boot,
        patch.local_boot,
    );
    let ephemeral = &mut device.ephemeral;
    for (field, own, new) in [
        ("install_disk", &mut device.install_disk, patch.install_disk),
        (
            "ephemeral_min_size",
            &mut ephemeral.min_size,
            patch.ephemeral_min_size,
        ),
        (
            "ephemeral_max_size",
            &mut ephemeral.max_size,
            patch.ephemeral_max_size,
        ),
        (
            "ephemeral_disk_selector",
            &mut ephemeral.disk_selector,
            patch.ephemeral_disk_selector,
        ),
        ("loader", &mut device.loader, patch.loader),
    ] {
        put(&mut changed, field, own, new.map(filled));
    }
    (device, changed)
}

/// Takes over a value, and the name of its field if it is another one.
fn put<T: PartialEq>(
    changed: &mut Vec<&'static str>,
    field: &'static str,
    own: &mut T,
    new: Option<T>,
) {
    if let Some(new) = new.filter(|new| new != own) {
        *own = new;
        changed.push(field);
    }
}
