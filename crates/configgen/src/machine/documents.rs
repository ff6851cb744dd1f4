//! The layout from contract v1.14 on: a small v1alpha1 document and one document for each subject.

use super::{
    Cni, InstallTarget, KUBE_PRISM_PORT, NO_LOAD_BALANCER, Request, audit_policy, document,
    hostname_document, kubespan_document, pod_security, registry_documents, texts,
};
use crate::secrets::certified;
use crate::yaml::Node;
use crate::{CertifiedKey, Secret};

/// Keeps pods off control planes.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

pub(super) fn roots(request: &Request<'_>) -> Vec<Node> {
    let mut roots = vec![main(request)];
    roots.extend(node_documents(request));
    roots.extend(kubernetes_documents(request));
    if request.is_controlplane() {
        roots.extend(controlplane_documents(request));
    }
    roots
}

fn main(request: &Request<'_>) -> Node {
    let secrets = request.secrets;
    let machine = Node::map([
        ("type", Node::str(request.role.as_str())),
        ("token", text(&secrets.trustd_token)),
        ("ca", request.os_ca()),
        ("certSANs", texts(&request.input.additional_sans)),
        (
            "features",
            Node::map([("diskQuotaSupport", Node::bool(true))]),
        ),
    ]);
    let mut cluster = vec![("token", text(&secrets.bootstrap_token))];
    if request.is_controlplane() {
        cluster.push(("etcd", Node::map([("ca", certified(&secrets.etcd))])));
    }
    Node::map([
        ("version", Node::str("v1alpha1")),
        ("debug", Node::bool(false)),
        ("persist", Node::bool(true)),
        ("machine", machine),
        ("cluster", Node::map(cluster)),
    ])
}

/// The documents about the machine.
fn node_documents(request: &Request<'_>) -> Vec<Node> {
    let (input, secrets) = (request.input, request.secrets);
    let mut roots = Vec::new();
    if input.discovery {
        let endpoint = Node::str("https://discovery.talos.dev/");
        roots.push(document(
            "DiscoveryServiceConfig",
            [("name", Node::str("default")), ("endpoint", endpoint)],
        ));
    }
    roots.push(document(
        "DiscoveryIdentityConfig",
        [
            ("clusterID", text(&secrets.cluster_id)),
            ("clusterSecret", text(&secrets.cluster_secret)),
        ],
    ));
    roots.extend(
        input
            .install
            .as_ref()
            .map(|target| install(request, target)),
    );
    let host_dns = Node::map([
        ("enabled", Node::bool(true)),
        ("forwardKubeDNSToHost", Node::bool(true)),
    ]);
    roots.push(document("ResolverConfig", [("hostDNS", host_dns)]));
    let secure = Node::map([("secure", Node::bool(true))]);
    roots.push(document(
        "VolumeConfig",
        [("name", Node::str("EPHEMERAL")), ("mount", secure)],
    ));
    roots.push(document(
        "FilesystemTrimConfig",
        [("interval", Node::str("168h0m0s"))],
    ));
    roots.push(document(
        "SecurityProfileConfig",
        [("workloadIsolation", Node::bool(true))],
    ));
    roots.extend(registry_documents(input));
    roots.push(hostname_document());
    if input.kubespan {
        roots.push(kubespan_document());
    }
    roots
}

fn install(request: &Request<'_>, target: &InstallTarget) -> Node {
    let expression = match target {
        InstallTarget::Disk(path) => crate::cel::disk_at(path),
        InstallTarget::Selector(selector) => selector
            .expression()
            .expect("checked with the other settings"),
    };
    let provisioning = Node::map([
        (
            "diskSelector",
            Node::map([("match", Node::str(expression))]),
        ),
        ("wipe", Node::bool(request.input.install_wipe)),
    ]);
    let installer = Node::map([("image", Node::str(request.install_image()))]);
    document(
        "UnattendedInstallConfig",
        [("installer", installer), ("provisioning", provisioning)],
    )
}

/// The documents about Kubernetes that every node has.
fn kubernetes_documents(request: &Request<'_>) -> Vec<Node> {
    let input = request.input;
    let authority = &request.secrets.kubernetes;
    let ca = if request.is_controlplane() {
        ("issuingCA", issuing(authority))
    } else {
        ("acceptedCAs", texts(&[&authority.certificate]))
    };
    vec![
        document(
            "KubeClusterConfig",
            [
                ("clusterName", Node::str(&input.name)),
                ("endpoint", Node::str(&input.endpoint)),
            ],
        ),
        node(request),
        document(
            "KubeletConfig",
            [
                ("image", request.kubelet_image()),
                ("config", nothing()),
                ("defaultRuntimeSeccompProfileEnabled", Node::bool(true)),
            ],
        ),
        document(
            "KubeNetworkConfig",
            [
                ("dnsDomain", Node::str(&input.dns_domain)),
                ("podSubnets", texts(&input.pod_subnets)),
                ("serviceSubnets", texts(&input.service_subnets)),
            ],
        ),
        document("KubeAPIServerCAConfig", [ca]),
        document("KubePrismConfig", [("port", Node::int(KUBE_PRISM_PORT))]),
    ]
}

fn node(request: &Request<'_>) -> Node {
    let mut entries = vec![("nodeIP", nothing())];
    if request.is_controlplane() {
        entries.push((
            "labels",
            Node::map([
                (CONTROL_PLANE, Node::str("")),
                (NO_LOAD_BALANCER, Node::str("")),
            ]),
        ));
        if !request.input.allow_scheduling_on_control_planes {
            entries.push((
                "taints",
                Node::map([(CONTROL_PLANE, Node::str("NoSchedule"))]),
            ));
        }
    }
    document("KubeNodeConfig", entries)
}

/// The documents about Kubernetes that only control planes have.
fn controlplane_documents(request: &Request<'_>) -> Vec<Node> {
    let (input, secrets) = (request.input, request.secrets);
    let image = |component| ("image", request.kubernetes_image(component));
    let mut api_server = vec![image("kube-apiserver")];
    if !input.additional_sans.is_empty() {
        api_server.push(("certExtraSANs", texts(&input.additional_sans)));
    }
    let mut proxy = vec![image("kube-proxy"), ("config", nothing())];
    if !input.kube_proxy {
        proxy.insert(0, ("enabled", Node::bool(false)));
    }
    let authorizer = |name: &str, kind: &str| {
        document(
            "KubeAuthorizerConfig",
            [("name", Node::str(name)), ("type", Node::str(kind))],
        )
    };
    let service_account = Node::map([
        ("privateKey", text(&secrets.service_account)),
        ("issuerURL", Node::str(&input.endpoint)),
    ]);
    let mut roots = vec![
        document(
            "KubeAggregatorCAConfig",
            [("issuingCA", issuing(&secrets.aggregator))],
        ),
        document(
            "KubeAdmissionControlConfig",
            [
                ("name", Node::str("PodSecurity")),
                ("configuration", pod_security()),
            ],
        ),
        document("KubeAuditPolicyConfig", [("configuration", audit_policy())]),
        document(
            "KubeAuthenticationConfig",
            [("configuration", authentication())],
        ),
        authorizer("node", "Node"),
        authorizer("rbac", "RBAC"),
        document(
            "KubeEtcdEncryptionConfig",
            [("config", etcd_encryption(request))],
        ),
        document("KubeServiceAccountConfig", [("issuer", service_account)]),
        document("KubeAPIServerConfig", api_server),
        document(
            "KubeControllerManagerConfig",
            [image("kube-controller-manager")],
        ),
        document(
            "KubeSchedulerConfig",
            [image("kube-scheduler"), ("config", nothing())],
        ),
        document("KubeProxyConfig", proxy),
    ];
    if input.cni == Cni::Flannel {
        roots.push(document(
            "KubeFlannelCNIConfig",
            [
                ("backendType", Node::str("vxlan")),
                ("backendPort", Node::int(4789)),
            ],
        ));
    }
    roots.push(document(
        "KubeCoreDNSConfig",
        [("enabled", Node::bool(true))],
    ));
    if let Cni::Custom(urls) = &input.cni {
        for (position, url) in urls.iter().enumerate() {
            let name = if position == 0 {
                "custom-cni".to_owned()
            } else {
                format!("custom-cni-{}", position + 1)
            };
            roots.push(document(
                "KubeExternalManifestConfig",
                [("name", Node::str(name)), ("url", Node::str(url))],
            ));
        }
    }
    roots
}

/// Only health checks are answered without a sign-in.
fn authentication() -> Node {
    let paths =
        ["/livez", "/readyz", "/healthz"].map(|path| Node::map([("path", Node::str(path))]));
    let anonymous = Node::map([
        ("conditions", Node::seq(paths)),
        ("enabled", Node::bool(true)),
    ]);
    Node::map([("anonymous", anonymous), ("jwt", Node::seq([]))])
}

/// Kubernetes' EncryptionConfiguration. The names of the keys are those of older clusters, whose data they still open.
fn etcd_encryption(request: &Request<'_>) -> Node {
    let keys = [
        ("secretbox", "key2", &request.secrets.secretbox_secret),
        ("aescbc", "key1", &request.secrets.aescbc_secret),
    ];
    let providers = keys.into_iter().filter_map(|(provider, name, secret)| {
        let key = Node::map([
            ("name", Node::str(name)),
            ("secret", text(secret.as_ref()?)),
        ]);
        Some(Node::map([(
            provider,
            Node::map([("keys", Node::seq([key]))]),
        )]))
    });
    let resource = Node::map([
        ("providers", Node::seq(providers)),
        ("resources", texts(&["secrets"])),
    ]);
    Node::map([("resources", Node::seq([resource]))])
}

fn issuing(authority: &CertifiedKey) -> Node {
    Node::map([
        ("cert", Node::str(&authority.certificate)),
        ("key", text(&authority.key)),
    ])
}

fn nothing() -> Node {
    Node::map::<String>([])
}

fn text(secret: &Secret) -> Node {
    Node::str(secret.expose())
}
