//! Which Talos a machine boots, and what is missing for it.

use model::{Arch, Asset, AssetKind, AssetName, Device, NetworkSettings, TalosVersion};
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
    let kernel = AssetName {
        arch,
        kind: AssetKind::Kernel,
    };
    let initramfs = AssetName {
        arch,
        kind: AssetKind::Initramfs,
    };
    let version = match &settings.talos_version {
        Some(version) => Some(version.clone()),
        None => newest_whole(&reader.assets()?, arch),
    };
    let mut missing = Vec::new();
    for name in [kernel, initramfs] {
        if version.is_none() || reader.asset(version.as_ref(), name)?.is_none() {
            missing.push(name);
        }
    }
    Ok(match version {
        Some(version) if missing.is_empty() => Ok((version, arch)),
        version => Err(missing_asset(version.as_ref(), &missing)),
    })
}

/// The newest release that has both a kernel and an initramfs for `arch`; a pre-release only if there is nothing else.
fn newest_whole(assets: &[Asset], arch: Arch) -> Option<TalosVersion> {
    let has = |version: &TalosVersion, kind| {
        assets
            .iter()
            .any(|a| a.version == *version && a.arch == arch && a.kind == kind)
    };
    let whole = assets
        .iter()
        .map(|asset| &asset.version)
        .filter(|v| has(v, AssetKind::Kernel) && has(v, AssetKind::Initramfs));
    whole
        .max_by_key(|version| (!version.is_prerelease(), (*version).clone()))
        .cloned()
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
