//! `ktizo device reject`, `order` and `delete`: the same for one machine or for several, all or none.

use api::types::{BulkAction, BulkDevices, GiveOrder};
use api::{Client, DeviceRef};
use model::StandingOrder;

use super::look::Look;
use super::{named, show};
use crate::cli::output::or_dash;
use crate::cli::value::standing_order;
use crate::cli::{Failure, Output, confirmed};

/// The machines of `ktizo device reject`.
#[derive(Debug, clap::Args)]
pub(super) struct Reject {
    /// Its name, its MAC address in any spelling, or its number; several are turned away together after a look at them, all or none
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<DeviceRef>,
    /// Do not ask where several are named
    #[arg(long, short)]
    yes: bool,
}

/// The machines of `ktizo device order`.
#[derive(Debug, clap::Args)]
pub(super) struct Order {
    /// What the next network boot does; the same order may be given again
    #[arg(value_parser = standing_order())]
    order: StandingOrder,
    /// Its name, its MAC address in any spelling, or its number; several get it together after a look at them, all or none
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<DeviceRef>,
    /// Do not ask where several are named
    #[arg(long, short)]
    yes: bool,
}

/// The machines of `ktizo device delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    /// Its name, its MAC address in any spelling, or its number; several are forgotten together after a look at them, all or none
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<DeviceRef>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Reject {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        if let [one] = self.devices.as_slice() {
            let device = client.reject_device(one.clone()).await?;
            return output.print(&device, |device| {
                format!(
                    "{} is rejected: it gets no config, and its next network boot goes to its disk.",
                    device.mac_address
                )
            });
        }
        let together = Together {
            action: BulkAction::Reject,
            devices: self.devices,
            yes: self.yes,
            otherwise: "nothing was rejected",
        };
        let question = |count| format!("Reject these {count} machines?");
        let told = |count| {
            format!(
                "{count} machines are rejected: they get no config, and their next network boot goes to their disks."
            )
        };
        together.run(client, output, question, told).await
    }
}

impl Order {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let order = self.order;
        if let [one] = self.devices.as_slice() {
            let given = GiveOrder::standing(order);
            let device = client.give_order(one.clone(), &given).await?;
            return output.print(&device, |_| {
                format!("The next network boot of {}: {order}.", named(one))
            });
        }
        let together = Together {
            action: BulkAction::Order { order },
            devices: self.devices,
            yes: self.yes,
            otherwise: "nothing was ordered",
        };
        let question = |count| format!("Order {order} for these {count} machines?");
        let told = |count| format!("The next network boot of {count} machines: {order}.");
        together.run(client, output, question, told).await
    }
}

impl Delete {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        if let [one] = self.devices.as_slice() {
            let device = client.device(one.clone()).await?;
            let name = or_dash(device.hostname.as_ref());
            let question = format!(
                "Forget {} ({name}, {}) and its config?",
                device.mac_address, device.status
            );
            confirmed(&question, self.yes, "nothing was deleted")?;
            // The very machine that was shown, whatever has its name by then.
            client.delete_device(DeviceRef::Id(device.id)).await?;
            return output.print(&device, |device| {
                format!(
                    "{} is forgotten; if it boots again it is new.",
                    device.mac_address
                )
            });
        }
        let together = Together {
            action: BulkAction::Delete,
            devices: self.devices,
            yes: self.yes,
            otherwise: "nothing was deleted",
        };
        let question = |count| format!("Forget these {count} machines and their configs?");
        let told = |count| format!("{count} machines are forgotten; if one boots again it is new.");
        together.run(client, output, question, told).await
    }
}

/// The same for several machines.
struct Together {
    action: BulkAction,
    devices: Vec<DeviceRef>,
    yes: bool,
    otherwise: &'static str,
}

impl Together {
    async fn run(
        self,
        client: &Client,
        output: Output,
        question: impl Fn(usize) -> String,
        told: impl Fn(usize) -> String,
    ) -> Result<(), Failure> {
        let asked = BulkDevices {
            action: self.action,
            devices: self.devices.iter().map(ToString::to_string).collect(),
            role: None,
            preview: true,
            seen: None,
        };
        let look = Look {
            table: show::effects,
            question,
            yes: self.yes,
            otherwise: self.otherwise.to_owned(),
        };
        let done = look.then_do(client, asked).await?;
        output.print(&done, |done| told(done.devices.len()))
    }
}
