//! What device configs are made from, as it is in the store, or as a change would leave it.

use configgen::{ClusterInput, Contract, MachineConfig};
use model::{
    Arch, Asset, DeviceId, NetworkSettings, Origin, PatchScope, Role, TalosVersion, newest_whole,
};
use store::{Reader, StoredPatch};

use crate::Error;
use crate::types::DeviceSettings;

/// Texts and settings, not yet looked at.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The network settings.
    pub(crate) network: NetworkSettings,
    /// The cluster's settings, if ktizo has them.
    pub(crate) cluster: Option<ClusterInput>,
    /// The base configs.
    pub(crate) bases: Vec<BaseText>,
    /// The patches in the order of application.
    pub(crate) patches: Vec<PatchText>,
    /// What devices have beyond their rows.
    pub(crate) devices: Vec<(DeviceId, DeviceSettings)>,
    /// The newest release that was imported whole.
    newest_release: Option<TalosVersion>,
}

/// The base config of a role.
#[derive(Clone)]
pub(crate) struct BaseText {
    pub(crate) role: Role,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// One patch.
#[derive(Clone)]
pub(crate) struct PatchText {
    pub(crate) scope: PatchScope,
    pub(crate) device: Option<DeviceId>,
    pub(crate) name: String,
    pub(crate) text: String,
}

impl std::fmt::Debug for BaseText {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseText")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PatchText {
    /// Leaves the text out, for it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatchText")
            .field("scope", &self.scope)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl From<StoredPatch> for PatchText {
    fn from(patch: StoredPatch) -> Self {
        Self {
            scope: patch.scope,
            device: patch.device,
            name: patch.name,
            text: patch.text,
        }
    }
}

impl PatchText {
    /// What errors, events and explanations call it.
    pub(crate) fn called(&self) -> String {
        format!("{}/{}", self.scope, self.name)
    }

    /// Whether it is the patch of that name.
    pub(crate) fn is(&self, scope: PatchScope, device: Option<DeviceId>, name: &str) -> bool {
        self.scope == scope && self.device == device && self.name == name
    }
}

impl Sources {
    /// Reads them as they are in the store.
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let mut bases = Vec::new();
        for role in Role::ALL {
            bases.extend(reader.base(*role)?.map(|base| BaseText {
                role: *role,
                text: base.text,
                origin: base.origin,
            }));
        }
        let devices = reader.all_device_settings()?.into_iter();
        let devices = devices.map(|(id, json)| Ok((id, device_settings(&json)?)));
        Ok(Self {
            network: reader.settings()?,
            cluster: cluster_settings(reader)?,
            bases,
            patches: reader.patches()?.into_iter().map(PatchText::from).collect(),
            devices: devices.collect::<Result<_, Error>>()?,
            newest_release: newest_release(&reader.assets()?),
        })
    }

    /// The Talos releases that must take the configs: the one the cluster installs, and the one machines boot, each as far as it is
    /// known; the first is the one whose rules patches follow. `base` tells it where nothing else does.
    pub(crate) fn versions(&self, base: &MachineConfig) -> Result<Vec<TalosVersion>, Error> {
        let installed = self.cluster.as_ref().map(|it| it.talos_version.clone());
        let booted = self.network.talos_version.clone();
        let booted = booted.or_else(|| self.newest_release.clone());
        let mut versions: Vec<TalosVersion> = Vec::new();
        for version in installed.into_iter().chain(booted) {
            let is_new = versions
                .iter()
                .all(|known| known.contract() != version.contract());
            if is_new {
                versions.push(version);
            }
        }
        if versions.is_empty() {
            let shown = Contract::of_config(base).to_string();
            let version = shown.parse();
            versions.push(version.map_err(|err| Error::Internal(format!("{err}")))?);
        }
        Ok(versions)
    }

    /// The release that is known to be the cluster's, or the newest whose rules are known.
    pub(crate) fn version_or_newest(&self) -> Result<TalosVersion, Error> {
        let known = self.cluster.as_ref().map(|it| &it.talos_version);
        match known.or_else(|| self.talos_version()) {
            Some(version) => Ok(version.clone()),
            None => {
                let newest = Contract::NEWEST.to_string().parse();
                newest.map_err(|err| Error::Internal(format!("{err}")))
            }
        }
    }

    /// The text of a role's base config.
    pub(crate) fn base(&self, role: Role) -> Option<&BaseText> {
        self.bases.iter().find(|base| base.role == role)
    }

    /// Puts a base config in the place of its role's.
    pub(crate) fn put_base(&mut self, base: BaseText) {
        self.bases.retain(|other| other.role != base.role);
        self.bases.push(base);
    }

    /// The release that machines are to run, for suggestions; `None` if nothing tells.
    pub(crate) fn talos_version(&self) -> Option<&TalosVersion> {
        self.network
            .talos_version
            .as_ref()
            .or(self.newest_release.as_ref())
    }
}

/// The cluster's settings, if there are any.
pub(crate) fn cluster_settings(reader: &Reader<'_>) -> Result<Option<ClusterInput>, Error> {
    read_cluster(reader.cluster_settings()?)
}

/// Reads what the store has of the cluster.
pub(crate) fn read_cluster(json: Option<String>) -> Result<Option<ClusterInput>, Error> {
    let read = json.map(|json| {
        serde_json::from_str(&json)
            .map_err(|err| Error::Internal(format!("the cluster settings are damaged: {err}")))
    });
    read.transpose()
}

/// Reads what the store has of a device.
pub(crate) fn device_settings(json: &str) -> Result<DeviceSettings, Error> {
    serde_json::from_str(json)
        .map_err(|err| Error::Internal(format!("the settings of a device are damaged: {err}")))
}

/// The release that machines boot where none is chosen: the newest that is whole, for the processors that most machines have first.
pub(crate) fn newest_release(assets: &[Asset]) -> Option<TalosVersion> {
    [Arch::Amd64, Arch::Arm64]
        .into_iter()
        .find_map(|arch| newest_whole(assets, arch))
}

/// What it means that machines boot another release than the cluster installs; `None` where they agree, or where an image was chosen
/// by hand.
pub(crate) fn drift(cluster: &ClusterInput, booted: &TalosVersion) -> Option<String> {
    let installed = &cluster.talos_version;
    if cluster.install_image.is_some() || installed == booted {
        return None;
    }
    Some(format!(
        "machines boot Talos {booted}, and the cluster's configs install Talos {installed}: a node runs the one while it installs, and \
         the other afterwards. To install what boots: `ktizo cluster set --talos-version {booted}`; to boot what is installed: import \
         that release, and `ktizo network set --talos-version {installed}`"
    ))
}
