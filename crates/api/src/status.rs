//! How the daemon does, and what is still to do.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use configgen::Contract;
use model::{
    ApprovalStatus, Arch, Asset, AssetKind, AssetName, FirmwareKind, MacAddr, Role, TalosVersion,
    Timestamp, lacking, newest_whole,
};
use store::{DeviceFilter, OwnLoader, Reader, Store};

use crate::sources::{drift, newest_release, read_cluster};
use crate::types::{DeviceCounts, ScriptPreview, ServiceStatus, Status};
use crate::{Api, AssetFolder, Error, Sample, base, device};

/// Tells how the daemon does, apart from the store.
pub trait Service: Send + Sync + 'static {
    /// How it does at this moment. May look at files; it is called where blocking is allowed.
    fn status(&self) -> ServiceStatus;

    /// What its servers have counted.
    fn samples(&self) -> Vec<Sample>;
    /// The addresses of the host it runs on, which no node may have.
    fn own_addresses(&self) -> Vec<Ipv4Addr>;
}

/// Looks ahead to the next network boot of a machine.
#[async_trait]
pub trait NextBoot: Send + Sync + 'static {
    /// What it would get if it asked at this moment. Spends no order, releases no config, and counts as no boot.
    async fn script(&self, mac: MacAddr, now: Timestamp) -> Result<ScriptPreview, Error>;
}

/// A machine that is held asks again after 25 s; one that was silent for this long is gone.
pub(crate) const SILENT: Duration = Duration::from_secs(120);

/// The whole picture.
pub(crate) async fn status(api: &Api) -> Result<Status, Error> {
    let mut picture = picture(&api.store, service(api).await?, &api.assets).await?;
    let now = api.gate.now();
    let held = device::look(&api.store, move |reader| count_held(reader, now));
    picture.devices.held = held.await?;
    picture.edited = base::hand_edits(&api.store, api.base_folder.clone()).await?;
    Ok(picture)
}

/// How many machines nobody approved are held at `now`.
pub(crate) fn count_held(reader: &Reader<'_>, now: Timestamp) -> Result<u64, Error> {
    Ok(reader.count_held(now.minus(SILENT))?)
}

/// Why a machine could not be served, in the sentences of [`status`]; empty if it could. One that cannot be found out is a reason itself
/// and hides none of the others.
pub(crate) async fn reasons(api: &Api) -> Vec<String> {
    let service = match service(api).await {
        Ok(service) => service,
        Err(err) => return vec![err.to_string()],
    };
    let mut known = service.problems.clone();
    match picture(&api.store, service, &api.assets).await {
        Ok(picture) => [picture.service.problems, picture.missing].concat(),
        Err(err) => {
            known.push(err.to_string());
            known
        }
    }
}

async fn service(api: &Api) -> Result<ServiceStatus, Error> {
    let service = Arc::clone(&api.service);
    tokio::task::spawn_blocking(move || service.status())
        .await
        .map_err(|err| Error::Internal(err.to_string()))
}

/// How the daemon and what is in the store do together, but for what depends on the moment: how many machines are held, and which files
/// a person edited.
pub async fn picture(
    store: &Store,
    service: ServiceStatus,
    assets: &AssetFolder,
) -> Result<Status, Error> {
    let folder = assets.clone();
    let look = move |reader: &Reader<'_>| look(reader, service, &folder);
    device::look(store, look).await
}

/// Whether a boot loader is in one of the loader folders.
fn is_there(service: &ServiceStatus, loader: &str) -> bool {
    let mut known = service.loaders.iter();
    known.any(|known| known.name == loader && known.path.is_some())
}

/// Warns of a loader that a setting gives, if it is known to be bad.
fn doubt(service: &mut ServiceStatus, loader: &str) {
    let warning = service.loaders.iter().find_map(|known| {
        let (path, complaint) = (known.path.as_ref()?, known.complaint.as_ref()?);
        (known.name == loader).then(|| format!("boot loader {path}: {complaint}"))
    });
    if let Some(warning) = warning.filter(|text| !service.warnings.contains(text)) {
        service.warnings.push(warning);
    }
}

fn look(
    reader: &Reader<'_>,
    mut service: ServiceStatus,
    folder: &AssetFolder,
) -> Result<Status, Error> {
    let settings = reader.settings()?;
    for kind in FirmwareKind::ALL {
        let Some(loader) = &settings.firmware.of(*kind).loader else {
            continue;
        };
        doubt(&mut service, loader);
        if !is_there(&service, loader) {
            service.problems.push(format!(
                "boot loader {loader}, which the network settings give to {}, is in none of the loader folders: copy it there, or \
                 `ktizo network set --loader {kind}=none`",
                kind.title()
            ));
        }
    }
    // Anybody may read these words, so they name no MAC.
    for OwnLoader { name, devices, one } in reader.own_loaders()? {
        doubt(&mut service, &name);
        if !is_there(&service, &name) {
            let whose = match devices {
                1 => format!("device {one} gets by a setting of its own"),
                more => {
                    format!("{more} devices get by settings of their own, number {one} among them")
                }
            };
            service.problems.push(format!(
                "boot loader {name}, which {whose}, is in none of the loader folders: copy it there, or \
                 `ktizo device set {one} --loader \"\"`"
            ));
        }
    }
    let mut base_configs = Vec::new();
    for role in Role::ALL {
        if reader.base(*role)?.is_some() {
            base_configs.push(*role);
        }
    }
    let assets = reader.assets()?;
    let version = settings
        .talos_version
        .clone()
        .or_else(|| newest_release(&assets));
    let chosen = settings.talos_version.as_ref();
    let mut missing = missing_assets(reader, &assets, chosen, version.as_ref())?;
    for asset in assets
        .iter()
        .filter(|it| Some(&it.version) == version.as_ref())
    {
        if let Some(fault) = folder.fault(asset) {
            missing.push(format!(
                "the file of {} of Talos {} {fault}: import it anew with `ktizo assets import DIR`",
                asset.name(),
                asset.version
            ));
        }
    }
    let mut notes = Vec::new();
    if let Some(version) = &version {
        notes.extend(left_out(&assets, version));
        if Contract::is_too_old(version) {
            let oldest = Contract::OLDEST;
            notes.push(format!(
                "machines boot Talos {version}, and configs are made for Talos {oldest} and newer: import a newer release"
            ));
        }
        let cluster = read_cluster(reader.cluster_settings()?)?;
        notes.extend(cluster.and_then(|cluster| drift(&cluster, version)));
    }
    match base_configs.as_slice() {
        [] => missing.push(
            "there is no base config for the roles controlplane and worker: `ktizo cluster init NAME ENDPOINT`, or `ktizo cluster import DIR`"
                .to_owned(),
        ),
        [Role::Worker] => missing.push(
            "there is no base config for the role controlplane: `ktizo cluster init NAME ENDPOINT`, or `ktizo cluster import DIR`"
                .to_owned(),
        ),
        // A cluster may do without workers.
        [Role::Controlplane] => notes.push(
            "there is no base config for the role worker, so no worker can be let in: `ktizo cluster generate`, or `ktizo cluster import DIR`"
                .to_owned(),
        ),
        _ => {}
    }
    if settings.node_subnet.is_none() {
        missing.push(
            "the node subnet is not set: `ktizo network set --node-subnet 192.168.1.0/24`"
                .to_owned(),
        );
    }
    Ok(Status {
        service,
        devices: DeviceCounts {
            pending: reader.count_devices(Some(ApprovalStatus::Pending))?,
            approved: reader.count_devices(Some(ApprovalStatus::Approved))?,
            rejected: reader.count_devices(Some(ApprovalStatus::Rejected))?,
            // Counted by [`status`], for it depends on the moment.
            held: 0,
        },
        strict_boot_mode: settings.strict_boot_mode,
        talos_version: version,
        base_configs,
        missing,
        notes,
        edited: Vec::new(),
    })
}

/// What was not imported of the release that machines boot. One architecture is enough to begin with; approved machines are of those
/// that are needed.
fn missing_assets(
    reader: &Reader<'_>,
    assets: &[Asset],
    chosen: Option<&TalosVersion>,
    version: Option<&TalosVersion>,
) -> Result<Vec<String>, store::Error> {
    let version = version.or_else(|| assets.first().map(|asset| &asset.version));
    let there = |kind: AssetKind, arch: Option<Arch>| {
        assets.iter().any(|asset| {
            asset.kind == kind
                && Some(&asset.version) == version
                && arch.is_none_or(|arch| asset.arch == arch)
        })
    };
    let of = version.map_or_else(String::new, |version| format!(" of Talos {version}"));
    let mut missing = Vec::new();
    for kind in AssetKind::ALL {
        if !there(*kind, None) {
            let name = AssetName {
                arch: Arch::Amd64,
                kind: *kind,
            };
            missing.push(format!(
                "no {kind}{of} (such as {name}) was imported: `ktizo assets import DIR`"
            ));
        }
    }
    for arch in Arch::ALL {
        if chosen.is_none() && newest_whole(assets, *arch).is_some() {
            continue;
        }
        let approved = DeviceFilter {
            status: Some(ApprovalStatus::Approved),
            arch: Some(*arch),
            limit: Some(1),
            ..DeviceFilter::default()
        };
        if reader.count_matching(&approved)? == 0 {
            continue;
        }
        for kind in AssetKind::ALL {
            if there(*kind, None) && !there(*kind, Some(*arch)) {
                let name = AssetName {
                    arch: *arch,
                    kind: *kind,
                };
                missing.push(format!(
                    "{name}{of} was not imported, and approved machines need it: `ktizo assets import DIR`"
                ));
            }
        }
    }
    Ok(missing)
}

/// Newer releases that machines do not boot, for a half of them is missing.
fn left_out(assets: &[Asset], booted: &TalosVersion) -> Vec<String> {
    let mut told = Vec::new();
    for asset in assets.iter().filter(|asset| asset.version > *booted) {
        for name in lacking(assets, &asset.version, asset.arch) {
            told.push(format!(
                "Talos {} is not whole: {name} was not imported, so machines boot {booted}",
                asset.version
            ));
        }
    }
    told
}
