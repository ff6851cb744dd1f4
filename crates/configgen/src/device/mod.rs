//! The config of one device: its role's base with the device's own settings put in.
//!
//! The settings go where the base keeps their subject, for from contract v1.12 on documents replace keys of the v1alpha1
//! document one by one and the two refuse each other: a base that has the document gets it filled, any other gets the key.

mod install;
mod kernel;
mod network;
mod volume;

#[cfg(test)]
mod overlay_tests;
#[cfg(test)]
mod tests;

pub(crate) use install::check_disk_path;

use std::net::{IpAddr, Ipv4Addr};

use model::{EphemeralVolume, Hostname, MacAddr, Role};

use crate::machine::DiskSelector;
use crate::{BaseConfig, Error, MachineConfig};

/// What a device config needs to know of its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfigInput {
    /// Must be the base's.
    pub role: Role,
    /// The card that gets the address.
    pub mac: MacAddr,
    /// The node's name.
    pub hostname: Hostname,
    /// The node's address.
    pub address: Ipv4Addr,
    /// Bits of the network part, 1 to 32.
    pub prefix: u8,
    /// The default route; `None` sets none.
    pub gateway: Option<Ipv4Addr>,
    /// Replace the base's name servers; empty leaves those.
    pub nameservers: Vec<IpAddr>,
    /// Path of the disk to install on, such as `/dev/nvme0n1`; `None` leaves the base's choice.
    pub install_disk: Option<String>,
    /// What the disk to install on must be, instead of its path.
    pub install_selector: Option<DiskSelector>,
    /// The installer, such as [`crate::Schematic::installer`]; `None` leaves the base's.
    pub install_image: Option<String>,
    /// Whether the install disk is zeroed first; `None` leaves the base's choice. Talos ignores it once it is installed.
    pub install_wipe: Option<bool>,
    /// Size and place of the EPHEMERAL volume; what is `None` stays as the base has it.
    pub ephemeral: EphemeralVolume,
    /// Size and place of the IMAGECACHE volume (Talos v1.9 and newer).
    pub image_cache: EphemeralVolume,
    /// Volumes of the operator's (Talos v1.10 and newer).
    pub user_volumes: Vec<UserVolume>,
    /// Kernel modules to load besides the base's.
    pub kernel_modules: Vec<KernelModule>,
}

/// A volume that Talos makes for workloads, mounted at `/var/mnt/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserVolume {
    /// 1 to 34 letters, digits and hyphens.
    pub name: String,
    /// Expression over `disk`, such as `!system_disk`.
    pub disk_selector: String,
    /// Such as `10GiB`; this or the maximum is needed.
    pub min_size: Option<String>,
    /// Such as `100GiB` or `80%`.
    pub max_size: Option<String>,
    /// Whether it takes what is free up to the maximum; `None` is Talos's default.
    pub grow: Option<bool>,
    /// `xfs`, `ext4` or `btrfs`; `None` is Talos's default.
    pub filesystem: Option<String>,
}

/// A kernel module to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelModule {
    /// Its name.
    pub name: String,
    /// Its parameters, each `key=value`.
    pub parameters: Vec<String>,
}

impl DeviceConfigInput {
    /// The settings no device can be without; the others are left to the base.
    pub fn new(
        role: Role,
        mac: MacAddr,
        hostname: Hostname,
        address: Ipv4Addr,
        prefix: u8,
    ) -> Self {
        Self {
            role,
            mac,
            hostname,
            address,
            prefix,
            gateway: None,
            nameservers: Vec::new(),
            install_disk: None,
            install_selector: None,
            install_image: None,
            install_wipe: None,
            ephemeral: EphemeralVolume::default(),
            image_cache: EphemeralVolume::default(),
            user_volumes: Vec::new(),
            kernel_modules: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let address = self.address;
        if address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || address.is_broadcast()
        {
            return Err(Error::setting(
                "address",
                format!("{address} cannot be the address of a node"),
            ));
        }
        if !(1..=32).contains(&self.prefix) {
            return Err(Error::setting(
                "prefix",
                format!("/{} is not a prefix of 1 to 32 bits", self.prefix),
            ));
        }
        if self.gateway == Some(address) {
            return Err(Error::setting(
                "gateway",
                format!("{address} is the node's own address"),
            ));
        }
        Ok(())
    }
}

/// Makes the config of a device.
///
/// Documents and keys the settings do not name are kept as they are, spelling and order included; comments are not.
///
/// # Errors
/// The base is for another role, a setting is impossible, or the base holds something else where a setting must go.
pub fn device_config(base: &BaseConfig, device: &DeviceConfigInput) -> Result<String, Error> {
    Ok(device_documents(base, device)?.print())
}

/// [`device_config`] before it is printed, for what patches, checks and compares it.
///
/// # Errors
/// As [`device_config`].
pub fn device_documents(
    base: &BaseConfig,
    device: &DeviceConfigInput,
) -> Result<MachineConfig, Error> {
    if base.role() != device.role {
        return Err(Error::setting(
            "role",
            format!(
                "the device is a {}, the base config is for {}",
                device.role,
                base.role()
            ),
        ));
    }
    device.check()?;
    let mut config = base.config().clone();
    network::set_hostname(&mut config, &device.hostname)?;
    network::set_link(&mut config, device)?;
    network::set_nameservers(&mut config, &device.nameservers)?;
    install::set_install(&mut config, device)?;
    kernel::set_modules(&mut config, &device.kernel_modules)?;
    volume::set_ephemeral(&mut config, &device.ephemeral)?;
    volume::set_image_cache(&mut config, &device.image_cache)?;
    for volume in &device.user_volumes {
        volume::set_user(&mut config, volume)?;
    }
    Ok(config)
}

/// Key orders of Talos's own structures, so that a new key stands where Talos would write it.
mod order {
    pub(super) const ROOT: &[&str] = &["version", "debug", "persist", "machine", "cluster"];
    pub(super) const MACHINE: &[&str] = &[
        "type",
        "token",
        "ca",
        "acceptedCAs",
        "certSANs",
        "controlPlane",
        "kubelet",
        "pods",
        "network",
        "disks",
        "install",
        "files",
        "env",
        "time",
        "sysctls",
        "sysfs",
        "registries",
        "systemDiskEncryption",
        "features",
        "udev",
        "logging",
        "kernel",
        "seccompProfiles",
        "baseRuntimeSpecOverrides",
        "nodeLabels",
        "nodeAnnotations",
        "nodeTaints",
    ];
    pub(super) const NETWORK: &[&str] = &[
        "hostname",
        "interfaces",
        "nameservers",
        "searchDomains",
        "extraHostEntries",
        "kubespan",
        "disableSearchDomain",
    ];
    pub(super) const INTERFACE: &[&str] = &[
        "interface",
        "deviceSelector",
        "addresses",
        "routes",
        "bond",
        "bridge",
        "bridgePort",
        "vlans",
        "mtu",
        "dhcp",
    ];
    pub(super) const INSTALL: &[&str] = &[
        "disk",
        "diskSelector",
        "extraKernelArgs",
        "image",
        "extensions",
        "wipe",
        "legacyBIOSSupport",
        "grubUseUKICmdline",
    ];
    pub(super) const HOSTNAME_CONFIG: &[&str] = &["apiVersion", "kind", "auto", "hostname"];
    pub(super) const RESOLVER_CONFIG: &[&str] = &[
        "apiVersion",
        "kind",
        "nameservers",
        "searchDomains",
        "hostDNS",
    ];
    pub(super) const UNATTENDED_INSTALL: &[&str] =
        &["apiVersion", "kind", "installer", "provisioning"];
    pub(super) const VOLUME_CONFIG: &[&str] = &[
        "apiVersion",
        "kind",
        "name",
        "provisioning",
        "filesystem",
        "encryption",
        "mount",
        "trim",
        "scrub",
    ];
    pub(super) const PROVISIONING: &[&str] = &["diskSelector", "grow", "minSize", "maxSize"];
    pub(super) const INSTALL_PROVISIONING: &[&str] = &["diskSelector", "wipe"];
}
