//! `ktizo device add`.

use std::net::Ipv4Addr;

use api::Client;
use api::types::NewDevice;
use model::{Hostname, Labels, Role};

use super::label::{LabelChange, changed};
use super::set::Volume;
use super::show;
use crate::cli::value::{address, one_of};
use crate::cli::{Failure, Output};

/// A machine that was never seen.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Its MAC address in any spelling
    mac: model::MacAddr,
    /// Its name as a node
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Its address as a node
    #[arg(long, value_parser = address)]
    address: Option<Ipv4Addr>,
    /// Its role as a node
    #[arg(long, value_parser = one_of::<Role>(Role::WORDS))]
    role: Option<Role>,
    /// Free text
    #[arg(long, default_value = "")]
    notes: String,
    /// A label, such as rack=r1; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<LabelChange>,
    #[command(flatten)]
    volume: Volume,
    /// Leave it as it is if it is known already, for scripts that may run twice
    #[arg(long)]
    if_new: bool,
}

impl Add {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let if_new = self.if_new;
        let body = self.body()?;
        let device = if if_new {
            client.register_device(&body).await?
        } else {
            client.add_device(&body).await?
        };
        output.print(&device, show::details)
    }

    fn body(self) -> Result<NewDevice, Failure> {
        Ok(NewDevice {
            hostname: self.hostname,
            ip_address: self.address,
            role: self.role,
            notes: self.notes,
            labels: changed(&Labels::default(), self.labels)?,
            install_disk: self.volume.install_disk,
            ephemeral_min_size: self.volume.ephemeral_min_size,
            ephemeral_max_size: self.volume.ephemeral_max_size,
            ephemeral_disk_selector: self.volume.ephemeral_disk_selector,
            ..NewDevice::new(self.mac)
        })
    }
}
