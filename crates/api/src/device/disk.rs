//! Which disk a device is installed on, and whether anybody chose it.

use model::{Device, DeviceId, Disk, Role};
use store::Reader;

use super::called;
use crate::Error;
use crate::generate::{InstallPlace, Recipe};
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
    let hint = "choose by path with --install-disk, or by serial, WWID, model, size or type with --install-selector (by API `install_disk`, or `settings` with `install_selector`)";
    Err(Error::refused(
        "disk_not_chosen",
        Some("install_disk".to_owned()),
        why,
        Some(hint),
    ))
}

/// Where `in_role` says that a device is installed; while its role is not known, where it is the same in all.
fn same_place(
    role: Option<Role>,
    in_role: impl Fn(Role) -> Option<InstallPlace>,
) -> Option<InstallPlace> {
    let mut places = Role::ALL
        .iter()
        .filter(|of| role.is_none_or(|role| role == **of))
        .map(|role| in_role(*role));
    let first = places.next()??;
    places
        .all(|place| place.as_ref() == Some(&first))
        .then_some(first)
}

/// What an approval in a role should know of the disk, in a sentence. `recipe` is what its config would be made from, if one can be.
pub(super) fn told(
    reader: &Reader<'_>,
    device: &Device,
    role: Option<Role>,
    recipe: Option<&Recipe>,
) -> Result<String, Error> {
    let patched = recipe.and_then(|it| same_place(role, |role| it.patched_place(device, role)));
    if let Some(place) = patched {
        return Ok(format!(
            "A patch of this machine decides: Talos is installed on {place}. Whatever is on that disk is lost."
        ));
    }
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
        0 => {
            let shared = recipe.and_then(|it| same_place(role, |role| it.shared_place(role)));
            let disk = match shared {
                Some(InstallPlace::Disk(path)) => {
                    format!("the disk that the base config names, {path}")
                }
                Some(place) => format!("{place}, as the base config says"),
                None => "the disk that the base config names".to_owned(),
            };
            format!(
                "Which disks this machine has is not known, and none is chosen for it: Talos is installed on {disk}. Whatever is on that \
                 disk is lost."
            )
        }
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
