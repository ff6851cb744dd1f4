//! How the daemon does, and what is still to do.

use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use model::{ApprovalStatus, AssetKind, AssetName, FirmwareKind, MacAddr, Role, Timestamp};
use store::{Lane, Reader};

use crate::types::{DeviceCounts, ScriptPreview, ServiceStatus, Status};
use crate::{Api, Error, Sample, base};

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

/// The whole picture.
pub(crate) async fn status(api: &Api) -> Result<Status, Error> {
    let service = Arc::clone(&api.service);
    let service = tokio::task::spawn_blocking(move || service.status())
        .await
        .map_err(|err| Error::Internal(err.to_string()))?;
    let mut picture = api
        .store
        .read(Lane::Admin, move |reader| look(reader, service))
        .await?;
    picture.edited = base::hand_edits(&api.store, api.base_folder.clone()).await?;
    Ok(picture)
}

fn look(reader: &Reader<'_>, mut service: ServiceStatus) -> Result<Status, store::Error> {
    let settings = reader.settings()?;
    for kind in FirmwareKind::ALL {
        let Some(loader) = &settings.firmware.of(*kind).loader else {
            continue;
        };
        let mut known = service.loaders.iter();
        if !known.any(|known| known.name == *loader && known.path.is_some()) {
            service.problems.push(format!(
                "boot loader {loader}, which the network settings give to {}, is in none of the loader folders: copy it there, or \
                 `ktizo network set --loader {kind}=none`",
                kind.title()
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
        .or_else(|| assets.first().map(|asset| asset.version.clone()));
    let mut missing = Vec::new();
    for kind in AssetKind::ALL {
        // Which processors there are is known once machines were seen; one architecture is enough to begin with.
        let there = assets
            .iter()
            .any(|asset| asset.kind == *kind && Some(&asset.version) == version.as_ref());
        if !there {
            let name = AssetName {
                arch: model::Arch::Amd64,
                kind: *kind,
            };
            let of = version
                .as_ref()
                .map(|version| format!(" of Talos {version}"));
            missing.push(format!(
                "no {kind}{} (such as {name}) was imported: `ktizo assets import DIR`",
                of.unwrap_or_default()
            ));
        }
    }
    if !base_configs.contains(&Role::Controlplane) {
        missing.push(
            "there is no base config for the role controlplane: `ktizo cluster init NAME ENDPOINT`, or `ktizo cluster import DIR`"
                .to_owned(),
        );
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
        },
        strict_boot_mode: settings.strict_boot_mode,
        talos_version: version,
        base_configs,
        missing,
        edited: Vec::new(),
    })
}
