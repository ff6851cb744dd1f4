//! `ktizo device identity`.

use std::io::Write as _;

use api::types::DecideIdentity;
use api::{Client, DeviceRef};
use model::IdentityDecision;

use super::{named, show};
use crate::cli::{Failure, Output, confirmed};

/// Who a machine is, and what a person says of it.
#[derive(Debug, clap::Args)]
pub(super) struct Identity {
    /// Its name, its MAC address in any spelling, or its number; to decide about another card of it, that card
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
    /// Do not ask where it is decided already: a machine that was turned away is accepted after all, or a card is taken away
    #[arg(long, short, requires = "decision", conflicts_with = "keep")]
    yes: bool,
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

    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let device = client.device(self.device.clone()).await?;
        let Some(decision) = self.decision() else {
            return output.print(&device, show::identity);
        };
        // Of the machine and the conflict that were shown, whatever came in their place by then. A card is named by itself.
        let since = device.identity_conflict.as_ref().map(|it| it.since);
        let is_card = matches!(self.device, DeviceRef::Mac(mac) if mac != device.mac_address);
        let who = match self.device {
            DeviceRef::Mac(mac) if is_card => DeviceRef::Mac(mac),
            _ => DeviceRef::Id(device.id),
        };
        writeln!(std::io::stderr(), "{}", show::identity(&device))?;
        let mac = device.mac_address;
        // Where nobody was turned away there is nothing to ask about: the daemon says so.
        let question = match (decision, since) {
            (IdentityDecision::Accept, None) if !is_card && device.turned_away => Some(format!(
                "Nothing is undecided about {mac}. Accept the machine that was turned away last?"
            )),
            (IdentityDecision::Split, None) if is_card => Some(format!(
                "Take the card {} away from {mac}, as that of another machine? Their UUID tells nothing from then on.",
                named(&who)
            )),
            _ => None,
        };
        if let Some(question) = question {
            confirmed(&question, self.yes, "nothing was decided")?;
        }
        let said = DecideIdentity { decision, since };
        let device = client.decide_identity(who, &said).await?;
        output.print(&device, show::identity)
    }
}
