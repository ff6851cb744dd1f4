//! Device configs: made from the base config of a role, the device and the network settings.

use configgen::{BaseConfig, DeviceConfigInput, device_config};
use model::{Device, NetworkSettings, Role, check_node_address};
use store::{Reader, Writer};

use crate::Error;

/// The base configs in force, as far as they were imported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bases {
    controlplane: Option<BaseConfig>,
    worker: Option<BaseConfig>,
}

impl Bases {
    /// Puts a base config in the place of its role's.
    pub(crate) fn put(&mut self, base: BaseConfig) {
        let role = base.role();
        *self.of_mut(role) = Some(base);
    }

    fn of_mut(&mut self, role: Role) -> &mut Option<BaseConfig> {
        match role {
            Role::Controlplane => &mut self.controlplane,
            Role::Worker => &mut self.worker,
        }
    }

    fn of(&self, role: Role) -> Option<&BaseConfig> {
        match role {
            Role::Controlplane => self.controlplane.as_ref(),
            Role::Worker => self.worker.as_ref(),
        }
    }

    /// Reads the base config of a role.
    pub(crate) fn read(&mut self, reader: &Reader<'_>, role: Role) -> Result<(), Error> {
        if let Some(base) = reader.base(role)? {
            self.put(parse(role, &base.text)?);
        }
        Ok(())
    }
}

/// Reads the text of a base config; what is wrong with it is told with its line, under the role's name.
pub(crate) fn parse(role: Role, text: &str) -> Result<BaseConfig, Error> {
    BaseConfig::parse(role, text).map_err(|err| Error::invalid(role.as_str(), err.to_string()))
}

/// Makes and saves the config of one approved device, within the transaction of the change that asks for it.
pub(crate) fn for_one(writer: &Writer<'_>, device: &Device) -> Result<(), Error> {
    let mut bases = Bases::default();
    if let Some(role) = device.role {
        bases.read(writer, role)?;
        let config = make(device, &writer.settings()?, &bases)?;
        writer.save_config(device, role, config.as_bytes())?;
    }
    Ok(())
}

/// What the configs of several devices are made from, read once within a change.
#[derive(Debug)]
pub(crate) struct Ready {
    settings: NetworkSettings,
    bases: Bases,
}

impl Ready {
    /// Reads the settings and base configs in force.
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let mut bases = Bases::default();
        for role in Role::ALL {
            bases.read(reader, *role)?;
        }
        Ok(Self {
            settings: reader.settings()?,
            bases,
        })
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> &NetworkSettings {
        &self.settings
    }

    /// Makes and saves the config of one approved device.
    pub(crate) fn save_for(&self, writer: &Writer<'_>, device: &Device) -> Result<(), Error> {
        if let Some(role) = device.role {
            let config = make(device, &self.settings, &self.bases)?;
            writer.save_config(device, role, config.as_bytes())?;
        }
        Ok(())
    }
}

/// Makes the config of one device.
pub(crate) fn make(
    device: &Device,
    settings: &NetworkSettings,
    bases: &Bases,
) -> Result<String, Error> {
    let (Some(hostname), Some(address), Some(role)) =
        (device.hostname.clone(), device.ip_address, device.role)
    else {
        let why = format!("{} lacks a name, an address or a role", device.mac);
        return Err(Error::Internal(why));
    };
    check_node_address(address, settings)
        .map_err(|refusal| Error::invalid("ip_address", refusal.to_string()))?;
    let Some(subnet) = settings.node_subnet else {
        return Err(Error::invalid("ip_address", "the node subnet is not set"));
    };
    let Some(base) = bases.of(role) else {
        let why = format!("no base config for the role {role} was imported");
        let hint = "ktizo cluster import DIR";
        return Err(Error::refused(
            "base_missing",
            Some("role".to_owned()),
            why,
            Some(hint),
        ));
    };
    let mut input =
        DeviceConfigInput::new(role, device.mac, hostname, address, subnet.prefix_len());
    input.gateway = settings.gateway;
    input.nameservers.clone_from(&settings.nameservers);
    input.install_disk.clone_from(&device.install_disk);
    input.ephemeral = device.ephemeral.clone();
    device_config(base, &input).map_err(refused)
}

/// The refusal of the generator in the words of the API.
fn refused(err: configgen::Error) -> Error {
    match err {
        configgen::Error::Setting { field, reason } => {
            let field = match field {
                "address" => "ip_address",
                other => other,
            };
            Error::invalid(field, reason)
        }
        other => Error::refused("config_impossible", None, other.to_string(), None),
    }
}
