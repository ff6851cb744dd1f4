//! `ktizo device`.

mod add;
mod approve;
mod boots;
mod config;
mod identity;
mod label;
mod list;
mod log;
mod look;
mod many;
mod set;
mod settings;
mod show;
mod wipe;

use api::DeviceRef;
use api::types::Proof;
use clap::Subcommand;

use super::output::or_dash;
use super::progress::with_bar;
use super::{Failure, Remote};
use approve::Approve;
use many::{Delete, Order, Reject};
use set::SetDevice;

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
    List(list::List),
    /// Show one machine
    Show(One),
    /// Add a machine before it was ever seen
    Add(add::Add),
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
    Boots(boots::Boots),
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

impl DeviceArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            DeviceCommand::List(list) => list.run(&client, output).await,
            DeviceCommand::Show(one) => {
                let device = client.device(one.device).await?;
                output.print(&device, show::details)
            }
            DeviceCommand::Add(add) => add.run(&client, output).await,
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
            DeviceCommand::Boots(boots) => boots.run(&client, output).await,
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

/// What a machine is called that was named by its MAC, its number or its name.
fn named(device: &DeviceRef) -> String {
    match device {
        DeviceRef::Mac(mac) => mac.to_string(),
        DeviceRef::Id(id) => format!("machine {id}"),
        DeviceRef::Name(name) => name.to_string(),
    }
}
