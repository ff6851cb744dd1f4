//! `ktizo gen`: what `talosctl gen` makes, without a daemon and with its names.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Subcommand, ValueEnum};
use configgen::{
    ClientRole, ClusterInput, Cni, Contract, InstallTarget, KubernetesVersion, MachineConfig,
    Patch, RegistryMirror, SecretsBundle, TalosConfigInput, base_config, talosconfig, validate,
};
use model::{Clock as _, Role, SystemClock, TalosVersion};

use super::{Failure, complain, files};

#[derive(Debug, Subcommand)]
pub(super) enum Gen {
    /// Make the secrets of a new cluster
    Secrets(GenSecrets),
    /// Make controlplane.yaml, worker.yaml and talosconfig
    Config(Box<GenConfig>),
}

#[derive(Debug, clap::Args)]
pub(super) struct GenSecrets {
    /// The file they are written to; - is standard output
    #[arg(
        long,
        short,
        visible_alias = "output-file",
        value_name = "FILE",
        default_value = "secrets.yaml"
    )]
    output: PathBuf,
    /// Take them out of the config of a control plane instead
    #[arg(long, value_name = "FILE")]
    from_controlplane_config: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long, short)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputType {
    Controlplane,
    Worker,
    Talosconfig,
}

#[derive(Debug, clap::Args)]
pub(super) struct GenConfig {
    /// The cluster's name
    name: String,
    /// The URL of its Kubernetes API, such as https://192.168.1.10:6443
    endpoint: String,
    /// The secrets, as `ktizo gen secrets` makes them; without this, new ones are made
    #[arg(long, value_name = "FILE")]
    with_secrets: Option<PathBuf>,
    /// The Talos to make configs for
    #[arg(long, value_name = "VERSION")]
    talos_version: TalosVersion,
    /// The Kubernetes to run; without this, that Talos's default
    #[arg(long, value_name = "VERSION")]
    kubernetes_version: Option<KubernetesVersion>,
    /// The disk to install on
    #[arg(long, value_name = "PATH", default_value = "/dev/sda")]
    install_disk: String,
    /// The image that installs Talos
    #[arg(long, value_name = "IMAGE")]
    install_image: Option<String>,
    /// Further names and addresses of both APIs
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    additional_sans: Vec<String>,
    /// The domain of services
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    dns_domain: String,
    /// The addresses of pods
    #[arg(long, value_name = "SUBNET,...", value_delimiter = ',')]
    pod_subnets: Vec<String>,
    /// The addresses of services
    #[arg(long, value_name = "SUBNET,...", value_delimiter = ',')]
    service_subnets: Vec<String>,
    /// flannel, none, or the URLs of manifests
    #[arg(
        long,
        value_name = "flannel|none|URL,...",
        value_delimiter = ',',
        default_value = "flannel"
    )]
    cni: Vec<String>,
    /// Where images of a registry come from instead
    #[arg(long, value_name = "REGISTRY=URL,...", value_delimiter = ',')]
    registry_mirror: Vec<String>,
    /// Run workloads on control planes
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set)]
    allow_scheduling_on_control_planes: bool,
    /// Let nodes talk through WireGuard
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set)]
    with_kubespan: bool,
    /// Let nodes find each other through the discovery service
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    with_cluster_discovery: bool,
    /// A patch for both roles: @FILE, or the patch itself
    #[arg(long, value_name = "PATCH")]
    config_patch: Vec<String>,
    /// A patch for control planes
    #[arg(long, value_name = "PATCH")]
    config_patch_control_plane: Vec<String>,
    /// A patch for workers
    #[arg(long, value_name = "PATCH")]
    config_patch_worker: Vec<String>,
    /// What to make
    #[arg(
        long,
        short = 't',
        value_enum,
        value_delimiter = ',',
        default_value = "controlplane,worker,talosconfig"
    )]
    output_types: Vec<OutputType>,
    /// The folder to write to; where only one thing is made, its file, or - for standard output
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Overwrite files that are there
    #[arg(long, short)]
    force: bool,
}

impl Gen {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Secrets(secrets) => secrets.run(),
            Self::Config(config) => config.run(),
        }
    }
}

impl GenSecrets {
    fn run(self) -> Result<(), Failure> {
        let bundle = match &self.from_controlplane_config {
            None => SecretsBundle::generate(SystemClock.now())?,
            Some(path) => {
                let config = MachineConfig::parse(&shown(path), &files::read(path)?);
                SecretsBundle::from_controlplane(&config?)?
            }
        };
        files::write(&self.output, bundle.export().expose(), self.force)
    }
}

impl GenConfig {
    fn run(self) -> Result<(), Failure> {
        let secrets = match &self.with_secrets {
            None => SecretsBundle::generate(SystemClock.now()),
            Some(path) => SecretsBundle::parse(&shown(path), &files::read(path)?),
        };
        let secrets = secrets?;
        if let Some(note) = Contract::note(&self.talos_version) {
            complain(&note);
        }
        let mut made = Vec::new();
        for kind in &self.output_types {
            made.push(match kind {
                OutputType::Controlplane => (
                    "controlplane.yaml",
                    self.config(Role::Controlplane, &secrets)?,
                ),
                OutputType::Worker => ("worker.yaml", self.config(Role::Worker, &secrets)?),
                OutputType::Talosconfig => ("talosconfig", self.talosconfig(&secrets)?),
            });
        }
        match made.as_slice() {
            [(_, text)] if !self.output.is_dir() => files::write(&self.output, text, self.force),
            _ => {
                std::fs::create_dir_all(&self.output)
                    .map_err(|err| Failure::Local(format!("{}: {err}", shown(&self.output))))?;
                let taken = made
                    .iter()
                    .map(|(name, _)| self.output.join(name))
                    .find(|path| !self.force && path.exists());
                if let Some(path) = taken {
                    let path = shown(&path);
                    return Err(Failure::Local(format!(
                        "{path} exists already; --force overwrites it"
                    )));
                }
                made.iter().try_for_each(|(name, text)| {
                    files::write(&self.output.join(name), text, self.force)
                })
            }
        }
    }

    fn input(&self) -> Result<ClusterInput, Failure> {
        let version = self.talos_version.clone();
        let mut input = ClusterInput::new(&self.name, &self.endpoint, version);
        input
            .kubernetes_version
            .clone_from(&self.kubernetes_version);
        input.dns_domain.clone_from(&self.dns_domain);
        for (own, given) in [
            (&mut input.pod_subnets, &self.pod_subnets),
            (&mut input.service_subnets, &self.service_subnets),
        ] {
            if !given.is_empty() {
                own.clone_from(given);
            }
        }
        input.cni = match self.cni.as_slice() {
            [one] if one == "flannel" => Cni::Flannel,
            [one] if one == "none" => Cni::None,
            urls => Cni::Custom(urls.to_vec()),
        };
        input.additional_sans.clone_from(&self.additional_sans);
        input.install = Some(InstallTarget::Disk(self.install_disk.clone()));
        input.install_image.clone_from(&self.install_image);
        input.allow_scheduling_on_control_planes = self.allow_scheduling_on_control_planes;
        input.kubespan = self.with_kubespan;
        input.discovery = self.with_cluster_discovery;
        for mirror in &self.registry_mirror {
            let (registry, url) = mirror.split_once('=').ok_or_else(|| {
                Failure::Invalid(format!("--registry-mirror: `{mirror}` is not REGISTRY=URL"))
            })?;
            match input
                .registry_mirrors
                .iter_mut()
                .find(|it| it.registry == registry)
            {
                Some(known) => known.endpoints.push(url.to_owned()),
                None => input.registry_mirrors.push(RegistryMirror {
                    registry: registry.to_owned(),
                    endpoints: vec![url.to_owned()],
                }),
            }
        }
        Ok(input)
    }

    /// The config of a role, patched and checked.
    fn config(&self, role: Role, secrets: &SecretsBundle) -> Result<String, Failure> {
        let base = base_config(role, &self.input()?, secrets)?;
        let of_role = match role {
            Role::Controlplane => &self.config_patch_control_plane,
            Role::Worker => &self.config_patch_worker,
        };
        let patches = self.config_patch.iter().chain(of_role);
        let config = patched(base.config().clone(), patches, &self.talos_version)?;
        let findings = validate(&config, &self.talos_version)?;
        for finding in &findings {
            if finding.is_error() {
                return Err(Failure::Invalid(format!("{role}.yaml: {finding}")));
            }
            complain(&format!("{role}.yaml: warning: {finding}"));
        }
        Ok(config.print())
    }

    fn talosconfig(&self, secrets: &SecretsBundle) -> Result<String, Failure> {
        let input = TalosConfigInput {
            cluster_name: self.name.clone(),
            endpoints: Vec::new(),
            nodes: Vec::new(),
            role: ClientRole::Admin,
        };
        let made = talosconfig(secrets, &input, SystemClock.now())?;
        Ok(made.expose().to_owned())
    }
}

/// A config with patches of the command line on it.
pub(super) fn patched<'a>(
    mut config: MachineConfig,
    patches: impl Iterator<Item = &'a String>,
    version: &TalosVersion,
) -> Result<MachineConfig, Failure> {
    for argument in patches {
        let (name, text) = files::patch(argument)?;
        let patch = Patch::parse(&name, &text)?;
        config = patch.apply(&config, version)?;
    }
    Ok(config)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
