//! `ktizo device`.

mod approve;
mod config;
mod identity;
mod label;
mod log;
mod look;
mod many;
mod set;
mod settings;
mod show;
mod wipe;

use api::types::{NewDevice, Proof};
use api::{DeviceQuery, DeviceRef};
use clap::Subcommand;
use model::{ApprovalStatus, Arch, Hostname, LabelFilter, Labels, Role};
use std::net::Ipv4Addr;

use super::output::or_dash;
use super::progress::with_bar;
use super::{Failure, ROLES, Remote, address, one_of};
use approve::Approve;
use label::{LabelChange, changed};
use many::{Delete, Order, Reject};
use set::{SetDevice, Volume};

/// Machines.
#[derive(Debug, clap::Args)]
pub(super) struct DeviceArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// List machines
    List(List),
    /// Show one machine
    Show(One),
    /// Add a machine before it was ever seen
    Add(Add),
    /// Change a machine, or give it a boot order
    Set(Box<SetDevice>),
    /// Let machines in; what is not given is suggested
    Approve(Box<Approve>),
    /// Turn machines away
    Reject(Reject),
    /// Give machines a boot order
    Order(Order),
    /// Order a wipe of a machine, for one boot within a day; it is confirmed with the machine's name
    Wipe(wipe::WipeDevice),
    /// Vouch that Talos is on the disk of a machine that did not say so itself
    Installed(One),
    /// Vouch that a machine is wiped that did not say so itself
    Wiped(One),
    /// Show or say who a machine is: decide a conflict, or whether a card is its
    Identity(identity::Identity),
    /// Let a machine that is still trying fetch its config for another 3 hours
    Release(One),
    /// Forget a machine, with its config
    Delete(Delete),
    /// Show the boots of a machine, stage by stage
    Boots(Boots),
    /// Show the script that a machine's next boot would get, and why; nothing of it happens
    Script(One),
    /// Show the kernel log that a machine sent while it ran Talos
    Log(log::Log),
    /// The config of a machine: show, preview, diff, explain
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make the configs of all approved machines anew
    Regenerate,
}

/// One machine.
#[derive(Debug, clap::Args)]
struct One {
    /// Its name, its MAC address in any spelling, or its number
    device: DeviceRef,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those with this status
    #[arg(long, value_parser = one_of::<ApprovalStatus>(&["pending", "approved", "rejected"]))]
    status: Option<ApprovalStatus>,
    /// Only those with this role
    #[arg(long, value_parser = one_of::<Role>(ROLES))]
    role: Option<Role>,
    /// Only those with this processor
    #[arg(long, value_parser = one_of::<Arch>(&["amd64", "arm64"]))]
    arch: Option<Arch>,
    /// Only those with this label
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Option<LabelFilter>,
    /// Only those that need a person: their install failed, their wipe waits for a word, or it is undecided who they are
    #[arg(long)]
    needs_person: bool,
    /// Only those whose MAC, name, address, serial, vendor, model, notes or labels have this text in them
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// In the order of this field, such as hostname, ip_address, status or last_seen; with - before it, the other way round
    #[arg(long, value_name = "[-]FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Leave out the first ones
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    skip: u64,
    /// List no more than this
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its MAC address in any spelling
    mac: model::MacAddr,
    /// Its name as a node
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Its address as a node
    #[arg(long, value_parser = address)]
    address: Option<Ipv4Addr>,
    /// Its role as a node
    #[arg(long, value_parser = one_of::<Role>(ROLES))]
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

#[derive(Debug, clap::Args)]
struct Boots {
    /// Its name, its MAC address in any spelling, or its number
    device: DeviceRef,
    /// Show no more than this
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    limit: u64,
}

impl DeviceArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            DeviceCommand::List(list) => {
                let query = DeviceQuery {
                    status: list.status,
                    role: list.role,
                    arch: list.arch,
                    label: list.label,
                    needs_person: list.needs_person,
                    q: list.search,
                    sort: list.sort,
                    skip: list.skip,
                    limit: list.limit,
                };
                let devices = client.devices(&query).await?;
                output.print(&devices, |devices| show::table(devices))
            }
            DeviceCommand::Show(one) => {
                let device = client.device(one.device).await?;
                output.print(&device, show::details)
            }
            DeviceCommand::Add(add) => {
                let if_new = add.if_new;
                let body = add.body()?;
                let device = if if_new {
                    client.register_device(&body).await?
                } else {
                    client.add_device(&body).await?
                };
                output.print(&device, show::details)
            }
            DeviceCommand::Set(set) => set.run(&client, output).await,
            DeviceCommand::Approve(approve) => approve.run(&client, output).await,
            DeviceCommand::Reject(reject) => reject.run(&client, output).await,
            DeviceCommand::Order(order) => order.run(&client, output).await,
            DeviceCommand::Identity(identity) => identity.run(&client, output).await,
            DeviceCommand::Release(one) => {
                let device = client.renew_release(one.device).await?;
                output.print(&device, |device| {
                    let until = device.config_token.as_ref();
                    let until = until.map(|token| token.expires_at.minute());
                    format!(
                        "{} may fetch its config with the token it has until {}.",
                        device.mac_address,
                        or_dash(until.as_ref())
                    )
                })
            }
            DeviceCommand::Wipe(wipe) => wipe.run(&client, output).await,
            DeviceCommand::Installed(one) => {
                let device = client.vouch(one.device, Proof::Installed).await?;
                output.print(&device, show::details)
            }
            DeviceCommand::Wiped(one) => {
                let device = client.vouch(one.device, Proof::Wiped).await?;
                output.print(&device, show::details)
            }
            DeviceCommand::Delete(delete) => delete.run(&client, output).await,
            DeviceCommand::Boots(boots) => {
                let found = client.boots(boots.device, boots.limit).await?;
                output.print(&found, |found| show::boots(found))
            }
            DeviceCommand::Script(one) => {
                let preview = client.script(one.device).await?;
                output.print(&preview, show::script)
            }
            DeviceCommand::Log(log) => log.run(&client, output).await,
            DeviceCommand::Config(command) => command.run(&client, output).await,
            DeviceCommand::Regenerate => {
                let done = with_bar(&client, client.regenerate()).await?;
                output.print(&done, |done| done.message.clone())
            }
        }
    }
}

impl Add {
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

/// What a machine is called that was named by its MAC, its number or its name.
fn named(device: &DeviceRef) -> String {
    match device {
        DeviceRef::Mac(mac) => mac.to_string(),
        DeviceRef::Id(id) => format!("machine {id}"),
        DeviceRef::Name(name) => name.to_string(),
    }
}
