//! What the generator is told of a device.

use configgen::{DeviceConfigInput, KernelModule, Schematic, UserVolume};
use std::net::Ipv4Addr;

use model::{
    Device, Hostname, MacAddr, NetworkSettings, Role, TalosVersion, check_node_address,
    first_free_address,
};

use super::{Recipe, incomplete, refused};
use crate::Error;
use crate::types::DeviceSettings;

impl Recipe {
    /// The settings of a device and of its network, checked.
    pub(super) fn input(
        &self,
        device: &Device,
        versions: &[TalosVersion],
    ) -> Result<DeviceConfigInput, Error> {
        let network = &self.sources.network;
        let Some(address) = device.ip_address else {
            return Err(incomplete(device));
        };
        check_node_address(address, network)
            .map_err(|refusal| Error::invalid("ip_address", refusal.to_string()))?;
        let none = DeviceSettings::default();
        let settings = self.settings.get(&device.id).unwrap_or(&none);
        put_together(device, settings, network, &versions[0])
    }
}

fn put_together(
    device: &Device,
    settings: &DeviceSettings,
    network: &NetworkSettings,
    version: &TalosVersion,
) -> Result<DeviceConfigInput, Error> {
    let (Some(hostname), Some(address), Some(role)) =
        (device.hostname.clone(), device.ip_address, device.role)
    else {
        return Err(incomplete(device));
    };
    let image = match (&settings.schematic, &settings.install_image) {
        (Some(_), Some(_)) => {
            let why = "excludes install_image: the schematic makes the installer";
            return Err(Error::invalid("schematic", why));
        }
        (Some(id), None) => Some(Schematic::new(id).map_err(refused)?.installer(version)),
        (None, image) => image.clone(),
    };
    let mut input = on_network(role, device.mac, hostname, address, network);
    input.install_disk.clone_from(&device.install_disk);
    input
        .install_selector
        .clone_from(&settings.install_selector);
    input.install_image = image;
    input.install_wipe = settings.install_wipe;
    input.ephemeral = device.ephemeral.clone();
    input.image_cache = settings.image_cache.clone();
    input.user_volumes = settings.user_volumes.iter().map(volume).collect();
    input.kernel_modules = settings.kernel_modules.iter().map(module).collect();
    Ok(input)
}

fn on_network(
    role: Role,
    mac: MacAddr,
    hostname: Hostname,
    address: Ipv4Addr,
    network: &NetworkSettings,
) -> DeviceConfigInput {
    let prefix = network.node_subnet.map_or(32, |subnet| subnet.prefix_len());
    let mut input = DeviceConfigInput::new(role, mac, hostname, address, prefix);
    input.gateway = network.gateway;
    input.nameservers.clone_from(&network.nameservers);
    input
}

/// A name and an address that no device has to have.
pub(super) fn made_up(network: &NetworkSettings) -> (Hostname, Ipv4Addr) {
    let hostname = "node".parse().expect("it is a host name");
    let address = first_free_address(network, |_| false);
    (hostname, address.unwrap_or(Ipv4Addr::new(192, 0, 2, 1)))
}

/// What a device of a role would be made with that is not there. Which disk Talos is installed on may be left to the devices.
pub(super) fn of_nobody(role: Role, network: &NetworkSettings) -> DeviceConfigInput {
    let mac = "02:00:00:00:00:01".parse().expect("it is a MAC");
    let (hostname, address) = made_up(network);
    let mut input = on_network(role, mac, hostname, address, network);
    input.install_disk = Some("/dev/sda".to_owned());
    input
}

fn volume(volume: &crate::types::UserVolume) -> UserVolume {
    UserVolume {
        name: volume.name.clone(),
        disk_selector: volume.disk_selector.clone(),
        min_size: volume.min_size.clone(),
        max_size: volume.max_size.clone(),
        grow: volume.grow,
        filesystem: volume.filesystem.clone(),
    }
}

fn module(module: &crate::types::KernelModule) -> KernelModule {
    KernelModule {
        name: module.name.clone(),
        parameters: module.parameters.clone(),
    }
}
