//! What an operator says of a cluster.

use model::TalosVersion;
use serde::{Deserialize, Serialize};

use super::InstallTarget;
use crate::{Contract, KubernetesVersion};

/// The settings of a cluster; all but the first three have Talos's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterInput {
    /// Its name, also that of the `talosctl` context.
    pub name: String,
    /// URL of the Kubernetes API, such as `https://10.0.0.2:6443`; written as given.
    pub endpoint: String,
    /// The Talos its nodes run.
    pub talos_version: TalosVersion,
    /// The Kubernetes its nodes run; `None` is that Talos's own default.
    #[serde(default)]
    pub kubernetes_version: Option<KubernetesVersion>,
    /// Domain of its services.
    #[serde(default = "default_dns_domain")]
    pub dns_domain: String,
    /// Addresses of pods.
    #[serde(default = "default_pod_subnets")]
    pub pod_subnets: Vec<String>,
    /// Addresses of services.
    #[serde(default = "default_service_subnets")]
    pub service_subnets: Vec<String>,
    /// What connects pods.
    #[serde(default)]
    pub cni: Cni,
    /// Whether kube-proxy runs; Cilium replaces it.
    #[serde(default = "yes")]
    pub kube_proxy: bool,
    /// Further names and addresses for the certificates of both APIs.
    #[serde(default)]
    pub additional_sans: Vec<String>,
    /// The disk Talos is installed on; `None` leaves it out, which contracts before v1.14 refuse.
    #[serde(default = "default_install")]
    pub install: Option<InstallTarget>,
    /// The installer; `None` is the official one of the Talos version.
    #[serde(default)]
    pub install_image: Option<String>,
    /// Whether the whole disk is zeroed before the installation.
    #[serde(default)]
    pub install_wipe: bool,
    /// Whether workloads run on control planes.
    #[serde(default)]
    pub allow_scheduling_on_control_planes: bool,
    /// Whether nodes talk through WireGuard.
    #[serde(default)]
    pub kubespan: bool,
    /// Whether nodes find each other through the discovery service on the internet.
    #[serde(default = "yes")]
    pub discovery: bool,
    /// Where images come from instead.
    #[serde(default)]
    pub registry_mirrors: Vec<RegistryMirror>,
}

/// What connects pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cni {
    /// Talos's default.
    #[default]
    Flannel,
    /// Nothing until somebody installs one.
    None,
    /// Manifests at these URLs.
    Custom(Vec<String>),
}

/// Where the images of one registry come from instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryMirror {
    /// The registry, such as `docker.io`.
    pub registry: String,
    /// URLs of mirrors, tried in order.
    pub endpoints: Vec<String>,
}

fn default_dns_domain() -> String {
    "cluster.local".to_owned()
}

fn default_pod_subnets() -> Vec<String> {
    vec!["10.244.0.0/16".to_owned()]
}

fn default_service_subnets() -> Vec<String> {
    vec!["10.96.0.0/12".to_owned()]
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of the field's default")]
fn default_install() -> Option<InstallTarget> {
    Some(InstallTarget::Disk("/dev/sda".to_owned()))
}

fn yes() -> bool {
    true
}

impl ClusterInput {
    /// A cluster with Talos's defaults.
    pub fn new(
        name: impl Into<String>,
        endpoint: impl Into<String>,
        talos_version: TalosVersion,
    ) -> Self {
        Self {
            name: name.into(),
            endpoint: endpoint.into(),
            talos_version,
            kubernetes_version: None,
            dns_domain: default_dns_domain(),
            pod_subnets: default_pod_subnets(),
            service_subnets: default_service_subnets(),
            cni: Cni::default(),
            kube_proxy: true,
            additional_sans: Vec::new(),
            install: default_install(),
            install_image: None,
            install_wipe: false,
            allow_scheduling_on_control_planes: false,
            kubespan: false,
            discovery: true,
            registry_mirrors: Vec::new(),
        }
    }

    /// The Kubernetes version, chosen or default.
    pub fn kubernetes_version(&self) -> KubernetesVersion {
        self.kubernetes_version.clone().unwrap_or_else(|| {
            Contract::of(&self.talos_version)
                .unwrap_or(Contract::OLDEST)
                .default_kubernetes()
        })
    }
}
