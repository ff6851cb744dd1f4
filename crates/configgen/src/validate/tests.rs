//! The verdicts of Talos releases, and every mistake named with its place.

use std::collections::BTreeMap;

use model::TalosVersion;

use super::*;
use crate::{Patch, golden};

/// What Talos says of an overlay, in the words of the golden matrix.
fn verdict(overlay: &str, base: &str, version: &TalosVersion) -> (&'static str, String) {
    let patch = match Patch::parse("overlay", overlay) {
        Ok(patch) => patch,
        Err(error) => return ("patch-rejected", error.to_string()),
    };
    if let Some(finding) = patch
        .check(version)
        .unwrap()
        .into_iter()
        .find(Finding::is_error)
    {
        return ("patch-rejected", finding.to_string());
    }
    let config = MachineConfig::parse("base", base).unwrap();
    let merged = match patch.apply(&config, version) {
        Ok(merged) => merged,
        Err(error) => return ("invalid", error.to_string()),
    };
    match validate(&merged, version)
        .unwrap()
        .into_iter()
        .find(Finding::is_error)
    {
        Some(finding) => ("invalid", finding.to_string()),
        None => ("valid", String::new()),
    }
}

#[test]
fn the_verdicts_of_seven_releases_on_all_overlays_are_reproduced() {
    if golden::talos().is_none() {
        return;
    }
    let rows: Vec<BTreeMap<String, String>> =
        serde_json::from_str(&golden::read("validation-matrix/matrix.json")).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let overlay = golden::read(&format!(
            "validation-matrix/overlays/{}.yaml",
            row["overlay"]
        ));
        let base = golden::read(&format!("{}/{}.yaml", row["contract"], row["role"]));
        let version: TalosVersion = row["talos"].parse().unwrap();
        let (found, why) = verdict(&overlay, &base, &version);
        if found != row["result"] {
            let said = row.get("message").map_or("", String::as_str);
            wrong.push(format!(
                "{} {} {}: {found} ({why}), Talos: {} ({said})",
                row["overlay"], row["talos"], row["role"], row["result"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} verdicts differ:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
    assert!(rows.len() >= 37 * 7 * 2, "{}", rows.len());
}

#[test]
fn golden_configs_are_valid_for_their_own_and_all_newer_releases() {
    let contracts = golden::contracts();
    for (position, contract) in contracts.iter().enumerate() {
        for newer in &contracts[position..] {
            for role in ["controlplane", "worker"] {
                let text = golden::read(&format!("{contract}/{role}.yaml"));
                let findings = validate_file("x", &text, &newer.parse().unwrap()).unwrap();
                let errors: Vec<String> = findings
                    .iter()
                    .filter(|finding| finding.is_error())
                    .map(ToString::to_string)
                    .collect();
                assert!(
                    errors.is_empty(),
                    "{contract} {role} on {newer}: {errors:#?}"
                );
            }
        }
    }
}

const WORKER: &str = "\
machine:
    type: worker
    ca:
        crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
        key: \"\"
    install:
        disk: /dev/sda
cluster:
    controlPlane:
        endpoint: https://10.0.0.2:6443
";

fn said(text: &str, version: &str) -> String {
    let findings = validate_file("x", text, &version.parse().unwrap()).unwrap();
    let line =
        |finding: &Finding| format!("{} {finding}\n", if finding.is_error() { "E" } else { "W" });
    findings.iter().map(line).collect()
}

#[test]
fn mistakes_are_named_with_document_path_line_and_suggestion() {
    assert_eq!(said(WORKER, "v1.13.0"), "");
    let text = WORKER
        .replace("disk: /dev/sda", "disk: /dev/sda\n        wipe: maybe\n        extraKernelArgs: [a]\n        grubUseUKICmdline: yes")
        .replace(
            "    install:",
            "    kubelt: {}\n    certSANs: x\n    time: {bootTimeout: soon}\n    nodeLabels: {'a/b/c': d, x: 'y z'}\n    network:\n        hostnmae: a\n        interfaces:\n            - addresses: [10.0.0.300/24]\n              vip: {ip: 10.0.0.1}\n              mtu: \"1500\"\n              routes: [{metric: 5}]\n    features: {hostDNS: {forwardKubeDNSToHost: true}}\n    install:",
        )
        .replace("key: \"\"", "key: '%'")
        + "    network:\n        dnsDomain: -x\npersist: false\n---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: stable\nhostname: a\n---\napiVersion: v1alpha1\nkind: HostnamConfig\n---\napiVersion: v1alpha1\nkind: KubeNodeConfig\n---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: a_b\nprovisioning: {minSize: 5GB, maxSize: 1GB}\n---\napiVersion: v1alpha1\nkind: LinkConfig\nname: x\n---\napiVersion: v1alpha1\nkind: BondConfig\nname: x\n";
    insta::assert_snapshot!(said(&text, "v1.13.0"), @r#"
    E document v1alpha1, machine.ca.key, line 5: must be base64 of PEM text
    E document v1alpha1, machine.kubelt, line 6: unknown key; did you mean `kubelet`?
    E document v1alpha1, machine.certSANs, line 7: must be a list
    E document v1alpha1, machine.time.bootTimeout, line 8: must be a duration such as 10s, 5m or 168h0m0s
    E document v1alpha1, machine.network.hostnmae, line 11: unknown key; did you mean `hostname`?
    E document v1alpha1, machine.network.interfaces[0].mtu, line 15: must be a whole number without quotes
    E document v1alpha1, machine.install.wipe, line 20: must be true or false
    E document HostnamConfig, line 35: Talos v1.13 knows no kind HostnamConfig; did you mean HostnameConfig?
    E document KubeNodeConfig, line 38: KubeNodeConfig came with Talos v1.14, this is for v1.13
    E document v1alpha1, persist, line 28: must not be false
    E document v1alpha1, machine.ca.key, line 5: workers must not have this key; leave it empty
    E document v1alpha1, cluster.network.dnsDomain, line 27: must be a DNS name such as cluster.local
    E document v1alpha1, machine.install.extraKernelArgs, line 21: cannot stand beside `grubUseUKICmdline: true`; put kernel arguments into the schematic of the image
    E document v1alpha1, machine.network.interfaces[0], line 13: needs `interface` or `deviceSelector`
    E document v1alpha1, machine.network.interfaces[0].addresses[0], line 13: must be an address such as 10.0.0.5/24
    E document v1alpha1, machine.network.interfaces[0].vip, line 14: only control planes may share an address
    E document v1alpha1, machine.network.interfaces[0].routes[0], line 16: needs `network` or `gateway`
    E document v1alpha1, machine.features.hostDNS.forwardKubeDNSToHost, line 17: needs `hostDNS.enabled: true`
    E document v1alpha1, machine.nodeLabels.a/b/c, line 9: the key must be `name` or `prefix/name` of letters, digits, `-`, `_` and `.`
    E document v1alpha1, machine.nodeLabels.x, line 9: must be at most 63 letters, digits, `-`, `_` and `.`
    E document HostnameConfig, hostname, line 33: `auto: stable` and `hostname` exclude each other; take `auto` out or write `auto: 'off'`
    E document UserVolumeConfig `a_b`, name, line 43: must be 1 to 34 letters, digits and hyphens
    E document UserVolumeConfig `a_b`, provisioning.diskSelector.match: is missing: which disk is it on?; for example `system_disk`
    E document UserVolumeConfig `a_b`, provisioning.minSize, line 44: is more than `maxSize`
    E document v1alpha1, machine.nodeLabels, line 9: cannot stand beside the document KubeNodeConfig, which configures the same; keep one of them, best KubeNodeConfig
    E document BondConfig `x`, line 50: configures the same link as the document LinkConfig `x`
    W document v1alpha1, machine.time, line 8: deprecated since Talos v1.12; use TimeSyncConfig
    W document v1alpha1, machine.network.interfaces, line 13: deprecated since Talos v1.12; use LinkConfig,LinkAliasConfig,DHCPv4Config
    W document v1alpha1, machine.install.extraKernelArgs, line 21: deprecated since Talos v1.10; use the image factory's schematic
    "#);
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(said("machine:\n    type: controlplane\n", "v1.11.0"), @r#"
    E document v1alpha1, machine.ca.crt: is missing: the certificate of the Talos API
    E document v1alpha1, machine.ca.key: is missing: control planes need the key of the Talos API
    E document v1alpha1, cluster: is missing
    E document v1alpha1, machine.install: is missing: where is Talos installed?
    "#);
    insta::assert_snapshot!(said("cluster: {}\n", "v1.14.0"), @r#"E document v1alpha1, machine: is missing"#);
    insta::assert_snapshot!(said("machine: {type: x}\ncluster: {}\n", "v1.14.0"), @r#"E document v1alpha1, machine.type, line 1: must be `controlplane` or `worker`"#);
    assert_eq!(
        said(
            "apiVersion: v1alpha1\nkind: KmsgLogConfig\nname: a\nurl: udp://10.0.0.1:1/\n",
            "v1.13.0"
        ),
        ""
    );
}

#[test]
fn deprecated_keys_are_warned_of_from_the_release_on_that_replaced_them() {
    let text = WORKER.replace(
        "    install:",
        "    network:\n        nameservers: [1.1.1.1]\n    install:",
    );
    assert_eq!(said(&text, "v1.11.0"), "");
    insta::assert_snapshot!(said(&text, "v1.12.0"), @r#"W document v1alpha1, machine.network.nameservers, line 7: deprecated since Talos v1.12; use ResolverConfig"#);
}

#[test]
fn a_talos_newer_than_all_known_only_warns_of_what_is_unknown() {
    let text = WORKER.to_owned() + "---\napiVersion: v1alpha1\nkind: FutureConfig\n";
    assert!(
        said(&text, "v1.15.0").starts_with("E "),
        "{}",
        said(&text, "v1.15.0")
    );
    assert!(
        said(&text, "v1.16.0").starts_with("W "),
        "{}",
        said(&text, "v1.16.0")
    );
}

#[test]
fn golden_configs_show_no_secret_when_masked() {
    for contract in golden::contracts() {
        let secrets = golden::read("secrets.yaml");
        let config =
            MachineConfig::parse("x", &golden::read(&format!("{contract}/controlplane.yaml")))
                .unwrap();
        let shown = crate::masked_text(&config);
        assert!(!shown.contains("PRIVATE KEY"), "{contract}");
        let is_public =
            |line: &str| line.trim().starts_with("crt:") || line.trim().starts_with("id:");
        for line in secrets.lines().filter(|line| !is_public(line)) {
            let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
            assert!(
                value.is_empty() || !shown.contains(value),
                "{contract}: {}",
                line.split(':').next().unwrap_or_default()
            );
        }
    }
}
