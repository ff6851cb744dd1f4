//! Devices that persons make known before they have been seen.

use std::net::Ipv4Addr;

use model::{Author, Device, EventKind, Inventory};
use store::{Lane, Store, Writer};

use super::fields::{check_not_own, check_unique, check_values, filled, undecided};
use super::shown;
use crate::{Error, audit, types};

/// Adds a device by hand. It waits for approval like any other.
pub(crate) async fn add(
    store: &Store,
    author: Author,
    new: types::NewDevice,
    own: Vec<Ipv4Addr>,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let device = insert(writer, new, &own)?;
            shown(writer, device)
        })
        .await
}

/// Registers a device by its MAC: adds it, or leaves it as it is if it is known. Says whether it is new.
pub(crate) async fn register(
    store: &Store,
    author: Author,
    new: types::NewDevice,
    own: Vec<Ipv4Addr>,
) -> Result<(types::Device, bool), Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            match writer.device_by_mac(new.mac_address)? {
                Some(known) => Ok((shown(writer, known)?, false)),
                None => {
                    let device = insert(writer, new, &own)?;
                    Ok((shown(writer, device)?, true))
                }
            }
        })
        .await
}

fn insert(writer: &Writer<'_>, new: types::NewDevice, own: &[Ipv4Addr]) -> Result<Device, Error> {
    if let Some(address) = new.ip_address {
        check_not_own(address, own)?;
    }
    check_unique(
        writer,
        None,
        new.mac_address,
        new.hostname.as_ref(),
        new.ip_address,
    )?;
    let mut ephemeral = new.ephemeral();
    for text in [
        &mut ephemeral.min_size,
        &mut ephemeral.max_size,
        &mut ephemeral.disk_selector,
    ] {
        *text = filled(text.take());
    }
    let device = writer.insert_device(store::NewDevice {
        mac: new.mac_address,
        hostname: new.hostname,
        ip_address: new.ip_address,
        role: new.role,
        notes: new.notes,
        labels: new.labels,
        install_disk: filled(new.install_disk),
        ephemeral,
        inventory: Inventory::default(),
        seen: false,
    })?;
    // What is refused now takes the row with it.
    check_values(&device, &writer.settings()?)?;
    let given = audit::of_device(&undecided(&device), &device);
    writer.event_of(Some(&device), EventKind::DeviceAdded, &given)?;
    Ok(device)
}
