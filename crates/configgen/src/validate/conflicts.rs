//! Documents against each other: a subject that is configured twice, and documents of another role.

use std::collections::HashMap;

use super::{Findings, Place};
use crate::schema::schema;
use crate::yaml::Node;
use crate::{Contract, DocumentId, MachineConfig};

/// What refuses what: a kind, and the keys of the v1alpha1 document that must be absent beside it.
const CONFLICTS: &[(&str, &[&[&str]])] = &[
    ("HostnameConfig", &[&["machine", "network", "hostname"]]),
    (
        "ResolverConfig",
        &[
            &["machine", "network", "nameservers"],
            &["machine", "network", "searchDomains"],
            &["machine", "network", "disableSearchDomain"],
        ],
    ),
    ("KubeSpanConfig", &[&["machine", "network", "kubespan"]]),
    ("UnattendedInstallConfig", &[&["machine", "install"]]),
    ("KubeletConfig", &[&["machine", "kubelet"]]),
    (
        "KubeNodeConfig",
        &[
            &["machine", "nodeLabels"],
            &["machine", "nodeAnnotations"],
            &["machine", "nodeTaints"],
            &["machine", "kubelet", "nodeIP"],
            &["cluster", "allowSchedulingOnControlPlanes"],
        ],
    ),
    ("KubePrismConfig", &[&["machine", "features", "kubePrism"]]),
    (
        "ImageCacheConfig",
        &[&["machine", "features", "imageCache"]],
    ),
    (
        "CRIBaseRuntimeSpecConfig",
        &[&["machine", "baseRuntimeSpecOverrides"]],
    ),
    (
        "DiscoveryIdentityConfig",
        &[&["cluster", "id"], &["cluster", "secret"]],
    ),
    ("DiscoveryServiceConfig", &[&["cluster", "discovery"]]),
    ("KubeNetworkConfig", &[&["cluster", "network"]]),
    ("KubeFlannelCNIConfig", &[&["cluster", "network"]]),
    (
        "KubeAPIServerConfig",
        &[
            &["cluster", "apiServer"],
            &["cluster", "controlPlane", "localAPIServerPort"],
        ],
    ),
    ("KubeAPIServerCAConfig", &[&["cluster", "ca"]]),
    ("KubeAggregatorCAConfig", &[&["cluster", "aggregatorCA"]]),
    (
        "KubeServiceAccountConfig",
        &[&["cluster", "serviceAccount"]],
    ),
    (
        "KubeControllerManagerConfig",
        &[
            &["cluster", "controllerManager"],
            &["machine", "controlPlane", "controllerManager"],
        ],
    ),
    (
        "KubeSchedulerConfig",
        &[
            &["cluster", "scheduler"],
            &["machine", "controlPlane", "scheduler"],
        ],
    ),
    ("KubeProxyConfig", &[&["cluster", "proxy"]]),
    (
        "KubeEtcdEncryptionConfig",
        &[
            &["cluster", "secretboxEncryptionSecret"],
            &["cluster", "aescbcEncryptionSecret"],
        ],
    ),
];

/// Kinds that configure a network link by its name.
const LINKS: [&str; 8] = [
    "LinkConfig",
    "BondConfig",
    "BridgeConfig",
    "VLANConfig",
    "DummyLinkConfig",
    "WireguardConfig",
    "VRFConfig",
    "VethConfig",
];

pub(super) fn check(config: &MachineConfig, contract: Contract, findings: &mut Findings) {
    if let Some(root) = config.v1alpha1() {
        let main = DocumentId::V1Alpha1;
        let main = Place::root(&main, root);
        for (kind, paths) in CONFLICTS {
            if config.kinds(kind).next().is_some() {
                for path in *paths {
                    twice(&main.at(path), kind, findings);
                }
            }
        }
        host_dns(config, &main, contract, findings);
        other_role(config, &main, findings);
    }
    same_link(config, findings);
}

fn twice(place: &Place<'_>, kind: &str, findings: &mut Findings) {
    let Some(node) = place.node else { return };
    // Keys that Go leaves at their zero value count as absent.
    let is_empty = node.as_str() == Some("")
        || node.as_bool() == Some(false)
        || node.items().is_some_and(<[Node]>::is_empty);
    if !is_empty {
        findings
            .error(
                place,
                format!("cannot stand beside the document {kind}, which configures the same"),
            )
            .suggest(format!("keep one of them, best {kind}"));
    }
}

fn host_dns(config: &MachineConfig, main: &Place<'_>, contract: Contract, findings: &mut Findings) {
    let has_new = config
        .kind("ResolverConfig")
        .is_some_and(|root| root.get(&["hostDNS"]).is_some());
    if contract.is_documents_only() && has_new {
        twice(
            &main.at(&["machine", "features", "hostDNS"]),
            "ResolverConfig with hostDNS",
            findings,
        );
    }
}

fn other_role(config: &MachineConfig, main: &Place<'_>, findings: &mut Findings) {
    if main.at(&["machine", "type"]).text() != Some("worker") {
        return;
    }
    for (id, document) in config.ids().zip(config.documents()) {
        let is_refused = id
            .kind()
            .and_then(|kind| schema().document(kind))
            .is_some_and(|known| known.controlplane_only);
        if is_refused {
            findings.error(
                &Place::root(&id, &document.root),
                "only control planes may have this document",
            );
        }
    }
}

fn same_link(config: &MachineConfig, findings: &mut Findings) {
    let mut seen: HashMap<String, DocumentId> = HashMap::new();
    for (id, document) in config.ids().zip(config.documents()) {
        let DocumentId::Kind { kind, name, .. } = &id else {
            continue;
        };
        if !LINKS.contains(&kind.as_str()) {
            continue;
        }
        if let Some(first) = seen.insert(name.clone(), id.clone()) {
            findings.error(
                &Place::root(&id, &document.root),
                format!("configures the same link as the {first}"),
            );
        }
    }
}
