//! Device configs: every setting in the place the base keeps it, everything else untouched.

use model::Role;

use super::*;
use crate::golden;
use crate::yaml::{Node, parse};

/// A base as Talos up to v1.11 has it, with spellings that a value model would lose.
pub(super) const OLD: &str = "\
version: v1alpha1
machine:
    type: worker
    token: abc.def
    kubelet:
        extraArgs:
            v: 1.10
    network: {}
    install:
        diskSelector:
            size: '>= 100GB'
        image: example.org/installer:v1.10.9
        wipe: false
    sysctls:
        mode: 0644
        big: 18446744073709551616
    features:
        rbac: yes
cluster:
    token: ghi.jkl
";

/// A base as Talos v1.14 has it.
pub(super) const NEW: &str = "\
version: v1alpha1
machine:
    type: worker
    token: abc.def
cluster:
    token: ghi.jkl
---
apiVersion: v1alpha1
kind: UnattendedInstallConfig
provisioning:
    diskSelector:
        match: disk.dev_path == \"/dev/sda\"
    wipe: false
---
apiVersion: v1alpha1
kind: ResolverConfig
nameservers:
    - address: 9.9.9.9
hostDNS:
    enabled: true
---
apiVersion: v1alpha1
kind: VolumeConfig
name: EPHEMERAL
mount:
    secure: true
---
apiVersion: v1alpha1
kind: HostnameConfig
auto: stable
---
apiVersion: v2beta9
kind: NobodyKnowsThis
when: 2024-01-02
";

fn input() -> DeviceConfigInput {
    let mut input = DeviceConfigInput::new(
        Role::Worker,
        "52:54:00:AA:BB:01".parse().unwrap(),
        "node-01".parse().unwrap(),
        Ipv4Addr::new(10, 0, 128, 11),
        24,
    );
    input.gateway = Some(Ipv4Addr::new(10, 0, 128, 1));
    input.nameservers = vec![
        "10.0.128.1".parse().unwrap(),
        "2001:db8::53".parse().unwrap(),
    ];
    input
}

pub(super) fn full() -> DeviceConfigInput {
    let mut full = input();
    full.install_disk = Some("/dev/nvme0n1".to_owned());
    full.ephemeral = EphemeralVolume {
        min_size: Some("10GB".to_owned()),
        max_size: Some("80%".to_owned()),
        disk_selector: Some("disk.transport == \"nvme\"".to_owned()),
    };
    full
}

pub(super) fn make(base: &str, device: &DeviceConfigInput) -> String {
    device_config(&BaseConfig::parse(device.role, base).unwrap(), device).unwrap()
}

#[test]
fn an_old_base_gets_keys_of_the_v1alpha1_document() {
    insta::assert_snapshot!(make(OLD, &full()), @r#"
    version: v1alpha1
    machine:
        type: worker
        token: abc.def
        kubelet:
            extraArgs:
                v: 1.10
        network:
            hostname: node-01
            interfaces:
                - deviceSelector:
                    hardwareAddr: 52:54:00:aa:bb:01
                  addresses:
                    - 10.0.128.11/24
                  routes:
                    - network: 0.0.0.0/0
                      gateway: 10.0.128.1
                  dhcp: false
            nameservers:
                - 10.0.128.1
                - 2001:db8::53
        install:
            disk: /dev/nvme0n1
            image: example.org/installer:v1.10.9
            wipe: false
        sysctls:
            mode: 0644
            big: 18446744073709551616
        features:
            rbac: yes
    cluster:
        token: ghi.jkl
    ---
    apiVersion: v1alpha1
    kind: VolumeConfig
    name: EPHEMERAL
    provisioning:
        diskSelector:
            match: disk.transport == "nvme"
        minSize: 10GB
        maxSize: 80%
    "#);
}

#[test]
fn a_new_base_gets_its_documents_filled() {
    insta::assert_snapshot!(make(NEW, &full()), @r#"
    version: v1alpha1
    machine:
        type: worker
        token: abc.def
        network:
            interfaces:
                - deviceSelector:
                    hardwareAddr: 52:54:00:aa:bb:01
                  addresses:
                    - 10.0.128.11/24
                  routes:
                    - network: 0.0.0.0/0
                      gateway: 10.0.128.1
                  dhcp: false
    cluster:
        token: ghi.jkl
    ---
    apiVersion: v1alpha1
    kind: UnattendedInstallConfig
    provisioning:
        diskSelector:
            match: disk.dev_path == "/dev/nvme0n1"
        wipe: false
    ---
    apiVersion: v1alpha1
    kind: ResolverConfig
    nameservers:
        - address: 10.0.128.1
        - address: 2001:db8::53
    hostDNS:
        enabled: true
    ---
    apiVersion: v1alpha1
    kind: VolumeConfig
    name: EPHEMERAL
    provisioning:
        diskSelector:
            match: disk.transport == "nvme"
        minSize: 10GB
        maxSize: 80%
    mount:
        secure: true
    ---
    apiVersion: v1alpha1
    kind: HostnameConfig
    hostname: node-01
    ---
    apiVersion: v2beta9
    kind: NobodyKnowsThis
    when: 2024-01-02
    "#);
}

#[test]
fn what_is_not_set_stays_as_the_base_has_it() {
    let device = DeviceConfigInput {
        gateway: None,
        nameservers: Vec::new(),
        ..input()
    };
    let config = make(NEW, &device);
    for kept in ["/dev/sda", "9.9.9.9", "when: 2024-01-02"] {
        assert!(config.contains(kept), "{config}");
    }
    assert!(!config.contains("routes"), "{config}");
}

#[test]
fn a_card_the_base_knows_keeps_its_other_settings() {
    let base = OLD.replace(
        "    network: {}\n",
        "    network:\n        hostname: template\n        interfaces:\n            - interface: eth9\n              dhcp: true\n            - deviceSelector:\n                hardwareAddr: 52:54:00:AA:bb:01\n              addresses: [192.0.2.1/24]\n              routes:\n                - gateway: 192.0.2.254\n                - network: 198.51.100.0/24\n                  gateway: 10.0.128.7\n              mtu: 9000\n              dhcp: true\n",
    );
    let config = parse(&make(&base, &input())).unwrap().remove(0).root;
    insta::assert_snapshot!(crate::yaml::print_node(config.get(&["machine", "network"]).unwrap()), @r#"
    hostname: node-01
    interfaces:
        - interface: eth9
          dhcp: true
        - deviceSelector:
            hardwareAddr: 52:54:00:AA:bb:01
          addresses:
            - 10.0.128.11/24
          routes:
            - network: 0.0.0.0/0
              gateway: 10.0.128.1
            - network: 198.51.100.0/24
              gateway: 10.0.128.7
          mtu: 9000
          dhcp: false
    nameservers:
        - 10.0.128.1
        - 2001:db8::53
    "#);
}

#[test]
fn a_base_with_both_host_names_ends_with_one() {
    let base = NEW.replace(
        "    token: abc.def\n",
        "    token: abc.def\n    network:\n        hostname: old\n        nameservers: [1.1.1.1]\n",
    );
    let config = MachineConfig::parse("x", &make(&base, &input())).unwrap();
    let network = config
        .v1alpha1()
        .unwrap()
        .get(&["machine", "network"])
        .unwrap();
    assert!(network.get(&["hostname"]).is_none() && network.get(&["nameservers"]).is_none());
    assert_eq!(
        config.kind("HostnameConfig").unwrap().text(&["hostname"]),
        Some("node-01")
    );
}

#[test]
fn a_new_base_without_install_document_takes_the_old_key() {
    let base = NEW.replace("kind: UnattendedInstallConfig", "kind: SomethingElse");
    let config = MachineConfig::parse("x", &make(&base, &full())).unwrap();
    assert_eq!(
        config
            .v1alpha1()
            .unwrap()
            .text(&["machine", "install", "disk"]),
        Some("/dev/nvme0n1")
    );
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let refused = |change: fn(&mut DeviceConfigInput)| {
        let mut device = full();
        change(&mut device);
        let base = BaseConfig::parse(Role::Worker, NEW).unwrap();
        device_config(&base, &device).unwrap_err().to_string()
    };
    insta::assert_snapshot!([
        refused(|device| device.role = Role::Controlplane),
        refused(|device| device.prefix = 33),
        refused(|device| device.address = Ipv4Addr::LOCALHOST),
        refused(|device| device.gateway = Some(device.address)),
        refused(|device| device.install_disk = Some("sda".to_owned())),
        refused(|device| device.install_disk = Some("/dev/sda\nwipe: true".to_owned())),
        refused(|device| device.ephemeral.min_size = Some("much".to_owned())),
        refused(|device| device.ephemeral.max_size = Some("1GB".to_owned())),
    ].join("\n"), @r#"
    role: the device is a controlplane, the base config is for worker
    prefix: /33 is not a prefix of 1 to 32 bits
    address: 127.0.0.1 cannot be the address of a node
    gateway: 10.0.128.11 is the node's own address
    install_disk: `sda` is not a path such as /dev/sda
    install_disk: `/dev/sda\nwipe: true` is not a path such as /dev/sda
    ephemeral_min_size: `much` is not a size such as 10GB, 10GiB or 512MiB
    ephemeral_min_size: is more than the maximum size
    "#);
}

#[test]
fn a_wrong_base_is_refused_with_file_document_and_line() {
    let refused = |text: &str| {
        BaseConfig::parse(Role::Worker, text)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!([
        refused("a: [1"),
        refused(""),
        refused("# nothing\n"),
        refused("- a\n"),
        refused("version: v1alpha1\n"),
        refused("machine: {}\n"),
        refused("machine:\n    type: controlplane\n"),
        refused("apiVersion: v1alpha1\nkind: HostnameConfig\n"),
        refused("machine: {type: worker}\n---\nkind: HostnameConfig\n"),
        refused("machine: {type: worker}\n---\nmachine: {}\n"),
        refused("machine: {type: worker}\n---\napiVersion: v1alpha1\nkind: K\nname: n\n---\napiVersion: v1alpha1\nkind: K\nname: n\n"),
    ].join("\n"), @r#"
    worker.yaml: line 2, column 1: while parsing a flow sequence, expected ',' or ']'
    worker.yaml: there is no document in it
    worker.yaml: there is no document in it
    worker.yaml: document 1, line 1: a document must be a mapping (`key: value` lines)
    worker.yaml, document v1alpha1, line 1: the `machine` section is missing
    worker.yaml, document v1alpha1, line 1: `machine.type` is missing
    worker.yaml, document v1alpha1, line 2: `machine.type` is controlplane, but this config is for the role worker
    worker.yaml: the document with `machine` and `cluster` is missing
    worker.yaml: document 2, line 3: a document with a `kind` needs `apiVersion: v1alpha1`
    worker.yaml, document v1alpha1, line 3: stands in this file for the second time
    worker.yaml, document K `n`, line 7: stands in this file for the second time
    "#);
}

#[test]
fn a_base_with_something_else_in_the_way_is_refused() {
    let refused = |base: &str| {
        let base = BaseConfig::parse(Role::Worker, base).unwrap();
        device_config(&base, &full()).unwrap_err().to_string()
    };
    insta::assert_snapshot!([
        refused(&OLD.replace("network: {}", "network: none")),
        refused(&OLD.replace("network: {}", "network: {interfaces: {eth0: {}}}")),
    ].join("\n"), @r#"
    worker.yaml, document v1alpha1, line 8: `network` must be a mapping
    worker.yaml, document v1alpha1, line 8: `machine.network.interfaces` must be a list
    "#);
}

#[test]
fn debug_shows_no_value() {
    let base = BaseConfig::parse(Role::Worker, OLD).unwrap();
    let shown = format!("{base:?} {:?}", base.config().documents());
    assert!(
        !shown.contains("abc.def") && shown.contains("V1Alpha1"),
        "{shown}"
    );
}

#[test]
fn golden_bases_are_printed_byte_for_byte_and_take_every_setting() {
    for contract in golden::contracts() {
        for role in Role::ALL.iter().copied() {
            let text = golden::read(&format!("{contract}/{role}.yaml"));
            let base = BaseConfig::parse(role, &text).unwrap();
            assert_eq!(base.config().print(), text, "{contract} {role}");

            let before = MachineConfig::parse("before", &text).unwrap();
            let after =
                MachineConfig::parse("after", &make(&text, &DeviceConfigInput { role, ..full() }))
                    .unwrap();
            assert_eq!(host_names(&after), ["node-01"], "{contract} {role}");
            let untouched = [
                "HostnameConfig",
                "ResolverConfig",
                "UnattendedInstallConfig",
                "VolumeConfig",
            ];
            for (id, document) in before.ids().zip(before.documents()) {
                if id.kind().is_some_and(|kind| !untouched.contains(&kind)) {
                    assert_eq!(
                        after.document(&id),
                        Some(&document.root),
                        "{contract} {role} {id}"
                    );
                }
            }
            let cluster =
                |config: &MachineConfig| config.v1alpha1().unwrap().get(&["cluster"]).cloned();
            assert_eq!(cluster(&before), cluster(&after));
        }
    }
}

/// Every host name that Talos would find in a config, `auto` included.
fn host_names(config: &MachineConfig) -> Vec<String> {
    let document = config.kind("HostnameConfig");
    [
        config
            .v1alpha1()
            .and_then(|root| root.text(&["machine", "network", "hostname"])),
        document.and_then(|document| document.text(&["hostname"])),
        document.and_then(|document| document.text(&["auto"])),
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .collect()
}

#[test]
fn a_config_can_be_asked_by_path() {
    let root = parse(&make(OLD, &full())).unwrap().remove(0).root;
    let found = |path: &str| {
        root.lookup(&path.parse().unwrap())
            .and_then(Node::as_str)
            .map(str::to_owned)
    };
    assert_eq!(
        found("machine.network.interfaces[0].addresses[0]").as_deref(),
        Some("10.0.128.11/24")
    );
    assert_eq!(
        found("machine.kubelet.extraArgs.v").as_deref(),
        Some("1.10")
    );
    assert_eq!(found("machine.network.interfaces[1]"), None);
}
