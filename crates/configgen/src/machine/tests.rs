//! Base configs equal to Talos's own, and every option in its place.

use model::Role;

use super::*;
use crate::golden;
use crate::yaml::Path;

/// The input that a golden `inputs.json` tells of.
fn golden_input(contract: &str) -> ClusterInput {
    let json: serde_json::Value =
        serde_json::from_str(&golden::read(&format!("{contract}/inputs.json"))).unwrap();
    let text = |key: &str| {
        json[key]
            .as_str()
            .unwrap_or_else(|| panic!("{contract}: {key}"))
            .to_owned()
    };
    let list = |key: &str| -> Vec<String> { serde_json::from_value(json[key].clone()).unwrap() };
    let flag = |key: &str| json[key].as_bool().unwrap();
    ClusterInput {
        kubernetes_version: Some(text("kubernetes_version").parse().unwrap()),
        dns_domain: text("dns_domain"),
        pod_subnets: list("pod_subnets"),
        service_subnets: list("service_subnets"),
        cni: match text("cni").as_str() {
            "flannel" => Cni::Flannel,
            "none" => Cni::None,
            other => panic!("{contract}: a CNI named {other}"),
        },
        additional_sans: list("additional_sans"),
        install: json["install_disk"]
            .as_str()
            .map(|disk| InstallTarget::Disk(disk.to_owned())),
        install_image: Some(text("install_image")),
        install_wipe: flag("install_wipe"),
        allow_scheduling_on_control_planes: flag("allow_scheduling_on_control_planes"),
        kubespan: flag("kubespan"),
        discovery: flag("cluster_discovery"),
        ..ClusterInput::new(
            text("cluster_name"),
            text("endpoint"),
            text("talos_version").parse().unwrap(),
        )
    }
}

#[test]
fn base_configs_equal_the_golden_ones_byte_for_byte() {
    for contract in golden::contracts() {
        let mut input = golden_input(&contract);
        let secrets = SecretsBundle::parse("secrets.yaml", &golden::read("secrets.yaml")).unwrap();
        for role in Role::ALL.iter().copied() {
            let made = base_config(role, &input, &secrets)
                .unwrap()
                .config()
                .print();
            let expected = golden::read(&format!("{contract}/{role}.yaml"));
            for (line, (made, expected)) in made.lines().zip(expected.lines()).enumerate() {
                assert_eq!(made, expected, "{contract} {role} line {}", line + 1);
            }
            assert_eq!(made, expected, "{contract} {role}");
            let image = input.install_image.take();
            assert_eq!(
                base_config(role, &input, &secrets)
                    .unwrap()
                    .config()
                    .print(),
                expected,
                "default image"
            );
            input.install_image = image;
        }
    }
}

fn all_options(version: &str) -> ClusterInput {
    ClusterInput {
        cni: Cni::Custom(vec![
            "https://x.example/a.yaml".to_owned(),
            "https://x.example/b.yaml".to_owned(),
        ]),
        kube_proxy: false,
        additional_sans: vec!["api.example".to_owned(), "10.9.9.9".to_owned()],
        install: Some(InstallTarget::Selector(DiskSelector {
            size: Some(">= 100GB".to_owned()),
            kind: Some("nvme".to_owned()),
            serial: Some("S\"1".to_owned()),
            bus_path: Some("/pci*/nvme*".to_owned()),
            ..DiskSelector::default()
        })),
        install_wipe: true,
        allow_scheduling_on_control_planes: true,
        kubespan: true,
        registry_mirrors: vec![
            RegistryMirror {
                registry: "ghcr.io".to_owned(),
                endpoints: vec!["http://10.0.0.9:5001".to_owned()],
            },
            RegistryMirror {
                registry: "docker.io".to_owned(),
                endpoints: vec!["http://10.0.0.9:5000".to_owned()],
            },
        ],
        ..ClusterInput::new(
            "all",
            "https://[2001:db8::1]:6443",
            version.parse().unwrap(),
        )
    }
}

/// Every line that the options add or take away, compared with the defaults.
fn changed_lines(version: &str, role: Role, secrets: &SecretsBundle) -> String {
    let plain = ClusterInput::new(
        "all",
        "https://[2001:db8::1]:6443",
        version.parse().unwrap(),
    );
    let print = |input: &ClusterInput| base_config(role, input, secrets).unwrap().config().print();
    crate::difference::unified(&print(&plain), &print(&all_options(version)), 0)
}

#[test]
fn every_option_stands_where_its_contract_wants_it() {
    let secrets = golden::fresh_secrets();
    insta::assert_snapshot!(changed_lines("v1.11.6", Role::Controlplane, &secrets), @r#"
    @@ -10 +10,3 @@
    -    certSANs: []
    +    certSANs:
    +        - api.example
    +        - 10.9.9.9
    @@ -15 +17,3 @@
    -    network: {}
    +    network:
    +        kubespan:
    +            enabled: true
    @@ -17 +21,5 @@
    -        disk: /dev/sda
    +        diskSelector:
    +            size: '>= 100GB'
    +            serial: S"1
    +            type: nvme
    +            busPath: /pci*/nvme*
    @@ -19 +27,9 @@
    -        wipe: false
    +        wipe: true
    +    registries:
    +        mirrors:
    +            docker.io:
    +                endpoints:
    +                    - http://10.0.0.9:5000
    +            ghcr.io:
    +                endpoints:
    +                    - http://10.0.0.9:5001
    @@ -39,0 +56,5 @@
    +        cni:
    +            name: custom
    +            urls:
    +                - https://x.example/a.yaml
    +                - https://x.example/b.yaml
    @@ -58,0 +80,2 @@
    +            - api.example
    +            - 10.9.9.9
    @@ -84,0 +108 @@
    +        disabled: true
    @@ -97,0 +122 @@
    +    allowSchedulingOnControlPlanes: true
    "#);
    insta::assert_snapshot!(changed_lines("v1.12.0", Role::Worker, &secrets), @r#"
    @@ -10 +10,3 @@
    -    certSANs: []
    +    certSANs:
    +        - api.example
    +        - 10.9.9.9
    @@ -15 +17,3 @@
    -    network: {}
    +    network:
    +        kubespan:
    +            enabled: true
    @@ -17 +21,5 @@
    -        disk: /dev/sda
    +        diskSelector:
    +            size: '>= 100GB'
    +            serial: S"1
    +            type: nvme
    +            busPath: /pci*/nvme*
    @@ -19 +27 @@
    -        wipe: false
    +        wipe: true
    @@ -35,0 +44,5 @@
    +        cni:
    +            name: custom
    +            urls:
    +                - https://x.example/a.yaml
    +                - https://x.example/b.yaml
    @@ -52,0 +66,12 @@
    +kind: RegistryMirrorConfig
    +name: docker.io
    +endpoints:
    +    - url: http://10.0.0.9:5000
    +---
    +apiVersion: v1alpha1
    +kind: RegistryMirrorConfig
    +name: ghcr.io
    +endpoints:
    +    - url: http://10.0.0.9:5001
    +---
    +apiVersion: v1alpha1
    "#);
    insta::assert_snapshot!(changed_lines("v1.13.0", Role::Controlplane, &secrets), @r#"
    @@ -10 +10,3 @@
    -    certSANs: []
    +    certSANs:
    +        - api.example
    +        - 10.9.9.9
    @@ -16 +18,5 @@
    -        disk: /dev/sda
    +        diskSelector:
    +            size: '>= 100GB'
    +            serial: S"1
    +            type: nvme
    +            busPath: /pci*/nvme*
    @@ -18 +24 @@
    -        wipe: false
    +        wipe: true
    @@ -36,0 +43,5 @@
    +        cni:
    +            name: custom
    +            urls:
    +                - https://x.example/a.yaml
    +                - https://x.example/b.yaml
    @@ -53,0 +65,3 @@
    +        certSANs:
    +            - api.example
    +            - 10.9.9.9
    @@ -78,0 +93 @@
    +        disabled: true
    @@ -91,0 +107,7 @@
    +    allowSchedulingOnControlPlanes: true
    +---
    +apiVersion: v1alpha1
    +kind: RegistryMirrorConfig
    +name: docker.io
    +endpoints:
    +    - url: http://10.0.0.9:5000
    @@ -93,0 +116,6 @@
    +kind: RegistryMirrorConfig
    +name: ghcr.io
    +endpoints:
    +    - url: http://10.0.0.9:5001
    +---
    +apiVersion: v1alpha1
    @@ -95,0 +124,4 @@
    +---
    +apiVersion: v1alpha1
    +kind: KubeSpanConfig
    +enabled: true
    "#);
    insta::assert_snapshot!(changed_lines("v1.14.0", Role::Controlplane, &secrets), @r#"
    @@ -10 +10,3 @@
    -    certSANs: []
    +    certSANs:
    +        - api.example
    +        - 10.9.9.9
    @@ -36,2 +38,2 @@
    -        match: disk.dev_path == "/dev/sda"
    -    wipe: false
    +        match: disk.size >= 100000000000u && disk.serial == "S\"1" && disk.transport == "nvme" && glob("/pci*/nvme*", disk.bus_path) && disk.transport != "" && !disk.readonly && !disk.cdrom
    +    wipe: true
    @@ -59,0 +62,12 @@
    +kind: RegistryMirrorConfig
    +name: docker.io
    +endpoints:
    +    - url: http://10.0.0.9:5000
    +---
    +apiVersion: v1alpha1
    +kind: RegistryMirrorConfig
    +name: ghcr.io
    +endpoints:
    +    - url: http://10.0.0.9:5001
    +---
    +apiVersion: v1alpha1
    @@ -63,0 +78,4 @@
    +kind: KubeSpanConfig
    +enabled: true
    +---
    +apiVersion: v1alpha1
    @@ -74,2 +91,0 @@
    -taints:
    -    node-role.kubernetes.io/control-plane: NoSchedule
    @@ -257,0 +274,3 @@
    +certExtraSANs:
    +    - api.example
    +    - 10.9.9.9
    @@ -269,0 +289 @@
    +enabled: false
    @@ -274,3 +294,7 @@
    -kind: KubeFlannelCNIConfig
    -backendType: vxlan
    -backendPort: 4789
    +kind: KubeCoreDNSConfig
    +enabled: true
    +---
    +apiVersion: v1alpha1
    +kind: KubeExternalManifestConfig
    +name: custom-cni
    +url: https://x.example/a.yaml
    @@ -279,2 +303,3 @@
    -kind: KubeCoreDNSConfig
    -enabled: true
    +kind: KubeExternalManifestConfig
    +name: custom-cni-2
    +url: https://x.example/b.yaml
    "#);
}

#[test]
fn without_discovery_and_with_cni_none() {
    let secrets = golden::fresh_secrets();
    for version in ["v1.8.0", "v1.13.0", "v1.14.0"] {
        let input = ClusterInput {
            cni: Cni::None,
            discovery: false,
            ..ClusterInput::new("x", "https://h", version.parse().unwrap())
        };
        for role in Role::ALL.iter().copied() {
            let base = base_config(role, &input, &secrets).unwrap();
            let main = base.config().v1alpha1().unwrap();
            let at = |path: &str| {
                main.lookup(&path.parse::<Path>().unwrap())
                    .and_then(|node| node.as_str())
                    .map(str::to_owned)
            };
            if version == "v1.14.0" {
                let kinds = ["DiscoveryServiceConfig", "KubeFlannelCNIConfig"];
                assert!(
                    kinds
                        .iter()
                        .all(|kind| base.config().kinds(kind).next().is_none()),
                    "{version}"
                );
                assert!(base.config().kind("DiscoveryIdentityConfig").is_some());
            } else {
                assert_eq!(at("cluster.network.cni.name").as_deref(), Some("none"));
                assert_eq!(at("cluster.discovery.enabled").as_deref(), Some("false"));
            }
        }
    }
}

#[test]
fn an_old_bundle_keeps_its_kind_of_encryption() {
    let mut secrets = golden::fresh_secrets();
    secrets.aescbc_secret = secrets.secretbox_secret.take();
    for version in ["v1.13.0", "v1.14.0"] {
        let input = ClusterInput::new("x", "https://h:6443", version.parse().unwrap());
        let base = base_config(Role::Controlplane, &input, &secrets).unwrap();
        assert_eq!(
            SecretsBundle::from_controlplane(base.config()).unwrap(),
            secrets,
            "{version}"
        );
    }
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let secrets = golden::fresh_secrets();
    let refused = |change: &dyn Fn(&mut ClusterInput)| {
        let mut input = ClusterInput::new("x", "https://10.0.0.2:6443", "v1.13.9".parse().unwrap());
        change(&mut input);
        base_config(Role::Worker, &input, &secrets)
            .unwrap_err()
            .to_string()
    };
    let selector = |selector: DiskSelector| Some(InstallTarget::Selector(selector));
    let size = |size: &str| DiskSelector {
        size: Some(size.to_owned()),
        ..DiskSelector::default()
    };
    insta::assert_snapshot!([
        refused(&|input| input.name = String::new()),
        refused(&|input| input.endpoint = "10.0.0.2:6443".to_owned()),
        refused(&|input| input.endpoint = "https://:6443".to_owned()),
        refused(&|input| input.endpoint = "https://2001:db8::1:6443".to_owned()),
        refused(&|input| input.endpoint = "https://[2001:db8::1]6443".to_owned()),
        refused(&|input| input.endpoint = "https://h:0/".to_owned()),
        refused(&|input| input.talos_version = "v1.7.0".parse().unwrap()),
        refused(&|input| input.kubernetes_version = Some("1.25.0".parse().unwrap())),
        refused(&|input| input.dns_domain = "Cluster.local".to_owned()),
        refused(&|input| input.pod_subnets = Vec::new()),
        refused(&|input| input.service_subnets = vec!["10.96.0.0/33".to_owned()]),
        refused(&|input| input.cni = Cni::Custom(Vec::new())),
        refused(&|input| input.additional_sans = vec!["a b".to_owned()]),
        refused(&|input| input.install = None),
        refused(&|input| input.install = Some(InstallTarget::Disk("sda".to_owned()))),
        refused(&|input| input.install = selector(DiskSelector::default())),
        refused(&|input| input.install = selector(size("=> 5GB"))),
        refused(&|input| input.install = selector(size(">= big"))),
        refused(&|input| input.install = selector(DiskSelector { kind: Some("tape".to_owned()), ..DiskSelector::default() })),
        refused(&|input| (input.kubespan, input.discovery) = (true, false)),
        refused(&|input| input.registry_mirrors = vec![RegistryMirror { registry: "x".to_owned(), endpoints: Vec::new() }]),
        refused(&|input| {
            let mirror = RegistryMirror { registry: "x".to_owned(), endpoints: vec!["http://y".to_owned()] };
            input.registry_mirrors = vec![mirror.clone(), mirror];
        }),
    ].join("\n"), @r#"
    name: a cluster needs a name in printable characters
    endpoint: `10.0.0.2:6443` is not a URL such as https://10.0.0.2:6443: it must begin with https://
    endpoint: `https://:6443` is not a URL such as https://10.0.0.2:6443: the host is missing or has odd characters
    endpoint: `https://2001:db8::1:6443` is not a URL such as https://10.0.0.2:6443: an IPv6 address needs brackets
    endpoint: `https://[2001:db8::1]6443` is not a URL such as https://10.0.0.2:6443: the port must be 1 to 65535
    endpoint: `https://h:0/` is not a URL such as https://10.0.0.2:6443: the port must be 1 to 65535
    talos_version: v1.7.0 is older than v1.8, the oldest whose config layout is known here
    kubernetes_version: Talos v1.13 runs Kubernetes 1.31 to 1.36, not 1.25.0
    dns_domain: `Cluster.local` is not a DNS name such as cluster.local
    pod_subnets: needs at least one subnet
    service_subnets: `10.96.0.0/33` is not a subnet such as 10.244.0.0/16
    cni: a custom CNI needs the http(s) URLs of its manifests
    additional_sans: `a b` is no name and no address
    install: Talos v1.13 needs an install disk or disk selector
    install: `sda` is not a path such as /dev/sda
    disk_selector: says nothing; give a size, type, model, serial, wwid, uuid, modalias or bus_path
    disk_selector.size: `=> 5GB` is not a comparison such as >= 100GB
    disk_selector.size: `big` is not a size such as 10GB, 10GiB or 512MiB
    disk_selector.type: `tape` is not a type: ssd, hdd, nvme or sd
    kubespan: needs discovery, which is off
    registry_mirrors: each needs the name of a registry and at least one endpoint
    registry_mirrors: x stands there twice
    "#);
}

#[test]
fn settings_are_read_from_json_with_defaults_and_unknown_keys_refused() {
    let read = |text: &str| serde_json::from_str::<ClusterInput>(text);
    let minimal = r#"{"name":"lab","endpoint":"https://h:6443","talos_version":"v1.13.9"}"#;
    assert_eq!(
        read(minimal).unwrap(),
        ClusterInput::new("lab", "https://h:6443", "v1.13.9".parse().unwrap())
    );
    let all = all_options("v1.14.0");
    assert_eq!(read(&serde_json::to_string(&all).unwrap()).unwrap(), all);
    assert!(
        read(&minimal.replace("name", "nam"))
            .unwrap_err()
            .to_string()
            .contains("unknown field `nam`")
    );
}
