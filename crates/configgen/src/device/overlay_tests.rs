//! The settings that not every device has: selectors, images, modules and volumes.

use model::Role;

use super::tests::{NEW, OLD, full, make};
use super::*;
use crate::{Contract, golden};

fn every_setting() -> DeviceConfigInput {
    let mut device = full();
    device.install_disk = None;
    device.install_selector = Some(DiskSelector {
        serial: Some("S1".to_owned()),
        size: Some("> 100GB".to_owned()),
        ..DiskSelector::default()
    });
    device.install_image = Some("factory.talos.dev/metal-installer/x:v1.14.0".to_owned());
    device.install_wipe = Some(true);
    device.image_cache.disk_selector = Some("system_disk".to_owned());
    device.user_volumes = vec![UserVolume {
        name: "data".to_owned(),
        disk_selector: "!system_disk".to_owned(),
        min_size: Some("10GB".to_owned()),
        max_size: None,
        grow: Some(true),
        filesystem: Some("ext4".to_owned()),
    }];
    device.kernel_modules = vec![
        KernelModule {
            name: "br_netfilter".to_owned(),
            parameters: Vec::new(),
        },
        KernelModule {
            name: "nvme_tcp".to_owned(),
            parameters: vec!["a=b".to_owned()],
        },
    ];
    device
}

#[test]
fn every_setting_stands_where_its_contract_wants_it() {
    let change = |base: &str| {
        crate::difference::unified(&make(base, &full()), &make(base, &every_setting()), 0)
    };
    insta::assert_snapshot!(change(OLD), @r#"
    @@ -23,3 +23,5 @@
    -        disk: /dev/nvme0n1
    -        image: example.org/installer:v1.10.9
    -        wipe: false
    +        diskSelector:
    +            size: '> 100GB'
    +            serial: S1
    +        image: factory.talos.dev/metal-installer/x:v1.14.0
    +        wipe: true
    @@ -30,0 +33,6 @@
    +    kernel:
    +        modules:
    +            - name: br_netfilter
    +            - name: nvme_tcp
    +              parameters:
    +                - a=b
    @@ -41,0 +50,18 @@
    +---
    +apiVersion: v1alpha1
    +kind: VolumeConfig
    +name: IMAGECACHE
    +provisioning:
    +    diskSelector:
    +        match: system_disk
    +---
    +apiVersion: v1alpha1
    +kind: UserVolumeConfig
    +name: data
    +provisioning:
    +    diskSelector:
    +        match: '!system_disk'
    +    grow: true
    +    minSize: 10GB
    +filesystem:
    +    type: ext4
    "#);
    insta::assert_snapshot!(change(NEW), @r#"
    @@ -19,0 +20,2 @@
    +installer:
    +    image: factory.talos.dev/metal-installer/x:v1.14.0
    @@ -22,2 +24,2 @@
    -        match: disk.dev_path == "/dev/nvme0n1"
    -    wipe: false
    +        match: disk.size > 100000000000u && disk.serial == "S1" && disk.transport != "" && !disk.readonly && !disk.cdrom
    +    wipe: true
    @@ -50,0 +53,28 @@
    +---
    +apiVersion: v1alpha1
    +kind: KernelModuleConfig
    +name: br_netfilter
    +---
    +apiVersion: v1alpha1
    +kind: KernelModuleConfig
    +name: nvme_tcp
    +parameters:
    +    - a=b
    +---
    +apiVersion: v1alpha1
    +kind: VolumeConfig
    +name: IMAGECACHE
    +provisioning:
    +    diskSelector:
    +        match: system_disk
    +---
    +apiVersion: v1alpha1
    +kind: UserVolumeConfig
    +name: data
    +provisioning:
    +    diskSelector:
    +        match: '!system_disk'
    +    grow: true
    +    minSize: 10GB
    +filesystem:
    +    type: ext4
    "#);
}

#[test]
fn every_setting_on_every_golden_base_is_valid_for_its_release() {
    for contract in golden::contracts() {
        let version = contract.parse().unwrap();
        let minor = Contract::of(&version).unwrap().minor();
        for role in Role::ALL.iter().copied() {
            let text = golden::read(&format!("{contract}/{role}.yaml"));
            let mut device = DeviceConfigInput {
                role,
                ..every_setting()
            };
            if minor < 9 {
                device.image_cache = EphemeralVolume::default();
            }
            if minor < 10 {
                device.user_volumes.clear();
            }
            let config = MachineConfig::parse("x", &make(&text, &device)).unwrap();
            let findings = crate::validate(&config, &version).unwrap();
            let errors: Vec<String> = findings
                .iter()
                .filter(|it| it.is_error())
                .map(ToString::to_string)
                .collect();
            assert!(errors.is_empty(), "{contract} {role}: {errors:#?}");
        }
    }
}

#[test]
fn impossible_overlays_are_refused_by_name() {
    let refused = |change: fn(&mut DeviceConfigInput)| {
        let mut device = every_setting();
        change(&mut device);
        let base = BaseConfig::parse(Role::Worker, OLD).unwrap();
        device_config(&base, &device).unwrap_err().to_string()
    };
    insta::assert_snapshot!([
        refused(|device| device.install_disk = Some("/dev/sda".to_owned())),
        refused(|device| device.install_selector = Some(DiskSelector::default())),
        refused(|device| device.install_image = Some("a b".to_owned())),
        refused(|device| device.ephemeral.disk_selector = Some("disk.bogus".to_owned())),
        refused(|device| device.user_volumes[0].name = "a_b".to_owned()),
        refused(|device| device.user_volumes[0].min_size = None),
        refused(|device| device.user_volumes[0].filesystem = Some("vfat".to_owned())),
        refused(|device| device.kernel_modules[0].name = "a b".to_owned()),
    ].join("\n"), @r#"
    install_disk: choose the disk by path or by selector, not by both
    disk_selector: says nothing; give a size, type, model, serial, wwid, uuid, modalias or bus_path
    install_image: `a b` is not the name of an image
    ephemeral_disk_selector: a disk has no `bogus`; it has size, pretty_size, io_size, sector_size, readonly, model, serial, modalias, wwid, uuid, bus_path, sub_system, transport, rotational, cdrom, dev_path, symlinks, secondary_disks
    user_volume_name: `a_b` is not 1 to 34 letters, digits and hyphens
    user_volume_min_size: the volume data needs a minimum or a maximum size
    user_volume_filesystem: `vfat` is not xfs, ext4 or btrfs
    kernel_modules: `a b` is not the name of a module
    "#);
}
