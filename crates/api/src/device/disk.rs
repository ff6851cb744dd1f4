//! Which disk a device is installed on, and whether anybody chose it.

use model::{Device, DeviceId, Disk, Role};
use store::Reader;

use super::called;
use crate::Error;
use crate::generate::Recipe;
use crate::sources::Sources;
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

/// The disk that the base configs name with what all configs of a role are patched with, by role.
pub(super) struct BaseDisks(Vec<(Role, String)>);

impl BaseDisks {
    /// Reads them; what cannot be made a config of names none.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let Ok(recipe) = Recipe::of(Sources::read(reader)?) else {
            return Ok(Self(Vec::new()));
        };
        let named = Role::ALL.iter().filter_map(|role| {
            let machine = recipe.shared(*role)?.v1alpha1()?;
            let disk = machine.text(&["machine", "install", "disk"])?;
            Some((*role, disk.to_owned()))
        });
        Ok(Self(named.collect()))
    }

    /// That of a role; while none is known, the one that is the same for all.
    fn of(&self, role: Option<Role>) -> Option<&str> {
        let mut of_role = self
            .0
            .iter()
            .filter(|(of, _)| role.is_none_or(|role| role == *of));
        let (_, disk) = of_role.next()?;
        of_role.all(|(_, other)| other == disk).then_some(disk)
    }
}

/// What an approval in a role should know of the disk, in a sentence.
pub(super) fn told(
    reader: &Reader<'_>,
    device: &Device,
    role: Option<Role>,
    named: &BaseDisks,
) -> Result<String, Error> {
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
            let disk = named.of(role).map(|disk| format!(", {disk}"));
            format!(
                "Which disks this machine has is not known, and none is chosen for it: Talos is installed on the disk that the base \
                 config names{}. Whatever is on that disk is lost.",
                disk.unwrap_or_default()
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
