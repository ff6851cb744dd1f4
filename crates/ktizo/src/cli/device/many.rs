//! `ktizo device reject`, `order` and `delete`: the same for one machine or for several, all or none.

use api::types::{BulkAction, BulkDevices, GiveOrder};
use api::{Client, DeviceRef};
use model::StandingOrder;

use super::named;
use crate::cli::output::or_dash;
use crate::cli::{Failure, ORDERS, Output, confirmed, one_of};

/// The machines of `ktizo device reject`.
#[derive(Debug, clap::Args)]
pub(super) struct Reject {
    /// Its name, its MAC address in any spelling, or its number; several are turned away together, all or none
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<DeviceRef>,
}

/// The machines of `ktizo device order`.
#[derive(Debug, clap::Args)]
pub(super) struct Order {
    /// What the next network boot does; the same order may be given again
    #[arg(value_parser = one_of::<StandingOrder>(ORDERS))]
    order: StandingOrder,
    /// Its name, its MAC address in any spelling, or its number; several get it together, all or none
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<DeviceRef>,
}

/// The machines of `ktizo device delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    /// Its name, its MAC address in any spelling, or its number; several are forgotten together, all or none
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
        let told = |count| {
            format!(
                "{count} machines are rejected: they get no config, and their next network boot goes to their disks."
            )
        };
        together(client, output, BulkAction::Reject, &self.devices, told).await
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
        let told = |count| format!("The next network boot of {count} machines: {order}.");
        let action = BulkAction::Order { order };
        together(client, output, action, &self.devices, told).await
    }
}

impl Delete {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let ask = |question: &str| confirmed(question, self.yes, "nothing was deleted");
        if let [one] = self.devices.as_slice() {
            let device = client.device(one.clone()).await?;
            let name = or_dash(device.hostname.as_ref());
            ask(&format!(
                "Forget {} ({name}, {}) and its config?",
                device.mac_address, device.status
            ))?;
            // The very machine that was shown, whatever has its name by then.
            client.delete_device(DeviceRef::Id(device.id)).await?;
            return output.print(&device, |device| {
                format!(
                    "{} is forgotten; if it boots again it is new.",
                    device.mac_address
                )
            });
        }
        let count = self.devices.len();
        ask(&format!("Forget these {count} machines and their configs?"))?;
        let told = |count| format!("{count} machines are forgotten; if one boots again it is new.");
        together(client, output, BulkAction::Delete, &self.devices, told).await
    }
}

async fn together(
    client: &Client,
    output: Output,
    action: BulkAction,
    devices: &[DeviceRef],
    told: impl Fn(usize) -> String,
) -> Result<(), Failure> {
    let asked = BulkDevices {
        action,
        devices: devices.iter().map(ToString::to_string).collect(),
        role: None,
        preview: false,
        seen: None,
    };
    let done = client.bulk(&asked).await?;
    output.print(&done, |done| told(done.devices.len()))
}
