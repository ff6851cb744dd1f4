//! Base configs: what `talosctl gen config` makes, for every contract from v1.8 on.

mod check;
mod documents;
mod input;
mod selector;
mod v1alpha1;

#[cfg(test)]
mod tests;

use model::Role;

pub(crate) use check::is_subnet;
pub use input::{ClusterInput, Cni, RegistryMirror};
pub use selector::{DiskSelector, InstallTarget};

use crate::yaml::{Document, Node};
use crate::{BaseConfig, Contract, Error, MachineConfig, Schematic, SecretsBundle};

/// Makes the config that all nodes of a role share.
///
/// # Errors
/// A setting is impossible, by itself or with this Talos version.
pub fn base_config(
    role: Role,
    input: &ClusterInput,
    secrets: &SecretsBundle,
) -> Result<BaseConfig, Error> {
    let contract = Contract::of(&input.talos_version)?;
    let request = Request {
        role,
        input,
        secrets,
        contract,
        endpoint_host: input.check(contract)?,
    };
    let roots = if contract.is_documents_only() {
        documents::roots(&request)
    } else {
        v1alpha1::roots(&request)?
    };
    let documents = roots.into_iter().map(Document::new).collect();
    BaseConfig::from_config(
        role,
        MachineConfig::from_documents(&format!("{role}.yaml"), documents)?,
    )
}

/// What both layouts are made from.
struct Request<'a> {
    role: Role,
    input: &'a ClusterInput,
    secrets: &'a SecretsBundle,
    contract: Contract,
    endpoint_host: String,
}

impl Request<'_> {
    fn is_controlplane(&self) -> bool {
        self.role == Role::Controlplane
    }

    /// The image that installs Talos, from v1.14 on out of the image factory (`pkg/images`).
    fn install_image(&self) -> String {
        let version = &self.input.talos_version;
        if let Some(image) = &self.input.install_image {
            image.clone()
        } else if self.contract.is_documents_only() {
            Schematic::new(Schematic::EMPTY)
                .expect("it is an id")
                .installer(version)
        } else {
            format!("ghcr.io/siderolabs/installer:{version}")
        }
    }

    fn kubelet_image(&self) -> Node {
        Node::str(format!(
            "ghcr.io/siderolabs/kubelet:v{}",
            self.input.kubernetes_version()
        ))
    }

    fn kubernetes_image(&self, component: &str) -> Node {
        Node::str(format!(
            "registry.k8s.io/{component}:v{}",
            self.input.kubernetes_version()
        ))
    }

    /// `machine.ca`: workers know the authority but not its key.
    fn os_ca(&self) -> Node {
        self.ca(&self.secrets.os)
    }

    fn ca(&self, authority: &crate::CertifiedKey) -> Node {
        let mut node = crate::secrets::certified(authority);
        if !self.is_controlplane()
            && let Some(mapping) = node.mapping_mut()
        {
            mapping.set("key", Node::str(""));
        }
        node
    }
}

fn texts<T: AsRef<str>>(texts: &[T]) -> Node {
    Node::seq(texts.iter().map(|text| Node::str(text.as_ref())))
}

/// A document of a kind.
fn document<'a>(kind: &str, entries: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    let header = [
        ("apiVersion", Node::str("v1alpha1")),
        ("kind", Node::str(kind)),
    ];
    Node::map(header.into_iter().chain(entries))
}

fn hostname_document() -> Node {
    document("HostnameConfig", [("auto", Node::str("stable"))])
}

fn kubespan_document() -> Node {
    document("KubeSpanConfig", [("enabled", Node::bool(true))])
}

/// Registry mirrors as documents, sorted by name as Talos does.
fn registry_documents(input: &ClusterInput) -> Vec<Node> {
    let mut mirrors: Vec<&RegistryMirror> = input.registry_mirrors.iter().collect();
    mirrors.sort_by(|one, two| one.registry.cmp(&two.registry));
    let endpoint = |url: &String| Node::map([("url", Node::str(url))]);
    mirrors
        .into_iter()
        .map(|mirror| {
            let endpoints = Node::seq(mirror.endpoints.iter().map(endpoint));
            document(
                "RegistryMirrorConfig",
                [
                    ("name", Node::str(&mirror.registry)),
                    ("endpoints", endpoints),
                ],
            )
        })
        .collect()
}

/// The admission plugin's defaults, the same in every contract.
fn pod_security() -> Node {
    let levels = [
        ("audit", "restricted"),
        ("audit-version", "latest"),
        ("enforce", "baseline"),
        ("enforce-version", "latest"),
        ("warn", "restricted"),
        ("warn-version", "latest"),
    ];
    Node::map([
        (
            "apiVersion",
            Node::str("pod-security.admission.config.k8s.io/v1alpha1"),
        ),
        (
            "defaults",
            Node::map(levels.map(|(key, level)| (key, Node::str(level)))),
        ),
        (
            "exemptions",
            Node::map([
                ("namespaces", texts(&["kube-system"])),
                ("runtimeClasses", Node::seq([])),
                ("usernames", Node::seq([])),
            ]),
        ),
        ("kind", Node::str("PodSecurityConfiguration")),
    ])
}

fn audit_policy() -> Node {
    Node::map([
        ("apiVersion", Node::str("audit.k8s.io/v1")),
        ("kind", Node::str("Policy")),
        (
            "rules",
            Node::seq([Node::map([("level", Node::str("Metadata"))])]),
        ),
    ])
}

/// Kubernetes keeps these nodes out of load balancers unless the label goes.
const NO_LOAD_BALANCER: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Port of the local balancer in front of the API servers.
const KUBE_PRISM_PORT: u16 = 7445;
