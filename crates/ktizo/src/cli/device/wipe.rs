//! `ktizo device wipe`.

use api::types::GiveOrder;
use api::{Client, DeviceRef};
use model::{BootOrder, StandingOrder};

use super::show;
use crate::cli::output::or_dash;
use crate::cli::prompt;
use crate::cli::value::one_of;
use crate::cli::{Failure, Output};

/// What `ktizo device wipe` orders, or calls off.
#[derive(Debug, clap::Args)]
pub(super) struct WipeDevice {
    /// Its name, its MAC address in any spelling, or its number
    device: DeviceRef,
    /// The machine's name, which confirms the wipe; asked for if it is not given
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// What its network boots do once the wipe is proven
    #[arg(long, value_name = "ORDER", default_value = "menu", value_parser = one_of::<StandingOrder>(StandingOrder::WORDS))]
    then: StandingOrder,
    /// Call off the wipe that was ordered, or asked for at the machine's console
    #[arg(long, conflicts_with_all = ["confirm", "then"])]
    cancel: bool,
}

impl WipeDevice {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        if self.cancel {
            let before = client.device(self.device).await?;
            let device = client.decline_wipe(DeviceRef::Id(before.id)).await?;
            let had_one = before.wipe_on_next_boot || before.wipe_asked_at.is_some();
            return output.print(&device, |device| {
                let name = or_dash(device.hostname.as_ref());
                if had_one {
                    format!("The wipe of {} ({name}) is called off.", device.mac_address)
                } else {
                    format!(
                        "Nothing changed: no wipe of {} ({name}) is ordered or asked for.",
                        device.mac_address
                    )
                }
            });
        }
        let (who, confirm) = match self.confirm {
            Some(name) => (self.device, name),
            None => {
                let device = client.device(self.device).await?;
                // The very machine that was shown, whatever has its name by then.
                let who = DeviceRef::Id(device.id);
                let typed = prompt::line(&format!(
                    "This destroys all that is on the system disk of {} ({}) at its next network boot.\n\
                     Type its name to order that: ",
                    or_dash(device.hostname.as_ref()),
                    device.mac_address
                ))?;
                (who, typed)
            }
        };
        let given = GiveOrder {
            order: BootOrder::Wipe,
            confirm: Some(confirm),
            then: Some(self.then),
        };
        let device = client.give_order(who, &given).await?;
        output.print(&device, show::details)
    }
}
