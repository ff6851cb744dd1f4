//! The settings of a cluster, as arguments.

use api::types::ClusterPatch;
use configgen::KubernetesVersion;
use model::TalosVersion;
use serde_json::{Map, Value, json};

use crate::cli::value::{list, on_or_off, or_default, selector, text};

/// Settings that `ktizo cluster init` and `ktizo cluster set` have in common. The empty text takes the default again.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ClusterSet {
    /// The Talos its nodes run; without it the one that machines boot
    #[arg(long, value_name = "VERSION")]
    talos_version: Option<TalosVersion>,
    /// The Kubernetes its nodes run; without it that Talos's default
    #[arg(long, value_name = "VERSION", value_parser = or_default::<KubernetesVersion>)]
    kubernetes_version: Option<Value>,
    /// The domain of its services
    #[arg(long, value_name = "DOMAIN")]
    dns_domain: Option<String>,
    /// The addresses of pods, separated by commas
    #[arg(long, value_name = "SUBNET,...", value_parser = texts)]
    pod_subnets: Option<Value>,
    /// The addresses of services, separated by commas
    #[arg(long, value_name = "SUBNET,...", value_parser = texts)]
    service_subnets: Option<Value>,
    /// flannel, none, or the URLs of manifests, separated by commas
    #[arg(long, value_name = "flannel|none|URL,...", value_parser = cni)]
    cni: Option<Value>,
    /// Whether kube-proxy runs; off where Cilium replaces it
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    kube_proxy: Option<bool>,
    /// Further names and addresses of both APIs, separated by commas
    #[arg(long, value_name = "NAME,...", value_parser = texts)]
    additional_sans: Option<Value>,
    /// The disk Talos is installed on, such as /dev/nvme0n1
    #[arg(long, value_name = "PATH", conflicts_with = "install_selector")]
    install_disk: Option<String>,
    /// What that disk must be instead: size, type, model, serial, wwid, uuid, modalias, bus_path, such as 'type=nvme,size=>= 100GB'
    #[arg(long, value_name = "FACT=TEXT,...", value_parser = selector)]
    install_selector: Option<Value>,
    /// The image that installs Talos
    #[arg(long, value_name = "IMAGE")]
    install_image: Option<String>,
    /// Whether the whole disk is zeroed before the installation
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    install_wipe: Option<bool>,
    /// Whether workloads run on control planes
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    allow_scheduling_on_control_planes: Option<bool>,
    /// Whether nodes talk through WireGuard
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    kubespan: Option<bool>,
    /// Whether nodes find each other through the discovery service on the internet
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    discovery: Option<bool>,
    /// Where images of a registry come from instead, such as docker.io=http://10.0.0.3:5000; all mirrors have to be given
    #[arg(long, value_name = "REGISTRY=URL")]
    registry_mirror: Vec<String>,
}

impl ClusterSet {
    /// The change as the API takes it.
    pub(super) fn patch(self, name: Option<String>, endpoint: Option<String>) -> ClusterPatch {
        let install = match (self.install_disk, self.install_selector) {
            (Some(disk), _) => Some(json!({"disk": disk})),
            (None, Some(selector)) => Some(json!({"selector": selector})),
            (None, None) => None,
        };
        let mirrors = mirrors(&self.registry_mirror);
        let fields: Map<String, Value> = [
            ("name", name.map(text)),
            ("endpoint", endpoint.map(text)),
            (
                "talos_version",
                self.talos_version.map(|version| version.to_string().into()),
            ),
            ("kubernetes_version", self.kubernetes_version),
            ("dns_domain", self.dns_domain.map(text)),
            ("pod_subnets", self.pod_subnets),
            ("service_subnets", self.service_subnets),
            ("cni", self.cni),
            ("kube_proxy", self.kube_proxy.map(Value::from)),
            ("additional_sans", self.additional_sans),
            ("install", install),
            ("install_image", self.install_image.map(text)),
            ("install_wipe", self.install_wipe.map(Value::from)),
            (
                "allow_scheduling_on_control_planes",
                self.allow_scheduling_on_control_planes.map(Value::from),
            ),
            ("kubespan", self.kubespan.map(Value::from)),
            ("discovery", self.discovery.map(Value::from)),
            ("registry_mirrors", mirrors),
        ]
        .into_iter()
        .filter_map(|(field, value)| value.map(|value| (field.to_owned(), value)))
        .collect();
        fields
    }
}

/// Mirrors by registry, in the order in which they are given; one without a `=` is left for the daemon to refuse.
fn mirrors(given: &[String]) -> Option<Value> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for mirror in given.iter().filter(|mirror| !mirror.is_empty()) {
        let (registry, url) = mirror.split_once('=').unwrap_or((mirror, ""));
        match found.iter_mut().find(|(known, _)| known == registry) {
            Some((_, urls)) => urls.push(url.to_owned()),
            None => found.push((
                registry.to_owned(),
                Some(url.to_owned())
                    .filter(|url| !url.is_empty())
                    .into_iter()
                    .collect(),
            )),
        }
    }
    let mirror = |(registry, endpoints)| json!({"registry": registry, "endpoints": endpoints});
    (!given.is_empty()).then(|| found.into_iter().map(mirror).collect::<Vec<_>>().into())
}

/// Texts separated by commas, or none for the default.
fn texts(text: &str) -> Result<Value, String> {
    match text {
        "" => Ok(Value::Null),
        text => list::<String>(text),
    }
}

fn cni(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" => Value::Null,
        "flannel" | "none" => text.into(),
        urls => json!({"custom": urls.split(',').collect::<Vec<_>>()}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_settings() {
        let set = ClusterSet {
            cni: cni("https://a.example/x.yaml,https://b.example/y.yaml").ok(),
            install_selector: selector("type=nvme,size=>= 100GB").ok(),
            kube_proxy: on_or_off("off").ok(),
            pod_subnets: texts("10.1.0.0/16, 10.2.0.0/16").ok(),
            dns_domain: Some(String::new()),
            registry_mirror: [
                "docker.io=http://m:5000",
                "ghcr.io=http://g",
                "docker.io=http://n",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..ClusterSet::default()
        };
        let patch = set.patch(Some("lab".to_owned()), None);
        assert_eq!(
            Value::from(patch),
            json!({
                "name": "lab",
                "dns_domain": null,
                "pod_subnets": ["10.1.0.0/16", "10.2.0.0/16"],
                "cni": {"custom": ["https://a.example/x.yaml", "https://b.example/y.yaml"]},
                "kube_proxy": false,
                "install": {"selector": {"type": "nvme", "size": ">= 100GB"}},
                "registry_mirrors": [
                    {"registry": "docker.io", "endpoints": ["http://m:5000", "http://n"]},
                    {"registry": "ghcr.io", "endpoints": ["http://g"]},
                ],
            })
        );
        assert!(ClusterSet::default().patch(None, None).is_empty());
    }
}
