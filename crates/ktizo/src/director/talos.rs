//! Which Talos a machine boots, and what is missing for it.

use model::{Arch, AssetName, Device, NetworkSettings, TalosVersion, lacking, newest_whole};
use store::{Error as StoreError, Reader};

/// What a machine would boot with at this moment; the error is a sentence for its screen.
pub(super) fn talos_for(
    reader: &Reader<'_>,
    settings: &NetworkSettings,
    device: Option<&Device>,
) -> Result<Result<(TalosVersion, Arch), String>, StoreError> {
    // A machine that never said what it is runs what most machines run.
    let arch = device
        .and_then(|device| device.inventory.arch)
        .unwrap_or(Arch::Amd64);
    let assets = reader.assets()?;
    let version = match &settings.talos_version {
        Some(version) => Some(version.clone()),
        None => newest_whole(&assets, arch),
    };
    let missing = match &version {
        Some(version) => lacking(&assets, version, arch),
        None => AssetName::all_for(arch).to_vec(),
    };
    Ok(match version {
        Some(version) if missing.is_empty() => Ok((version, arch)),
        version => Err(missing_asset(version.as_ref(), &missing)),
    })
}

/// The sentence about assets that are not there, with the way out.
pub(super) fn missing_asset(version: Option<&TalosVersion>, names: &[AssetName]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let of = version
        .map(|version| format!(" of Talos {version}"))
        .unwrap_or_default();
    let were = if names.len() > 1 { "were" } else { "was" };
    format!(
        "{}{of} {were} not imported. On the ktizo host: ktizo assets import DIR",
        names.join(" and ")
    )
}
