//! `ktizo device set`, and the disk arguments that several commands share.

use std::net::Ipv4Addr;

use api::types::DevicePatch;
use api::{Client, DeviceRef, Version};
use model::{Hostname, LocalBoot, MacAddr, Role, StandingOrder};

use super::label::{LabelChange, changed};
use super::settings::ConfigSettings;
use super::show;
use crate::cli::value::{ADDRESS, one_of, standing_order};
use crate::cli::{Failure, Output};

/// Disk and volume of a machine.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Volume {
    /// The disk to install on, such as /dev/nvme0n1
    #[arg(long, value_name = "PATH")]
    pub(super) install_disk: Option<String>,
    /// Least size of the EPHEMERAL volume, such as 10GiB
    #[arg(long, value_name = "SIZE")]
    pub(super) ephemeral_min_size: Option<String>,
    /// Greatest size of the EPHEMERAL volume
    #[arg(long, value_name = "SIZE")]
    pub(super) ephemeral_max_size: Option<String>,
    /// Which disk the EPHEMERAL volume is on, as a CEL expression such as 'disk.transport == "nvme"'
    #[arg(long, value_name = "CEL")]
    pub(super) ephemeral_disk_selector: Option<String>,
}

/// What `ktizo device set` changes. An empty text clears a field.
#[derive(Debug, clap::Args)]
pub(super) struct SetDevice {
    /// Its name, its MAC address in any spelling, or its number
    device: DeviceRef,
    /// What its next network boot does; the same order may be given again
    #[arg(long, value_name = "ORDER", value_parser = standing_order())]
    order: Option<StandingOrder>,
    /// Its boot MAC, after a card was changed
    #[arg(long)]
    mac: Option<MacAddr>,
    /// Its name as a node
    #[arg(long, value_parser = or_empty::<Hostname>)]
    hostname: Option<OrEmpty<Hostname>>,
    /// Its address as a node
    #[arg(long, value_parser = address_or_empty)]
    address: Option<OrEmpty<Ipv4Addr>>,
    /// controlplane or worker
    #[arg(long, value_parser = or_empty::<Role>)]
    role: Option<OrEmpty<Role>>,
    /// Free text
    #[arg(long)]
    notes: Option<String>,
    /// A label, such as rack=r1, or rack- to take it away; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE|KEY-")]
    labels: Vec<LabelChange>,
    #[command(flatten)]
    volume: Volume,
    /// How it is sent to its disk
    #[arg(long, value_name = "HOW", value_parser = one_of::<LocalBoot>(LocalBoot::WORDS))]
    local_boot: Option<LocalBoot>,
    /// File name of the boot loader it gets instead of the usual one
    #[arg(long, value_name = "FILE")]
    loader: Option<String>,
    #[command(flatten)]
    config: ConfigSettings,
}

/// A value, or the empty text that clears it.
#[derive(Clone, Debug)]
struct OrEmpty<T>(Option<T>);

fn or_empty<T>(text: &str) -> Result<OrEmpty<T>, T::Err>
where
    T: std::str::FromStr,
{
    if text.is_empty() {
        Ok(OrEmpty(None))
    } else {
        text.parse().map(|value| OrEmpty(Some(value)))
    }
}

fn address_or_empty(text: &str) -> Result<OrEmpty<Ipv4Addr>, String> {
    or_empty(text).map_err(|_| ADDRESS.to_owned())
}

impl SetDevice {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let text =
            |text: Option<String>| text.map(|text| Some(text).filter(|text| !text.is_empty()));
        let mut patch = DevicePatch {
            mac_address: self.mac,
            hostname: self.hostname.map(|OrEmpty(value)| value),
            ip_address: self.address.map(|OrEmpty(value)| value),
            role: self.role.map(|OrEmpty(value)| value),
            notes: text(self.notes),
            labels: None,
            install_disk: text(self.volume.install_disk),
            ephemeral_min_size: text(self.volume.ephemeral_min_size),
            ephemeral_max_size: text(self.volume.ephemeral_max_size),
            ephemeral_disk_selector: text(self.volume.ephemeral_disk_selector),
            boot_order: None,
            order: None,
            settings: None,
            local_boot: self.local_boot,
            loader: text(self.loader),
        };
        // All of this is of one machine, whatever has its name by then.
        let device = client.device(self.device).await?;
        let who = || DeviceRef::Id(device.id);
        let mut version = None;
        if !self.labels.is_empty() {
            // They are changed on what is there, so it must still be there.
            version = Some(Version::of_device(&device));
            patch.labels = Some(Some(changed(&device.labels, self.labels)?));
        }
        let before = client.device_settings(who()).await?;
        let before =
            serde_json::to_value(&before).map_err(|err| Failure::Local(err.to_string()))?;
        patch.settings = Some(self.config.patch(&before)).filter(|settings| !settings.is_empty());
        patch.order = self.order.map(Into::into);
        if patch == DevicePatch::default() {
            return Err(Failure::Usage(
                "nothing to change was given; see `ktizo device set --help`".to_owned(),
            ));
        }
        // One request, so that all of it is done or nothing.
        let device = match &version {
            Some(version) => client.update_device_of(who(), &patch, version).await?,
            None => client.update_device(who(), &patch).await?,
        };
        output.print(&device, show::details)
    }
}
