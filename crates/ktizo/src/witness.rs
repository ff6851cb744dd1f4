//! What machines tell of themselves, taken for what it proves.
//!
//! The receivers hand what they hear to one task, the [`Keeper`]: it finds the device behind each address, reads what its words come to,
//! and writes all of a round down together. An event is acknowledged when it is written down. None of it is in the way of a boot: it
//! goes through the store's admin lane, and where it is too much, machines wait with their reports.

mod counters;
mod keeper;
mod sender;
mod share;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use model::{KernelLogLine, TalosEvent};
use netboot::net::taker::{EventTaker, NotTaken, Sender};
use store::Store;
use tokio::sync::{mpsc, oneshot};

pub(crate) use counters::WitnessCounters;
pub(crate) use keeper::Keeper;

use crate::director::peers::Peers;

/// Takes what the receivers hear, and waits until the keeper has it.
#[derive(Debug)]
pub(crate) struct Witness {
    inbox: mpsc::Sender<Told>,
}

/// What one machine told.
#[derive(Debug)]
enum Told {
    Event {
        sender: Sender,
        event: TalosEvent,
        taken: oneshot::Sender<Result<(), NotTaken>>,
    },
    Lines {
        sender: Sender,
        lines: Vec<KernelLogLine>,
    },
}

impl Told {
    fn sender(&self) -> Sender {
        match self {
            Self::Event { sender, .. } | Self::Lines { sender, .. } => *sender,
        }
    }

    fn lines(&self) -> usize {
        match self {
            Self::Event { .. } => 0,
            Self::Lines { lines, .. } => lines.len(),
        }
    }
}

/// What may wait for the keeper: a round or two.
const WAITING: usize = 512;

impl Witness {
    /// A witness and its keeper, which has to run.
    pub(crate) fn new(
        store: Store,
        peers: Arc<Peers>,
        counters: Arc<WitnessCounters>,
    ) -> (Self, Keeper) {
        let (inbox, waiting) = mpsc::channel(WAITING);
        (Self { inbox }, Keeper::new(waiting, store, peers, counters))
    }
}

#[async_trait]
impl EventTaker for Witness {
    async fn event(&self, sender: Sender, event: TalosEvent) -> Result<(), NotTaken> {
        let (taken, answer) = oneshot::channel();
        let told = Told::Event {
            sender,
            event: event.masked(),
            taken,
        };
        self.inbox
            .send(told)
            .await
            .map_err(|_| NotTaken::Unavailable)?;
        answer.await.unwrap_or(Err(NotTaken::Unavailable))
    }

    async fn kernel_lines(&self, sender: Sender, lines: Vec<KernelLogLine>) {
        let lines = lines.into_iter().map(KernelLogLine::masked).collect();
        // The keeper ends after the receivers.
        let _ = self.inbox.send(Told::Lines { sender, lines }).await;
    }
}
