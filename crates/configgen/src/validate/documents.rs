//! Checks of documents with a kind, one by one.

use super::{Findings, Place};
use crate::{ByteSize, Contract, DocumentId, MachineConfig, VolumeLimit};

pub(super) fn check(config: &MachineConfig, contract: Contract, findings: &mut Findings) {
    for (id, document) in config.ids().zip(config.documents()) {
        let DocumentId::Kind { kind, name, .. } = &id else {
            continue;
        };
        let place = Place::root(&id, &document.root);
        match kind.as_str() {
            "HostnameConfig" => hostname(&place, findings),
            "ResolverConfig" => resolver(&place, findings),
            "VolumeConfig" => volume(&place, name, contract, findings),
            "UserVolumeConfig" => user_volume(&place, name, findings),
            "RawVolumeConfig" | "SwapVolumeConfig" => provisioned_volume(&place, name, findings),
            "KubePrismConfig" => port(&place.at(&["port"]), findings),
            _ => {}
        }
    }
}

fn hostname(place: &Place<'_>, findings: &mut Findings) {
    let (auto, hostname) = (place.at(&["auto"]), place.at(&["hostname"]));
    match auto.text() {
        None | Some("off") => {}
        Some("stable") => {
            if hostname.text().is_some() {
                findings
                    .error(
                        &hostname,
                        "`auto: stable` and `hostname` exclude each other",
                    )
                    .suggest("take `auto` out or write `auto: 'off'`");
            }
        }
        Some(_) => {
            findings.error(&auto, "must be `stable` or `off`");
        }
    }
    if hostname.text().is_some_and(|name| !is_hostname(name)) {
        findings.error(
            &hostname,
            "is no host name: a first label of 1 to 63 characters, 253 in all",
        );
    }
}

/// The length rules of Talos's `HostnameConfig`.
pub(super) fn is_hostname(name: &str) -> bool {
    let label = name.split('.').next().unwrap_or_default();
    (1..=63).contains(&label.len()) && name.len() <= 253
}

fn resolver(place: &Place<'_>, findings: &mut Findings) {
    let host_dns = place.at(&["hostDNS"]);
    let forward = host_dns.at(&["forwardKubeDNSToHost"]);
    if host_dns.is_there() && forward.is_true() && !host_dns.at(&["enabled"]).is_true() {
        findings.error(&forward, "needs `hostDNS.enabled: true`");
    }
    for server in place.at(&["nameservers"]).items() {
        let address = server.at(&["address"]);
        if address.text().is_none_or(|text| {
            text.split('%')
                .next()
                .unwrap_or_default()
                .parse::<std::net::IpAddr>()
                .is_err()
        }) {
            findings.error(&address, "must be an IP address");
        }
    }
}

fn volume(place: &Place<'_>, name: &str, contract: Contract, findings: &mut Findings) {
    let mut known = vec!["EPHEMERAL"];
    let later: [(u16, &[&str]); 3] = [
        (9, &["IMAGECACHE"]),
        (11, &["STATE"]),
        (14, &["ETCD", "CRI", "KUBELET", "LOG"]),
    ];
    for (since, names) in later {
        if contract.minor() >= since {
            known.extend(names);
        }
    }
    if !known.contains(&name) {
        findings
            .error(
                &place.at(&["name"]),
                format!("Talos {contract} has no such volume"),
            )
            .suggest(format!("it has {}", known.join(", ")));
        return;
    }
    let provisioning = place.at(&["provisioning"]);
    if name == "STATE"
        && provisioning
            .node
            .and_then(|node| node.mapping())
            .is_some_and(|mapping| !mapping.is_empty())
    {
        findings.error(&provisioning, "the volume STATE cannot be provisioned");
    }
    sizes(&provisioning, findings);
}

fn user_volume(place: &Place<'_>, name: &str, findings: &mut Findings) {
    volume_name(place, name, findings);
    let provisioning = place.at(&["provisioning"]);
    match place.at(&["volumeType"]).text() {
        None | Some("partition") => {
            selector_required(&provisioning, findings);
            size_required(&provisioning, findings);
        }
        Some("disk") => selector_required(&provisioning, findings),
        Some(_) => {}
    }
    sizes(&provisioning, findings);
}

fn provisioned_volume(place: &Place<'_>, name: &str, findings: &mut Findings) {
    volume_name(place, name, findings);
    let provisioning = place.at(&["provisioning"]);
    selector_required(&provisioning, findings);
    size_required(&provisioning, findings);
    sizes(&provisioning, findings);
}

fn volume_name(place: &Place<'_>, name: &str, findings: &mut Findings) {
    let is_good = (1..=34).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_good {
        findings.error(
            &place.at(&["name"]),
            "must be 1 to 34 letters, digits and hyphens",
        );
    }
}

fn selector_required(provisioning: &Place<'_>, findings: &mut Findings) {
    let selector = provisioning.at(&["diskSelector", "match"]);
    if selector.text().is_none() {
        findings
            .error(&selector, "is missing: which disk is it on?")
            .suggest("for example `system_disk`");
    }
}

fn size_required(provisioning: &Place<'_>, findings: &mut Findings) {
    if provisioning.at(&["minSize"]).text().is_none()
        && provisioning.at(&["maxSize"]).text().is_none()
    {
        findings.error(provisioning, "needs `minSize` or `maxSize`");
    }
}

fn sizes(provisioning: &Place<'_>, findings: &mut Findings) {
    let min_place = provisioning.at(&["minSize"]);
    let min = min_place
        .text()
        .and_then(|text| text.parse::<ByteSize>().ok());
    let max = provisioning
        .at(&["maxSize"])
        .text()
        .and_then(|text| text.parse::<VolumeLimit>().ok());
    if let (Some(min), Some(VolumeLimit::Bytes(max))) = (min, max)
        && min > max
    {
        findings.error(&min_place, "is more than `maxSize`");
    }
}

fn port(place: &Place<'_>, findings: &mut Findings) {
    let is_good = place
        .text()
        .is_none_or(|text| text.parse::<u16>().is_ok_and(|port| port > 0));
    if !is_good {
        findings.error(place, "must be a port from 1 to 65535");
    }
}
