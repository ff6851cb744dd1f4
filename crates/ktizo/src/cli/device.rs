//! `ktizo device`.

mod config;
mod label;
mod log;
mod set;
mod settings;
mod show;
mod wipe;

use std::io::Write as _;

use api::types::{
    ApproveDevice, BulkAction, BulkDevices, DecideIdentity, Device, NewDevice, Proof,
};
use api::{DeviceQuery, DeviceRef};
use clap::Subcommand;
use model::{ApprovalStatus, Hostname, IdentityDecision, LabelFilter, Labels, Role};
use std::net::Ipv4Addr;

use super::output::{or_dash, say};
use super::progress::with_bar;
use super::{Failure, Output, Remote, confirm};
use label::{LabelChange, changed};
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
    /// Let a machine in; what is not given is suggested
    Approve(Approve),
    /// Turn a machine away
    Reject(One),
    /// Order a wipe of a machine, for one boot within a day; it is confirmed with the machine's name
    Wipe(wipe::WipeDevice),
    /// Vouch that Talos is on the disk of a machine that did not say so itself
    Installed(One),
    /// Vouch that a machine is wiped that did not say so itself
    Wiped(One),
    /// Show or say who a machine is: decide a conflict, or whether a card is its
    Identity(Identity),
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
    /// Its MAC address in any spelling, or its number
    device: DeviceRef,
}

#[derive(Debug, clap::Args)]
struct Identity {
    /// Its MAC address in any spelling, or its number; to decide about another card of it, that card
    device: DeviceRef,
    /// It is what it shows: its mainboard was replaced, the card is its own, or two devices are one machine
    #[arg(long, group = "decision")]
    accept: bool,
    /// It is what was known: whoever shows something else is turned away
    #[arg(long, group = "decision")]
    keep: bool,
    /// They are two machines, and their UUID tells nothing
    #[arg(long, group = "decision")]
    split: bool,
}

impl Identity {
    const fn decision(&self) -> Option<IdentityDecision> {
        match (self.accept, self.keep, self.split) {
            (true, ..) => Some(IdentityDecision::Accept),
            (_, true, _) => Some(IdentityDecision::Keep),
            (.., true) => Some(IdentityDecision::Split),
            _ => None,
        }
    }
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those with this status
    #[arg(long, value_name = "pending|approved|rejected")]
    status: Option<ApprovalStatus>,
    /// Only those with this label
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Option<LabelFilter>,
    /// Only those whose MAC, name, address, serial, vendor, model, notes or labels have this text in them
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
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
    #[arg(long)]
    address: Option<Ipv4Addr>,
    /// controlplane or worker
    #[arg(long)]
    role: Option<Role>,
    /// Free text
    #[arg(long, default_value = "")]
    notes: String,
    /// A label, such as rack=r1; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<LabelChange>,
    #[command(flatten)]
    volume: Volume,
}

#[derive(Debug, clap::Args)]
struct Approve {
    /// Its MAC address in any spelling, or its number
    #[arg(required_unless_present = "all_pending")]
    device: Option<DeviceRef>,
    /// Let in every machine that waits, with what is suggested, after a look at it; all or none
    #[arg(long, conflicts_with_all = ["device", "hostname", "address", "notes", "endpoint_elsewhere"])]
    all_pending: bool,
    /// Its name as a node
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Its address as a node
    #[arg(long)]
    address: Option<Ipv4Addr>,
    /// controlplane or worker
    #[arg(long)]
    role: Option<Role>,
    /// Free text
    #[arg(long)]
    notes: Option<String>,
    #[command(flatten)]
    volume: Volume,
    /// A load balancer or a virtual address answers at the cluster's endpoint, so that the first control plane need not
    #[arg(long)]
    endpoint_elsewhere: bool,
    /// Take the suggestions for what is not given without asking
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct Delete {
    /// Its MAC address in any spelling, or its number
    device: DeviceRef,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct Boots {
    /// Its MAC address in any spelling, or its number
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
                    label: list.label,
                    q: list.search,
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
                let device = client.add_device(&add.body()?).await?;
                output.print(&device, show::details)
            }
            DeviceCommand::Set(set) => set.run(&client, output).await,
            DeviceCommand::Approve(approve) => approve.run(&client, output).await,
            DeviceCommand::Reject(one) => {
                let device = client.reject_device(one.device).await?;
                output.print(&device, |device| {
                    format!("{} is rejected: it gets no config, and its next network boot goes to its disk.", device.mac_address)
                })
            }
            DeviceCommand::Identity(identity) => {
                let device = match identity.decision() {
                    Some(decision) => {
                        let said = DecideIdentity {
                            decision,
                            since: None,
                        };
                        client.decide_identity(identity.device, &said).await?
                    }
                    None => client.device(identity.device).await?,
                };
                output.print(&device, show::identity)
            }
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
            DeviceCommand::Delete(delete) => {
                let device = client.device(delete.device).await?;
                let name = or_dash(device.hostname.as_ref());
                let question = format!(
                    "Forget {} ({name}, {}) and its config?",
                    device.mac_address, device.status
                );
                if !delete.yes && !confirm(&question)? {
                    return Err(Failure::Local(
                        "nothing was deleted; --yes does not ask".to_owned(),
                    ));
                }
                client.delete_device(delete.device).await?;
                output.print(&device, |device| {
                    format!(
                        "{} is forgotten; if it boots again it is new.",
                        device.mac_address
                    )
                })
            }
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

impl Approve {
    async fn run(self, client: &api::Client, output: Output) -> Result<(), Failure> {
        let Some(device) = self.device else {
            return approve_all(client, output, self.role, self.yes).await;
        };
        let mut body = ApproveDevice {
            hostname: self.hostname,
            ip_address: self.address,
            role: self.role,
            notes: self.notes,
            install_disk: self.volume.install_disk,
            ephemeral_min_size: self.volume.ephemeral_min_size,
            ephemeral_max_size: self.volume.ephemeral_max_size,
            ephemeral_disk_selector: self.volume.ephemeral_disk_selector,
            endpoint_elsewhere: self.endpoint_elsewhere,
        };
        if body.hostname.is_none() || body.ip_address.is_none() || body.role.is_none() {
            let suggested = client.suggestions(device).await?;
            body.hostname = body.hostname.or(suggested.hostname);
            body.ip_address = body.ip_address.or(suggested.ip_address);
            body.role = body.role.or(Some(suggested.role));
            let named = match device {
                DeviceRef::Mac(mac) => mac.to_string(),
                DeviceRef::Id(id) => format!("machine {id}"),
            };
            if body.install_disk.is_none() {
                writeln!(std::io::stderr(), "{}", suggested.disk_note)?;
            }
            let question = format!(
                "Approve {named} as {} {} with address {}?",
                or_dash(body.role.as_ref()),
                or_dash(body.hostname.as_ref()),
                or_dash(body.ip_address.as_ref())
            );
            if !self.yes && !confirm(&question)? {
                let hint = "nothing was approved; give --hostname, --address and --role, or --yes to take what is suggested";
                return Err(Failure::Local(format!("{question} {hint}")));
            }
        }
        let device = client.approve_device(device, &body).await?;
        output.print(&device, approved)
    }
}

/// Lets in every machine that waits, in portions that the server takes.
async fn approve_all(
    client: &api::Client,
    output: Output,
    role: Option<Role>,
    yes: bool,
) -> Result<(), Failure> {
    const PORTION: u64 = 250;
    let query = DeviceQuery {
        status: Some(ApprovalStatus::Pending),
        limit: Some(PORTION),
        ..DeviceQuery::default()
    };
    let waiting = client.devices(&query).await?;
    if waiting.is_empty() {
        return say("No machine waits for approval.");
    }
    let mut asked = BulkDevices {
        action: BulkAction::Approve,
        devices: waiting.iter().map(|device| device.id.to_string()).collect(),
        role,
        preview: true,
    };
    let preview = client.bulk(&asked).await?;
    let mut err = std::io::stderr();
    writeln!(err, "{}", show::approvals(&preview))?;
    if preview.refused > 0 {
        let why =
            "some cannot be approved, so none is; approve or reject those by themselves first";
        return Err(Failure::Local(why.to_owned()));
    }
    if !yes && !confirm(&format!("Approve these {}?", preview.devices.len()))? {
        let why = "nothing was approved; --yes does not ask";
        return Err(Failure::Local(why.to_owned()));
    }
    asked.preview = false;
    let done = client.bulk(&asked).await?;
    output.print(&done, |done| {
        format!("{} machines are approved.", done.devices.len())
    })
}

fn approved(device: &Device) -> String {
    format!(
        "{} is approved as {} {} with address {}. If it waits, it goes on now; else at its next network boot.",
        device.mac_address,
        or_dash(device.role.as_ref()),
        or_dash(device.hostname.as_ref()),
        or_dash(device.ip_address.as_ref())
    )
}
