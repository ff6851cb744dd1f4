//! Device configs: made from the base config of a role, patches, the device and the settings, and checked as Talos would.

mod input;

use std::collections::HashMap;
use std::fmt;

use configgen::yaml::{Entry, Node};
use configgen::{
    BaseConfig, ClusterInput, DevicePatches, Finding, Layered, MachineConfig, Patch, SecretsBundle,
    base_config, device_documents, layered_device_config, validate,
};
use model::{Device, DeviceId, NetworkSettings, Origin, PatchScope, Role, TalosVersion};
use store::{Reader, Writer};

use crate::Error;
use crate::sources::{BaseText, PatchText, Sources};
use crate::types::DeviceSettings;

/// How many findings a refusal tells.
const TOLD: usize = 3;

/// Sources, looked at: what is the same for all devices of a role is done once.
pub(crate) struct Recipe {
    sources: Sources,
    roles: Vec<RoleRecipe>,
    own: HashMap<DeviceId, Vec<(String, Patch)>>,
    settings: HashMap<DeviceId, DeviceSettings>,
}

/// What the configs of one role have in common.
struct RoleRecipe {
    base: BaseConfig,
    cluster: Vec<Patch>,
    role: Vec<Patch>,
    /// The base with both on it.
    patched: BaseConfig,
    versions: Vec<TalosVersion>,
}

impl Recipe {
    /// Looks at sources. What is wrong with a base config or a patch is told with its line.
    pub(crate) fn of(sources: Sources) -> Result<Self, Error> {
        let mut roles = Vec::new();
        for base in &sources.bases {
            let base = parse(base.role, &base.text)?;
            roles.push(RoleRecipe::of(&sources, base)?);
        }
        let mut own: HashMap<DeviceId, Vec<(String, Patch)>> = HashMap::new();
        for patch in &sources.patches {
            if let Some(device) = patch.device {
                let parsed = (patch.name.clone(), parse_patch(patch)?);
                own.entry(device).or_default().push(parsed);
            }
        }
        let settings = sources.devices.iter().cloned().collect();
        Ok(Self {
            sources,
            roles,
            own,
            settings,
        })
    }

    /// Makes and checks the config of one device: Talos YAML with secrets.
    pub(crate) fn make(&self, device: &Device) -> Result<String, Error> {
        Ok(self.made(device)?.print())
    }

    fn made(&self, device: &Device) -> Result<MachineConfig, Error> {
        let role = device.role.ok_or_else(|| incomplete(device))?;
        let recipe = self.role(role)?;
        let input = self.input(device, &recipe.versions)?;
        let mut config = device_documents(&recipe.patched, &input).map_err(refused)?;
        if let Some(own) = self.own.get(&device.id) {
            for (_, patch) in own {
                config = patch.apply(&config, recipe.version()).map_err(refused)?;
            }
            // A patch must not turn it into the config of another role.
            BaseConfig::from_config(role, config.clone()).map_err(refused)?;
        }
        check(&config, &recipe.versions)?;
        Ok(config)
    }

    /// The same, layer by layer.
    pub(crate) fn layers(&self, device: &Device) -> Result<Layered, Error> {
        let recipe = self.role(device.role.ok_or_else(|| incomplete(device))?)?;
        let own: Vec<Patch> = self
            .own
            .get(&device.id)
            .into_iter()
            .flatten()
            .map(|(_, patch)| patch.clone())
            .collect();
        let patches = DevicePatches {
            cluster: &recipe.cluster,
            role: &recipe.role,
            device: &own,
        };
        let input = self.input(device, &recipe.versions)?;
        layered_device_config(&recipe.base, patches, &input, recipe.version()).map_err(refused)
    }

    /// Makes a config for a device that is not there, for each role that has a base config: what is wrong with base configs and
    /// patches shows before there is a device. Answers what Talos would warn of.
    pub(crate) fn try_roles(&self) -> Result<Vec<String>, Error> {
        let mut warnings = Vec::new();
        for recipe in &self.roles {
            let role = recipe.base.role();
            let input = input::of_nobody(role, &self.sources.network);
            let made = device_documents(&recipe.patched, &input)
                .map_err(refused)
                .and_then(|config| check(&config, &recipe.versions));
            if let Err(err) = made {
                let why = format!("{role}.yaml: {err}");
                return Err(Error::refused(
                    "config_invalid",
                    Some(role.to_string()),
                    why,
                    None,
                ));
            }
            // What ktizo itself writes for a device is not for the operator to be warned of.
            warnings.extend(warnings_of(recipe.patched.config(), &recipe.versions)?);
        }
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }

    /// Makes the config that a device would get, with what it still lacks made up; nothing is made if its role has no base config.
    pub(crate) fn try_device(&self, device: &Device) -> Result<(), Error> {
        let role = device.role.unwrap_or(Role::Worker);
        if self.role(role).is_err() {
            return Ok(());
        }
        self.made(&self.filled_up(device, role)).map(drop)
    }

    /// The device with what it still lacks made up.
    fn filled_up(&self, device: &Device, role: Role) -> Device {
        let (hostname, address) = input::made_up(&self.sources.network);
        let mut device = device.clone();
        device.role = Some(role);
        device.hostname.get_or_insert(hostname);
        device.ip_address.get_or_insert(address);
        device
    }

    /// Where a device in a role would be installed if its own patches decide that; `None` if they do not, or no config can be made.
    pub(crate) fn patched_place(&self, device: &Device, role: Role) -> Option<InstallPlace> {
        self.own.get(&device.id)?;
        let device = self.filled_up(device, role);
        let recipe = self.role(role).ok()?;
        let input = self.input(&device, &recipe.versions).ok()?;
        let before = device_documents(&recipe.patched, &input).ok()?;
        let place = InstallPlace::of(&self.made(&device).ok()?);
        place.filter(|place| Some(place) != InstallPlace::of(&before).as_ref())
    }

    /// Where devices of a role are installed that choose no disk and have no patch.
    pub(crate) fn shared_place(&self, role: Role) -> Option<InstallPlace> {
        InstallPlace::of(self.shared(role)?)
    }

    /// The config that all devices of a role have in common, if the role has a base config.
    pub(crate) fn shared(&self, role: Role) -> Option<&MachineConfig> {
        Some(self.role(role).ok()?.patched.config())
    }

    fn role(&self, role: Role) -> Result<&RoleRecipe, Error> {
        let found = self.roles.iter().find(|recipe| recipe.base.role() == role);
        found.ok_or_else(|| {
            let why = format!("there is no base config for the role {role} yet");
            let hint = "`ktizo cluster init NAME ENDPOINT` or the page Cluster Settings makes one, `ktizo cluster import DIR` takes one over";
            Error::refused("base_missing", Some("role".to_owned()), why, Some(hint))
        })
    }
}

/// The disk that a config has Talos installed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InstallPlace {
    /// That with this path.
    Disk(String),
    /// That which a selector matches, with the selector.
    Selected(String),
}

impl InstallPlace {
    /// What a config says; `None` if it leaves it open. Beside a selector, Talos takes no look at a path.
    fn of(config: &MachineConfig) -> Option<Self> {
        if let Some(unattended) = config.kind("UnattendedInstallConfig") {
            let wanted = unattended.text(&["provisioning", "diskSelector", "match"])?;
            return Some(Self::Selected(wanted.to_owned()));
        }
        let install = config.v1alpha1()?.get(&["machine", "install"])?;
        let selector = install.get(&["diskSelector"]).and_then(Node::mapping);
        match selector.filter(|facts| !facts.is_empty()) {
            Some(facts) => {
                let fact = |fact: &Entry| {
                    let wanted = fact.value.scalar().map_or("", |it| it.text.as_str());
                    format!("{}: {wanted}", fact.key.text)
                };
                let facts: Vec<String> = facts.iter().map(fact).collect();
                Some(Self::Selected(facts.join(", ")))
            }
            None => Some(Self::Disk(install.text(&["disk"])?.to_owned())),
        }
    }
}

impl fmt::Display for InstallPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => f.write_str(path),
            Self::Selected(selector) => write!(f, "the disk that matches `{selector}`"),
        }
    }
}

impl RoleRecipe {
    fn of(sources: &Sources, base: BaseConfig) -> Result<Self, Error> {
        let versions = sources.versions(base.config())?;
        let scoped = |scope: PatchScope| {
            let patches = sources.patches.iter().filter(move |it| it.scope == scope);
            patches.map(parse_patch).collect::<Result<Vec<_>, Error>>()
        };
        let cluster = scoped(PatchScope::Cluster)?;
        let role = scoped(match base.role() {
            Role::Controlplane => PatchScope::Controlplane,
            Role::Worker => PatchScope::Worker,
        })?;
        let mut config = base.config().clone();
        for patch in cluster.iter().chain(&role) {
            config = patch.apply(&config, &versions[0]).map_err(refused)?;
        }
        let patched = BaseConfig::from_config(base.role(), config).map_err(refused)?;
        Ok(Self {
            base,
            cluster,
            role,
            patched,
            versions,
        })
    }

    /// The release whose rules patches follow.
    fn version(&self) -> &TalosVersion {
        &self.versions[0]
    }
}

/// Reads the text of a base config; what is wrong with it is told with its line, under the role's name.
pub(crate) fn parse(role: Role, text: &str) -> Result<BaseConfig, Error> {
    BaseConfig::parse(role, text).map_err(|err| Error::invalid(role.as_str(), err.to_string()))
}

/// Makes the base config of a role from the cluster's settings and secrets.
pub(crate) fn base(
    role: Role,
    cluster: &ClusterInput,
    secrets: &SecretsBundle,
) -> Result<BaseText, Error> {
    let made = base_config(role, cluster, secrets).map_err(refused)?;
    Ok(BaseText {
        role,
        text: made.config().print(),
        origin: Origin::Generated,
    })
}

/// Reads a patch; what is wrong with it is told with its line.
pub(crate) fn parse_patch(patch: &PatchText) -> Result<Patch, Error> {
    Patch::parse(&patch.called(), &patch.text)
        .map_err(|err| Error::invalid("text", err.to_string()))
}

/// Refuses a patch that the Talos of the cluster could not even read; where no base config tells which that is, the newest known.
pub(crate) fn check_patch(sources: &Sources, patch: &PatchText) -> Result<(), Error> {
    let parsed = parse_patch(patch)?;
    let version = match sources.bases.first() {
        Some(base) => sources
            .versions(parse(base.role, &base.text)?.config())?
            .swap_remove(0),
        None => sources.version_or_newest()?,
    };
    let findings = parsed.check(&version).map_err(refused)?;
    match findings.iter().find(|finding| finding.is_error()) {
        None => Ok(()),
        Some(finding) => {
            let why = format!("Talos {version} would refuse it: {finding}");
            Err(Error::invalid("text", why))
        }
    }
}

/// Makes and saves the config of one approved device, within the transaction of the change that asks for it.
pub(crate) fn for_one(writer: &Writer<'_>, device: &Device) -> Result<(), Error> {
    Ready::read(writer)?.save_for(writer, device)
}

/// What the configs of several devices are made from, read once within a change.
pub(crate) struct Ready {
    settings: NetworkSettings,
    recipe: Recipe,
}

impl Ready {
    /// Reads the settings and what configs are made from.
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let sources = Sources::read(reader)?;
        Ok(Self {
            settings: sources.network.clone(),
            recipe: Recipe::of(sources)?,
        })
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> &NetworkSettings {
        &self.settings
    }

    /// What configs are made from, looked at.
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Makes and saves the config of one approved device.
    pub(crate) fn save_for(&self, writer: &Writer<'_>, device: &Device) -> Result<(), Error> {
        if let Some(role) = device.role {
            let config = self.recipe.make(device)?;
            writer.save_config(device, role, config.as_bytes())?;
        }
        Ok(())
    }
}

/// Refuses what a Talos of one of the versions would refuse.
fn check(config: &MachineConfig, versions: &[TalosVersion]) -> Result<(), Error> {
    for (index, version) in versions.iter().enumerate() {
        let findings = validate(config, version).map_err(refused)?;
        let errors: Vec<&Finding> = findings.iter().filter(|it| it.is_error()).collect();
        if errors.is_empty() {
            continue;
        }
        // Where two releases do not fit together, what else is wrong follows from that.
        let most = if index == 0 { TOLD } else { 1 };
        let mut told: Vec<String> = errors.iter().take(most).map(ToString::to_string).collect();
        if errors.len() > most {
            told.push(format!("and {} more", errors.len() - most));
        }
        let told = told.join("; ");
        let why = match index {
            0 => format!("Talos {version} would refuse the config: {told}"),
            // The first is installed; what boots reads the config before that.
            _ => format!(
                "machines boot Talos {version}, which would refuse a config for Talos {}: {told}",
                versions[0]
            ),
        };
        return Err(Error::refused("config_invalid", None, why, None));
    }
    Ok(())
}

/// What a Talos of one of the versions would warn of.
fn warnings_of(config: &MachineConfig, versions: &[TalosVersion]) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    for version in versions {
        let findings = validate(config, version).map_err(refused)?;
        let found = findings.iter().filter(|it| !it.is_error());
        warnings.extend(found.map(|it| format!("Talos {version}: {it}")));
    }
    Ok(warnings)
}

fn incomplete(device: &Device) -> Error {
    let why = format!("{} lacks a name, an address or a role", device.mac);
    Error::refused("incomplete", None, why, None)
}

/// The refusal of the generator in the words of the API.
pub(crate) fn refused(err: configgen::Error) -> Error {
    match err {
        configgen::Error::Setting { field, reason } => {
            let field = match field {
                "address" => "ip_address",
                other => other,
            };
            Error::invalid(field, reason)
        }
        configgen::Error::Crypto { .. } => Error::Internal(err.to_string()),
        other => Error::refused("config_impossible", None, other.to_string(), None),
    }
}
