//! Which Talos a machine boots, and what is missing for it.

use api::AssetFolder;
use model::{Arch, Asset, AssetName, Device, NetworkSettings, TalosVersion, lacking, newest_whole};
use store::{Error as StoreError, Reader};

/// What a machine would boot with at this moment; the error is a sentence for its screen.
pub(super) fn talos_for(
    reader: &Reader<'_>,
    folder: &AssetFolder,
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
    let Some(version) = version.filter(|_| missing.is_empty()) else {
        return Ok(Err(missing_asset(
            settings.talos_version.as_ref(),
            &missing,
        )));
    };
    let own = |asset: &&Asset| asset.version == version && asset.arch == arch;
    for asset in assets.iter().filter(own) {
        if let Some(fault) = folder.fault(asset) {
            let name = asset.name();
            return Ok(Err(format!(
                "{name} of Talos {version} {fault}. On the ktizo host: ktizo assets import DIR"
            )));
        }
    }
    Ok(Ok((version, arch)))
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
