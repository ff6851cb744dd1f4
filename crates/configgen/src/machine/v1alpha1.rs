//! The layout of contracts v1.8 to v1.13: one document with everything, and from v1.12 on a few more.

use super::{
    Cni, InstallTarget, KUBE_PRISM_PORT, NO_LOAD_BALANCER, Request, audit_policy,
    hostname_document, kubespan_document, pod_security, registry_documents, texts,
};
use crate::secrets::{base64, certified};
use crate::yaml::Node;
use crate::{Error, Secret};

/// Entries in the order Talos writes them; what is not wanted is left out.
type Entries = Vec<(&'static str, Node)>;

pub(super) fn roots(request: &Request<'_>) -> Result<Vec<Node>, Error> {
    let main = Node::map([
        ("version", Node::str("v1alpha1")),
        ("debug", Node::bool(false)),
        ("persist", Node::bool(true)),
        ("machine", machine(request)),
        ("cluster", cluster(request)?),
    ]);
    let mut roots = vec![main];
    if request.contract.has_documents() {
        roots.extend(registry_documents(request.input));
        roots.push(hostname_document());
    }
    if request.contract.has_kubespan_document() && request.input.kubespan {
        roots.push(kubespan_document());
    }
    Ok(roots)
}

fn machine(request: &Request<'_>) -> Node {
    let input = request.input;
    let mut entries: Entries = vec![
        ("type", Node::str(request.role.as_str())),
        ("token", text(&request.secrets.trustd_token)),
        ("ca", request.os_ca()),
        ("certSANs", texts(&input.additional_sans)),
        (
            "kubelet",
            Node::map([
                ("image", request.kubelet_image()),
                ("defaultRuntimeSeccompProfileEnabled", Node::bool(true)),
                ("disableManifestsDirectory", Node::bool(true)),
            ]),
        ),
    ];
    if !request.contract.has_kubespan_document() {
        let kubespan = input.kubespan.then(|| ("kubespan", enabled()));
        entries.push(("network", Node::map(kubespan)));
    }
    entries.push(("install", install(request)));
    if !request.contract.has_documents() && !input.registry_mirrors.is_empty() {
        entries.push(("registries", registries(request)));
    }
    entries.push(("features", features(request)));
    if request.is_controlplane() {
        entries.push(("nodeLabels", Node::map([(NO_LOAD_BALANCER, Node::str(""))])));
    }
    Node::map(entries)
}

fn install(request: &Request<'_>) -> Node {
    let mut entries: Entries = Vec::new();
    match &request.input.install {
        Some(InstallTarget::Disk(path)) => entries.push(("disk", Node::str(path))),
        Some(InstallTarget::Selector(selector)) => {
            entries.push(("diskSelector", selector.node()));
        }
        None => {}
    }
    entries.push(("image", Node::str(request.install_image())));
    entries.push(("wipe", Node::bool(request.input.install_wipe)));
    if request.contract.has_documents() {
        entries.push(("grubUseUKICmdline", Node::bool(true)));
    }
    Node::map(entries)
}

fn registries(request: &Request<'_>) -> Node {
    let mut mirrors: Vec<_> = request.input.registry_mirrors.iter().collect();
    mirrors.sort_by(|one, two| one.registry.cmp(&two.registry));
    let mirrors = mirrors.into_iter().map(|mirror| {
        (
            mirror.registry.clone(),
            Node::map([("endpoints", texts(&mirror.endpoints))]),
        )
    });
    Node::map([("mirrors", Node::map(mirrors))])
}

fn features(request: &Request<'_>) -> Node {
    let mut entries: Entries = Vec::new();
    if !request.contract.has_documents() {
        entries.extend(
            ["rbac", "stableHostname", "apidCheckExtKeyUsage"]
                .map(|feature| (feature, Node::bool(true))),
        );
    }
    entries.push(("diskQuotaSupport", Node::bool(true)));
    entries.push((
        "kubePrism",
        Node::map([
            ("enabled", Node::bool(true)),
            ("port", Node::int(KUBE_PRISM_PORT)),
        ]),
    ));
    entries.push((
        "hostDNS",
        Node::map([
            ("enabled", Node::bool(true)),
            ("forwardKubeDNSToHost", Node::bool(true)),
        ]),
    ));
    Node::map(entries)
}

fn cluster(request: &Request<'_>) -> Result<Node, Error> {
    let (input, secrets) = (request.input, request.secrets);
    let mut entries: Entries = vec![
        ("id", text(&secrets.cluster_id)),
        ("secret", text(&secrets.cluster_secret)),
        (
            "controlPlane",
            Node::map([("endpoint", Node::str(&input.endpoint))]),
        ),
        ("clusterName", Node::str(&input.name)),
        ("network", network(request)),
        ("token", text(&secrets.bootstrap_token)),
    ];
    if request.is_controlplane() {
        entries.extend(
            secrets
                .aescbc_secret
                .as_ref()
                .map(|key| ("aescbcEncryptionSecret", text(key))),
        );
        entries.extend(
            secrets
                .secretbox_secret
                .as_ref()
                .map(|key| ("secretboxEncryptionSecret", text(key))),
        );
    }
    entries.push(("ca", request.ca(&secrets.kubernetes)));
    if request.is_controlplane() {
        entries.extend([
            ("aggregatorCA", certified(&secrets.aggregator)),
            (
                "serviceAccount",
                Node::map([("key", base64(secrets.service_account.expose()))]),
            ),
            ("apiServer", api_server(request)),
            (
                "controllerManager",
                Node::map([("image", request.kubernetes_image("kube-controller-manager"))]),
            ),
            ("proxy", proxy(request)),
            (
                "scheduler",
                Node::map([("image", request.kubernetes_image("kube-scheduler"))]),
            ),
        ]);
    }
    entries.push(("discovery", discovery(input.discovery)));
    if request.is_controlplane() {
        entries.push(("etcd", Node::map([("ca", certified(&secrets.etcd))])));
        if input.allow_scheduling_on_control_planes {
            entries.push(("allowSchedulingOnControlPlanes", Node::bool(true)));
        }
    }
    Ok(Node::map(entries))
}

fn network(request: &Request<'_>) -> Node {
    let input = request.input;
    let mut entries: Entries = Vec::new();
    match &input.cni {
        Cni::Flannel => {}
        Cni::None => entries.push(("cni", Node::map([("name", Node::str("none"))]))),
        Cni::Custom(urls) => entries.push((
            "cni",
            Node::map([("name", Node::str("custom")), ("urls", texts(urls))]),
        )),
    }
    entries.extend([
        ("dnsDomain", Node::str(&input.dns_domain)),
        ("podSubnets", texts(&input.pod_subnets)),
        ("serviceSubnets", texts(&input.service_subnets)),
    ]);
    Node::map(entries)
}

fn api_server(request: &Request<'_>) -> Node {
    let mut entries: Entries = vec![("image", request.kubernetes_image("kube-apiserver"))];
    let mut sans = request.input.additional_sans.clone();
    if !request.contract.has_documents() {
        sans.insert(0, request.endpoint_host.clone());
    }
    if !sans.is_empty() {
        entries.push(("certSANs", texts(&sans)));
    }
    if !request.contract.has_documents() {
        entries.push(("disablePodSecurityPolicy", Node::bool(true)));
    }
    let admission = Node::map([
        ("name", Node::str("PodSecurity")),
        ("configuration", pod_security()),
    ]);
    entries.push(("admissionControl", Node::seq([admission])));
    entries.push(("auditPolicy", audit_policy()));
    Node::map(entries)
}

fn proxy(request: &Request<'_>) -> Node {
    let mut entries: Entries = Vec::new();
    if !request.input.kube_proxy {
        entries.push(("disabled", Node::bool(true)));
    }
    entries.push(("image", request.kubernetes_image("kube-proxy")));
    Node::map(entries)
}

fn discovery(is_on: bool) -> Node {
    let disabled = Node::map([("disabled", Node::bool(true))]);
    Node::map([
        ("enabled", Node::bool(is_on)),
        (
            "registries",
            Node::map([
                ("kubernetes", disabled),
                ("service", Node::map::<String>([])),
            ]),
        ),
    ])
}

fn enabled() -> Node {
    Node::map([("enabled", Node::bool(true))])
}

fn text(secret: &Secret) -> Node {
    Node::str(secret.expose())
}
