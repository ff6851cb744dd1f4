//! What an operator says of a cluster.

use std::net::IpAddr;

use model::TalosVersion;
use serde::{Deserialize, Serialize};

use crate::yaml::Node;
use crate::{ByteSize, Contract, Error, KubernetesVersion};

/// The settings of a cluster; all but the first three have Talos's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Which disk Talos is installed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallTarget {
    /// By path, such as `/dev/sda`.
    Disk(String),
    /// By what it is.
    Selector(DiskSelector),
}

/// What a disk must be; all given facts together. Texts may hold `*` wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSelector {
    /// An operator and a size, such as `>= 100GB`.
    pub size: Option<String>,
    /// `ssd`, `hdd`, `nvme` or `sd`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Model name.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World-wide id.
    pub wwid: Option<String>,
    /// UUID.
    pub uuid: Option<String>,
    /// Kernel module alias.
    pub modalias: Option<String>,
    /// Path on its bus.
    pub bus_path: Option<String>,
}

/// Where the images of one registry come from instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Checks every setting; answers the endpoint's host.
    pub(super) fn check(&self, contract: Contract) -> Result<String, Error> {
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Err(Error::setting(
                "name",
                "a cluster needs a name in printable characters",
            ));
        }
        let host = endpoint_host(&self.endpoint)?;
        if let Some(version) = &self.kubernetes_version {
            contract.check_kubernetes(version)?;
        }
        check_dns_domain(&self.dns_domain)?;
        check_subnets("pod_subnets", &self.pod_subnets)?;
        check_subnets("service_subnets", &self.service_subnets)?;
        if let Cni::Custom(urls) = &self.cni {
            let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
            if urls.is_empty() || !urls.iter().all(is_url) {
                return Err(Error::setting(
                    "cni",
                    "a custom CNI needs the http(s) URLs of its manifests",
                ));
            }
        }
        for san in &self.additional_sans {
            let is_name = !san.is_empty()
                && san
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-:*_".contains(&byte));
            if !is_name {
                return Err(Error::setting(
                    "additional_sans",
                    format!("`{}` is no name and no address", san.escape_default()),
                ));
            }
        }
        match &self.install {
            None if !contract.is_documents_only() => {
                return Err(Error::setting(
                    "install",
                    format!("Talos {contract} needs an install disk or disk selector"),
                ));
            }
            Some(InstallTarget::Selector(selector)) => selector.check()?,
            Some(InstallTarget::Disk(path)) => crate::device::check_disk_path("install", path)?,
            None => {}
        }
        if self.kubespan && !self.discovery {
            return Err(Error::setting("kubespan", "needs discovery, which is off"));
        }
        for mirror in &self.registry_mirrors {
            if mirror.registry.is_empty() || mirror.endpoints.is_empty() {
                return Err(Error::setting(
                    "registry_mirrors",
                    "each needs the name of a registry and at least one endpoint",
                ));
            }
        }
        let mut registries: Vec<&str> = self
            .registry_mirrors
            .iter()
            .map(|mirror| mirror.registry.as_str())
            .collect();
        registries.sort_unstable();
        if let Some(pair) = registries.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::setting(
                "registry_mirrors",
                format!("{} stands there twice", pair[0].escape_default()),
            ));
        }
        Ok(host)
    }
}

impl DiskSelector {
    /// The facts as the v1alpha1 document names them, in its order.
    pub(crate) fn facts(&self) -> [(&'static str, Option<&String>); 8] {
        [
            ("size", self.size.as_ref()),
            ("model", self.model.as_ref()),
            ("serial", self.serial.as_ref()),
            ("modalias", self.modalias.as_ref()),
            ("uuid", self.uuid.as_ref()),
            ("wwid", self.wwid.as_ref()),
            ("type", self.kind.as_ref()),
            ("busPath", self.bus_path.as_ref()),
        ]
    }

    /// Refuses what Talos could not read, and a selector that says nothing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |reason: String| Err(Error::setting("disk_selector", reason));
        if self.facts().iter().all(|(_, fact)| fact.is_none()) {
            return wrong(
                "says nothing; give a size, type, model, serial, wwid, uuid, modalias or bus_path"
                    .to_owned(),
            );
        }
        if let Some(kind) = &self.kind
            && !matches!(kind.as_str(), "ssd" | "hdd" | "nvme" | "sd")
        {
            return wrong(format!(
                "`{}` is not a type: ssd, hdd, nvme or sd",
                kind.escape_default()
            ));
        }
        if let Some(size) = &self.size {
            split_comparison(size)?;
        }
        Ok(())
    }

    /// The selector as the v1alpha1 document has it.
    pub(crate) fn node(&self) -> Node {
        let facts = self
            .facts()
            .into_iter()
            .filter_map(|(name, fact)| Some((name, Node::str(fact?))));
        Node::map(facts)
    }

    /// The selector as an expression over `disk`, for contracts from v1.14 on.
    pub(crate) fn expression(&self) -> Result<String, Error> {
        let mut terms = Vec::new();
        for (name, fact) in self.facts() {
            let Some(fact) = fact else { continue };
            terms.push(match name {
                "size" => {
                    let (operator, size) = split_comparison(fact)?;
                    format!("disk.size {operator} {}u", size.bytes())
                }
                "type" => match fact.as_str() {
                    "nvme" => "disk.transport == \"nvme\"".to_owned(),
                    "sd" => "disk.transport == \"mmc\"".to_owned(),
                    "hdd" => "disk.rotational".to_owned(),
                    _ => "!disk.rotational".to_owned(),
                },
                _ => {
                    let field = if name == "busPath" { "bus_path" } else { name };
                    let text = crate::cel::string(fact);
                    if fact.contains(['*', '?', '[']) {
                        format!("glob({text}, disk.{field})")
                    } else {
                        format!("disk.{field} == {text}")
                    }
                }
            });
        }
        // What Talos adds to a selector of the old form: real disks that can be written.
        terms
            .extend(["disk.transport != \"\"", "!disk.readonly", "!disk.cdrom"].map(str::to_owned));
        Ok(terms.join(" && "))
    }
}

/// `>= 100GB` as operator and size; without an operator the sizes must be equal.
fn split_comparison(text: &str) -> Result<(&str, ByteSize), Error> {
    let trimmed = text.trim();
    let end = trimmed
        .find(|character: char| !"<>=".contains(character))
        .unwrap_or(trimmed.len());
    let (operator, size) = trimmed.split_at(end);
    let operator = match operator {
        "" | "==" | "=" => "==",
        ">" | ">=" | "<" | "<=" => operator,
        _ => {
            return Err(Error::setting(
                "disk_selector",
                format!(
                    "`{}` is not a comparison such as >= 100GB",
                    text.escape_default()
                ),
            ));
        }
    };
    Ok((operator, size.trim().parse()?))
}

/// The host of `https://host[:port][/...]`, brackets of an IPv6 address taken off.
fn endpoint_host(endpoint: &str) -> Result<String, Error> {
    let wrong = |why: &str| {
        Error::setting(
            "endpoint",
            format!(
                "`{}` is not a URL such as https://10.0.0.2:6443: {why}",
                endpoint.escape_default()
            ),
        )
    };
    let rest = endpoint
        .strip_prefix("https://")
        .ok_or_else(|| wrong("it must begin with https://"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = if let Some(inside) = authority.strip_prefix('[') {
        let (host, port) = inside
            .split_once(']')
            .ok_or_else(|| wrong("a bracket is not closed"))?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| wrong("between brackets belongs an IPv6 address"))?;
        (
            host,
            port.strip_prefix(':')
                .or(if port.is_empty() { None } else { Some("x") }),
        )
    } else {
        match authority.split_once(':') {
            Some((host, port)) if port.contains(':') && !host.is_empty() => {
                return Err(wrong("an IPv6 address needs brackets"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let is_name = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
    };
    if host.is_empty() || !is_name(host) {
        return Err(wrong("the host is missing or has odd characters"));
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(0, |number| number) == 0) {
        return Err(wrong("the port must be 1 to 65535"));
    }
    if rest.contains(char::is_whitespace) || rest.contains(char::is_control) {
        return Err(wrong("it has white space"));
    }
    Ok(host.to_owned())
}

fn check_dns_domain(domain: &str) -> Result<(), Error> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 253 && domain.split('.').all(is_label) {
        Ok(())
    } else {
        Err(Error::setting(
            "dns_domain",
            format!(
                "`{}` is not a DNS name such as cluster.local",
                domain.escape_default()
            ),
        ))
    }
}

fn check_subnets(field: &'static str, subnets: &[String]) -> Result<(), Error> {
    if subnets.is_empty() {
        return Err(Error::setting(field, "needs at least one subnet"));
    }
    match subnets.iter().find(|subnet| !is_subnet(subnet)) {
        Some(wrong) => Err(Error::setting(
            field,
            format!(
                "`{}` is not a subnet such as 10.244.0.0/16",
                wrong.escape_default()
            ),
        )),
        None => Ok(()),
    }
}

/// Whether a text is an address, a slash and a fitting prefix length.
pub(crate) fn is_subnet(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let (Ok(address), Ok(prefix)) = (address.parse::<IpAddr>(), prefix.parse::<u8>()) else {
        return false;
    };
    prefix <= if address.is_ipv4() { 32 } else { 128 }
}
