//! What the fields of a device may hold, beyond what their types say.

use std::net::Ipv4Addr;

use configgen::{ByteSize, VolumeLimit};
use model::{
    Device, DeviceId, EphemeralVolume, Hostname, Labels, LocalBoot, MacAddr, NetworkSettings,
    check_node_address, is_loader_name,
};
use store::Reader;

use super::called;
use crate::Error;

/// The longest notes, in characters.
const MAX_NOTES: usize = 4096;
/// The longest path of a disk: PATH_MAX is of no use in a form.
const MAX_DISK: usize = 255;
/// The longest CEL expression.
const MAX_SELECTOR: usize = 1024;

/// The device as it would be if no person had said anything of it.
pub(super) fn undecided(device: &Device) -> Device {
    Device {
        hostname: None,
        ip_address: None,
        role: None,
        notes: String::new(),
        labels: Labels::default(),
        install_disk: None,
        ephemeral: EphemeralVolume::default(),
        local_boot: LocalBoot::Auto,
        loader: None,
        ..device.clone()
    }
}

/// Checks each field for itself.
pub(super) fn check_values(device: &Device, settings: &NetworkSettings) -> Result<(), Error> {
    let printable = |text: &str| {
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
    };
    if device.notes.chars().count() > MAX_NOTES || !printable(&device.notes) {
        let why = format!("must be at most {MAX_NOTES} printable characters");
        return Err(Error::invalid("notes", why));
    }
    if let Some(disk) = &device.install_disk {
        let path = disk.strip_prefix("/dev/").unwrap_or_default();
        let plain = disk.bytes().all(|b| b.is_ascii_graphic()) && !path.contains("..");
        if path.is_empty() || !plain || disk.len() > MAX_DISK {
            let why = "must be the path of a device such as /dev/nvme0n1";
            return Err(Error::invalid("install_disk", why));
        }
    }
    let ephemeral = &device.ephemeral;
    if let Some(size) = &ephemeral.min_size {
        size.parse::<ByteSize>()
            .map_err(|err| because("ephemeral_min_size", &err))?;
    }
    if let Some(size) = &ephemeral.max_size {
        size.parse::<VolumeLimit>()
            .map_err(|err| because("ephemeral_max_size", &err))?;
    }
    if let Some(selector) = &ephemeral.disk_selector {
        let fits = selector.chars().count() <= MAX_SELECTOR && printable(selector);
        if !fits {
            let why = format!("must be a CEL expression of at most {MAX_SELECTOR} characters");
            return Err(Error::invalid("ephemeral_disk_selector", why));
        }
    }
    if device
        .loader
        .as_deref()
        .is_some_and(|loader| !is_loader_name(loader))
    {
        let why = "must be a bare file name such as ipxe.efi";
        return Err(Error::invalid("loader", why));
    }
    if let Some(address) = device.ip_address {
        check_node_address(address, settings)
            .map_err(|refusal| Error::invalid("ip_address", refusal.to_string()))?;
    }
    Ok(())
}

/// Refuses an address that this host has: the node would take it from the daemon that serves it.
pub(super) fn check_not_own(address: Ipv4Addr, own: &[Ipv4Addr]) -> Result<(), Error> {
    if own.contains(&address) {
        let why = format!("{address} is the address of the ktizo server");
        return Err(Error::invalid("ip_address", why));
    }
    Ok(())
}

/// Checks that what must be unique is, and names the device that has it otherwise.
pub(super) fn check_unique(
    reader: &Reader<'_>,
    own: Option<DeviceId>,
    mac: MacAddr,
    hostname: Option<&Hostname>,
    address: Option<Ipv4Addr>,
) -> Result<(), Error> {
    let by_mac = reader.device_by_mac(mac)?.map(|device| device.id);
    let by_name = match hostname {
        Some(hostname) => reader.device_with_hostname(hostname)?,
        None => None,
    };
    let by_address = match address {
        Some(address) => reader.device_with_address(address)?,
        None => None,
    };
    for (field, holder) in [
        ("mac_address", by_mac),
        ("hostname", by_name),
        ("ip_address", by_address),
    ] {
        let Some(holder) = holder.filter(|holder| Some(*holder) != own) else {
            continue;
        };
        let who = match reader.device(holder)? {
            Some(device) => format!("{} device {}", device.approval.status(), called(&device)),
            None => format!("device {holder}"),
        };
        let why = format!("is taken by the {who}");
        return Err(Error::refused("taken", Some(field.to_owned()), why, None));
    }
    Ok(())
}

/// What is left of a text that may be cleared by writing nothing.
pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// The refusal of a field by the config generator's own rules.
fn because(field: &str, err: &configgen::Error) -> Error {
    match err {
        configgen::Error::Setting { reason, .. } => Error::invalid(field, reason.clone()),
        other => Error::invalid(field, other.to_string()),
    }
}
