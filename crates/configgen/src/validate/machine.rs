//! Checks of the document without a kind (`pkg/machinery/config/types/v1alpha1/v1alpha1_validation.go`).

use std::net::IpAddr;

use super::documents::is_hostname;
use super::{Findings, Place};
use crate::machine::is_subnet;
use crate::{ByteSize, Contract, DocumentId, MachineConfig};

pub(super) fn check(config: &MachineConfig, contract: Contract, findings: &mut Findings) {
    let Some(root) = config.v1alpha1() else {
        return;
    };
    let id = DocumentId::V1Alpha1;
    let main = Place::root(&id, root);
    let (machine, cluster) = (main.at(&["machine"]), main.at(&["cluster"]));
    if !machine.is_there() {
        findings.error(&machine, "is missing");
        return;
    }
    let persist = main.at(&["persist"]);
    if persist.is_false() {
        findings.error(&persist, "must not be false");
    }
    let is_controlplane = role(&machine, findings);
    if let Some(is_controlplane) = is_controlplane {
        authorities(&machine, &cluster, is_controlplane, findings);
    }
    self::cluster(&cluster, is_controlplane == Some(true), contract, findings);
    install(&machine, contract, findings);
    network(
        &machine.at(&["network"]),
        is_controlplane == Some(false),
        findings,
    );
    let host_dns = machine.at(&["features", "hostDNS"]);
    let forward = host_dns.at(&["forwardKubeDNSToHost"]);
    if forward.is_true() && !host_dns.at(&["enabled"]).is_true() {
        findings.error(&forward, "needs `hostDNS.enabled: true`");
    }
    labels(&machine, findings);
}

/// Whether it is a control plane; `None` if it is nothing known.
fn role(machine: &Place<'_>, findings: &mut Findings) -> Option<bool> {
    let place = machine.at(&["type"]);
    match place.text() {
        Some("controlplane" | "init") => Some(true),
        Some("worker") => Some(false),
        Some("join") => {
            findings
                .warning(&place, "`join` is an old word")
                .suggest("write `worker`");
            Some(false)
        }
        Some(_) => {
            findings.error(&place, "must be `controlplane` or `worker`");
            None
        }
        None => {
            findings
                .error(&place, "is missing")
                .suggest("write `controlplane` or `worker`");
            None
        }
    }
}

fn authorities(
    machine: &Place<'_>,
    cluster: &Place<'_>,
    is_controlplane: bool,
    findings: &mut Findings,
) {
    let (certificate, key) = (machine.at(&["ca", "crt"]), machine.at(&["ca", "key"]));
    let has_accepted = !machine.at(&["acceptedCAs"]).items().is_empty();
    if certificate.text().is_none() && (is_controlplane || !has_accepted) {
        findings.error(&certificate, "is missing: the certificate of the Talos API");
    }
    if is_controlplane && key.text().is_none() {
        findings.error(
            &key,
            "is missing: control planes need the key of the Talos API",
        );
    }
    if !is_controlplane {
        for key in [key, cluster.at(&["ca", "key"])] {
            if key.text().is_some() {
                findings
                    .error(&key, "workers must not have this key")
                    .suggest("leave it empty");
            }
        }
        let etcd = cluster.at(&["etcd"]);
        if etcd.is_there() {
            findings.warning(&etcd, "only control planes run etcd");
        }
    }
}

fn cluster(
    cluster: &Place<'_>,
    is_controlplane: bool,
    contract: Contract,
    findings: &mut Findings,
) {
    if !cluster.is_there() {
        findings.error(cluster, "is missing");
        return;
    }
    let endpoint = cluster.at(&["controlPlane", "endpoint"]);
    match endpoint.text() {
        None if !contract.is_documents_only() || cluster.at(&["controlPlane"]).is_there() => {
            findings.error(&endpoint, "is missing: the URL of the Kubernetes API");
        }
        Some(url) if !is_url(url) => {
            findings.error(&endpoint, "must be a URL such as https://10.0.0.2:6443");
        }
        _ => {}
    }
    let domain = cluster.at(&["network", "dnsDomain"]);
    if domain.text().is_some_and(|name| !is_dns_name(name)) {
        findings.error(&domain, "must be a DNS name such as cluster.local");
    }
    if is_controlplane {
        cni(&cluster.at(&["network", "cni"]), findings);
    }
    let mut names = std::collections::HashSet::new();
    for manifest in cluster.at(&["inlineManifests"]).items() {
        let name = manifest.at(&["name"]);
        match name.text().map(str::trim) {
            None | Some("") => {
                findings.error(&name, "is missing");
            }
            Some(text) if !names.insert(text) => {
                findings.error(&name, "is the name of two manifests");
            }
            Some(_) => {}
        }
    }
}

fn cni(place: &Place<'_>, findings: &mut Findings) {
    let (name, urls) = (place.at(&["name"]), place.at(&["urls"]));
    let has_urls = !urls.items().is_empty();
    match name.text() {
        None => {}
        Some("flannel" | "none") if has_urls => {
            findings.error(&urls, "are for `name: custom` only");
        }
        Some("flannel" | "none") => {}
        Some("custom") => {
            if !has_urls {
                findings.warning(&urls, "are missing: a custom CNI is installed from them");
            }
            for url in urls.items() {
                if url.text().is_none_or(|text| !is_url(text)) {
                    findings.error(&url, "must be a URL");
                }
            }
        }
        Some(_) => {
            findings.error(&name, "must be `flannel`, `custom` or `none`");
        }
    }
}

fn install(machine: &Place<'_>, contract: Contract, findings: &mut Findings) {
    let install = machine.at(&["install"]);
    if !install.is_there() {
        if !contract.is_documents_only() {
            findings.error(&install, "is missing: where is Talos installed?");
        }
        return;
    }
    let selector = install.at(&["diskSelector"]);
    if install.at(&["disk"]).text().is_none() && !selector.is_there() {
        findings.error(&install, "needs `disk` or `diskSelector`");
    }
    let kind = selector.at(&["type"]);
    if kind
        .text()
        .is_some_and(|text| !matches!(text, "ssd" | "hdd" | "nvme" | "sd"))
    {
        findings.error(&kind, "must be ssd, hdd, nvme or sd");
    }
    let size = selector.at(&["size"]);
    let is_comparison = |text: &str| {
        text.trim()
            .trim_start_matches(['<', '>', '='])
            .trim()
            .parse::<ByteSize>()
            .is_ok()
    };
    if size.text().is_some_and(|text| !is_comparison(text)) {
        findings.error(&size, "must be a comparison such as >= 100GB");
    }
    if selector.is_there() && install.at(&["disk"]).text().is_some() {
        findings.warning(&install.at(&["disk"]), "is not used: `diskSelector` wins");
    }
    let arguments = install.at(&["extraKernelArgs"]);
    if !arguments.items().is_empty() && install.at(&["grubUseUKICmdline"]).is_true() {
        findings
            .error(&arguments, "cannot stand beside `grubUseUKICmdline: true`")
            .suggest("put kernel arguments into the schematic of the image");
    }
}

fn network(network: &Place<'_>, is_worker: bool, findings: &mut Findings) {
    let hostname = network.at(&["hostname"]);
    if hostname.text().is_some_and(|name| !is_hostname(name)) {
        findings.warning(
            &hostname,
            "is no host name: a first label of 1 to 63 characters, 253 in all",
        );
    }
    for interface in network.at(&["interfaces"]).items() {
        if interface.at(&["ignore"]).is_true() {
            continue;
        }
        let (name, selector) = (
            interface.at(&["interface"]),
            interface.at(&["deviceSelector"]),
        );
        match (name.text().is_some(), selector.is_there()) {
            (false, false) => {
                findings.error(&interface, "needs `interface` or `deviceSelector`");
            }
            (true, true) => {
                findings.error(&interface, "has both `interface` and `deviceSelector`");
            }
            (false, true) if selector.entries().is_empty() => {
                findings.error(&selector, "selects nothing");
            }
            _ => {}
        }
        addressing(&interface, is_worker, findings);
        for vlan in interface.at(&["vlans"]).items() {
            addressing(&vlan, is_worker, findings);
        }
    }
}

/// Addresses, routes and the shared address of an interface or VLAN.
fn addressing(interface: &Place<'_>, is_worker: bool, findings: &mut Findings) {
    for address in interface.at(&["addresses"]).items() {
        if address
            .text()
            .is_none_or(|text| !is_subnet(text) && text.parse::<IpAddr>().is_err())
        {
            findings.error(&address, "must be an address such as 10.0.0.5/24");
        }
    }
    let vip = interface.at(&["vip"]);
    if vip.is_there() {
        if is_worker {
            findings.error(&vip, "only control planes may share an address");
        }
        if vip
            .at(&["ip"])
            .text()
            .is_none_or(|text| text.parse::<IpAddr>().is_err())
        {
            findings.error(&vip.at(&["ip"]), "must be an IP address");
        }
    }
    for route in interface.at(&["routes"]).items() {
        let (network, gateway, source) = (
            route.at(&["network"]),
            route.at(&["gateway"]),
            route.at(&["source"]),
        );
        if network.text().is_some_and(|text| !is_subnet(text)) {
            findings.error(&network, "must be a subnet such as 10.0.0.0/8");
        }
        for address in [&gateway, &source] {
            if address
                .text()
                .is_some_and(|text| text.parse::<IpAddr>().is_err())
            {
                findings.error(address, "must be an IP address");
            }
        }
        if network.text().is_none() && gateway.text().is_none() {
            findings.error(&route, "needs `network` or `gateway`");
        }
    }
}

/// Labels, annotations and taints have keys as Kubernetes defines them: `[prefix/]name`.
fn labels(machine: &Place<'_>, findings: &mut Findings) {
    for subject in ["nodeLabels", "nodeAnnotations", "nodeTaints"] {
        for (key, value) in machine.at(&[subject]).entries() {
            if !is_qualified_name(key) {
                findings.error(
                    &value,
                    "the key must be `name` or `prefix/name` of letters, digits, `-`, `_` and `.`",
                );
            }
            if subject == "nodeLabels" && value.text().is_some_and(|text| !is_label(text)) {
                findings.error(
                    &value,
                    "must be at most 63 letters, digits, `-`, `_` and `.`",
                );
            }
        }
    }
}

fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_domain = |text: &str| {
        !text.is_empty()
            && text.len() <= 253
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
            })
    };
    !name.is_empty() && is_label(name) && prefix.is_none_or(is_domain)
}

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        let is_scheme = !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        is_scheme
            && !rest.is_empty()
            && !rest.starts_with(['/', ':'])
            && !rest.contains(char::is_whitespace)
    })
}

fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            && !label.starts_with('-')
    };
    name.len() <= 255 && name.trim_end_matches(['.', '_']).split('.').all(is_label)
}
