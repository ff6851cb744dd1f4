//! Which disk a device is installed on, and whether anybody chose it.

use model::{Device, DeviceId, Disk};
use store::Reader;

use super::called;
use crate::Error;
use crate::types::DeviceSettings;

/// How much of a kernel log is looked at: a kernel names its disks early.
const LINES: u64 = 4096;

/// The disks of a device, as its kernel told them last; empty where it was never heard.
pub(super) fn known(reader: &Reader<'_>, device: DeviceId) -> Result<Vec<Disk>, Error> {
    for log in reader.kernel_logs(device)? {
        let first = Some(model::KernelLineId(0));
        let lines = reader.kernel_lines(device, log.boot, first, LINES)?;
        let mut disks: Vec<Disk> = lines
            .iter()
            .filter_map(|entry| Disk::in_kernel_line(&entry.line.message))
            .collect();
        disks.sort();
        disks.dedup_by(|one, other| one.path == other.path);
        if !disks.is_empty() {
            return Ok(disks);
        }
    }
    Ok(Vec::new())
}

/// Whether a person chose the disk for this very device.
fn is_chosen(reader: &Reader<'_>, device: &Device) -> Result<bool, Error> {
    if device.install_disk.is_some() {
        return Ok(true);
    }
    let settings = reader.device_settings(device.id)?;
    let settings = settings.map(|json| serde_json::from_str::<DeviceSettings>(&json));
    let settings = settings
        .transpose()
        .map_err(|err| Error::Internal(err.to_string()))?;
    Ok(settings.is_some_and(|settings| settings.install_selector.is_some()))
}

/// Refuses to let a machine in that is known to have several disks and none that was chosen for it.
pub(super) fn check_chosen(reader: &Reader<'_>, device: &Device) -> Result<(), Error> {
    let disks = known(reader, device.id)?;
    if disks.len() < 2 || is_chosen(reader, device)? {
        return Ok(());
    }
    let why = format!(
        "{} has {} disks, and none is chosen for it: {}",
        called(device),
        disks.len(),
        listed(&disks)
    );
    let hint = "choose with `install_disk`, --install-disk, or by serial, WWID, model, size or type with --install-selector";
    Err(Error::refused(
        "disk_not_chosen",
        Some("install_disk".to_owned()),
        why,
        Some(hint),
    ))
}

/// What an approval should know of the disk, in a sentence.
pub(super) fn told(reader: &Reader<'_>, device: &Device) -> Result<String, Error> {
    if let Some(disk) = &device.install_disk {
        return Ok(format!(
            "Talos is installed on {disk}, as chosen for this machine."
        ));
    }
    if is_chosen(reader, device)? {
        return Ok(
            "Talos is installed on the disk that the machine's selector matches.".to_owned(),
        );
    }
    let disks = known(reader, device.id)?;
    Ok(match disks.len() {
        0 => "Which disks this machine has is not known, and none is chosen for it: Talos is installed on the disk that the base config \
              names. Whatever is on that disk is lost."
            .to_owned(),
        1 => format!("Its kernel told of one disk, {}.", listed(&disks)),
        _ => format!(
            "Its kernel told of {} disks, {}: choose one of them.",
            disks.len(),
            listed(&disks)
        ),
    })
}

fn listed(disks: &[Disk]) -> String {
    let one = |disk: &Disk| match &disk.size {
        Some(size) => format!("{} ({size})", disk.path),
        None => disk.path.clone(),
    };
    disks.iter().map(one).collect::<Vec<_>>().join(", ")
}
