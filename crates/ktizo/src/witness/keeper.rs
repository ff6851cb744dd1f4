//! The task that reads what machines tell, and writes down what it comes to.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::DeviceId;
use model::proof::Testimony;
use netboot::net::taker::NotTaken;
use store::{Error as StoreError, Lane, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::counters::{WitnessCounters, add};
use super::sender::{Address, Speaker, Stranger};
use super::share::{Fact, Share};
use crate::director::peers::Peers;

/// Reads and writes down; ends when told to, once it has written down all that was told.
pub(crate) struct Keeper {
    inbox: mpsc::Receiver<Told>,
    store: Store,
    peers: Arc<Peers>,
    counters: Arc<WitnessCounters>,
    /// What machines have told so far, as it is written down; of those heard last, with the round in which they were.
    known: HashMap<DeviceId, (u64, Testimony)>,
    round: u64,
    /// Lines that could not be written down yet.
    unkept: Vec<Told>,
}

/// The most that is taken in one round.
const ROUND: usize = 256;
/// Kernel log lines are gathered for so long, if nobody waits for an answer.
const GATHER: Duration = Duration::from_millis(300);
/// And no longer than until there are so many.
const LINES: usize = 1024;
/// Machines whose testimony is kept in memory; another is read again when it speaks.
const KNOWN: usize = 512;
/// Lines that are kept for another try, after the store has failed.
const UNKEPT: usize = 4096;
/// And how long the next try waits.
const AGAIN: Duration = Duration::from_secs(2);

impl Keeper {
    pub(super) fn new(
        inbox: mpsc::Receiver<Told>,
        store: Store,
        peers: Arc<Peers>,
        counters: Arc<WitnessCounters>,
    ) -> Self {
        Self {
            inbox,
            store,
            peers,
            counters,
            known: HashMap::new(),
            round: 0,
            unkept: Vec::new(),
        }
    }

    /// Keeps until `stop` is cancelled, and then what was told by then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let retry = !self.unkept.is_empty();
            let first = tokio::select! {
                told = self.inbox.recv() => told,
                () = stop.cancelled() => break,
                () = tokio::time::sleep(AGAIN), if retry => None,
            };
            if first.is_none() && !retry {
                return;
            }
            self.take_round(first, &stop).await;
        }
        self.inbox.close();
        while let Some(told) = self.inbox.recv().await {
            self.take_round(Some(told), &stop).await;
        }
        if !self.unkept.is_empty() {
            self.take_round(None, &stop).await;
        }
    }

    async fn take_round(&mut self, first: Option<Told>, stop: &CancellationToken) {
        let mut round = std::mem::take(&mut self.unkept);
        round.extend(first);
        self.gather(&mut round, stop).await;
        self.round += 1;
        self.keep(round).await;
        if self.known.len() > KNOWN {
            self.forget();
        }
    }

    /// Takes what waits, and waits a little for more lines while nobody waits for an answer.
    async fn gather(&mut self, round: &mut Vec<Told>, stop: &CancellationToken) {
        let end = Instant::now() + GATHER;
        loop {
            while round.len() < ROUND
                && let Ok(told) = self.inbox.try_recv()
            {
                round.push(told);
            }
            let is_awaited = round.iter().any(|told| matches!(told, Told::Event { .. }));
            let lines: usize = round.iter().map(Told::lines).sum();
            if is_awaited || lines >= LINES || round.len() >= ROUND {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                told = timeout_at(end, self.inbox.recv()) => match told {
                    Ok(Some(told)) => round.push(told),
                    Ok(None) | Err(_) => return,
                },
            }
        }
    }

    /// Writes a round down, and answers those who wait.
    async fn keep(&mut self, round: Vec<Told>) {
        let found = match self.find(&round).await {
            Ok(found) => found,
            Err(err) => {
                tracing::error!(%err, "the database did not say which machines report");
                return self.put_off(round);
            }
        };
        let mut shares: BTreeMap<DeviceId, Share> = BTreeMap::new();
        for told in round {
            match found.get(&told.sender().peer) {
                Some(Ok((speaker, testimony))) => {
                    let device = &speaker.device;
                    let share = shares.entry(device.id).or_insert_with(|| {
                        Share::new(device.clone(), speaker.boot, testimony.clone())
                    });
                    share.hear(told, speaker.is_sure);
                }
                Some(Err(why)) => self.turn_away(told, *why),
                None => self.turn_away(told, Stranger::Unknown),
            }
        }
        let mut writes = JoinSet::new();
        for share in shares.into_values() {
            let store = self.store.clone();
            writes.spawn(async move {
                let kept = share.write(&store).await;
                (share, kept)
            });
        }
        while let Some(written) = writes.join_next().await {
            match written {
                Ok((share, kept)) => self.settle(share, kept),
                Err(err) => tracing::error!(%err, "reports of a machine were not kept"),
            }
        }
    }

    /// The device behind each address, with what it has told before.
    async fn find(
        &self,
        round: &[Told],
    ) -> Result<HashMap<IpAddr, Result<(Speaker, Testimony), Stranger>>, StoreError> {
        let mut addresses: Vec<Address> = Vec::new();
        for told in round {
            let sender = told.sender();
            if !addresses.iter().any(|known| known.peer == sender.peer) {
                addresses.push(Address::look(sender.peer, &self.peers, sender.at));
            }
        }
        let read = self.store.read(Lane::Admin, move |reader| {
            let mut found = Vec::new();
            for address in addresses {
                found.push((address.peer, address.device(reader)?));
            }
            Ok(found)
        });
        let mut found = HashMap::new();
        let mut unread = Vec::new();
        for (peer, speaker) in read.await? {
            match speaker {
                Err(why) => {
                    found.insert(peer, Err(why));
                }
                Ok(speaker) => match self.known.get(&speaker.device.id) {
                    Some((_, testimony)) => {
                        found.insert(peer, Ok((speaker, testimony.clone())));
                    }
                    None => unread.push((peer, speaker)),
                },
            }
        }
        if !unread.is_empty() {
            let read = self.store.read(Lane::Admin, move |reader| {
                let mut read = Vec::new();
                for (peer, speaker) in unread {
                    let testimony = reader.testimony(speaker.device.id)?;
                    read.push((peer, Ok((speaker, testimony))));
                }
                Ok(read)
            });
            found.extend(read.await?);
        }
        Ok(found)
    }

    /// Takes note that a share is written down, or was not.
    fn settle(&mut self, share: Share, kept: Result<(), StoreError>) {
        let device = share.device.id;
        let mac = share.device.mac;
        match kept {
            Ok(()) => {
                let lines = share.lines.iter().map(Told::lines).sum();
                let steps = share.facts.iter();
                let steps = steps.filter(|fact| matches!(fact, Fact::Step(_))).count();
                add(&self.counters.events, share.events.len());
                add(&self.counters.lines, lines);
                add(&self.counters.steps, steps);
                for fact in &share.facts {
                    if let Fact::Step(step) = fact {
                        tracing::info!(
                            %mac, stage = %step.stage,
                            "{mac} {} {}: {}", step.stage, step.outcome, step.detail
                        );
                    }
                }
                self.known.insert(device, (self.round, share.testimony));
                answer(share.events, Ok(()));
            }
            Err(StoreError::NoSuchDevice(_)) => {
                self.known.remove(&device);
                let lines: usize = share.lines.iter().map(Told::lines).sum();
                let number = (share.events.len() + lines) as u64;
                self.counters.strange(Stranger::Unknown, number);
                answer(share.events, Err(NotTaken::Stranger));
            }
            Err(err) => {
                // The next word is read from what is written down.
                self.known.remove(&device);
                tracing::warn!(%mac, %err, "what a machine told could not be written down");
                answer(share.events, Err(NotTaken::Unavailable));
                self.put_off(share.lines);
            }
        }
    }

    /// Keeps lines for another try; events come again by themselves.
    fn put_off(&mut self, round: Vec<Told>) {
        let mut waiting: usize = self.unkept.iter().map(Told::lines).sum();
        for told in round {
            match told {
                Told::Event { taken, .. } => answer(vec![taken], Err(NotTaken::Unavailable)),
                Told::Lines { .. } if waiting < UNKEPT => {
                    waiting += told.lines();
                    self.unkept.push(told);
                }
                Told::Lines { lines, .. } => add(&self.counters.lost_lines, lines.len()),
            }
        }
    }

    fn turn_away(&self, told: Told, why: Stranger) {
        let peer = told.sender().peer;
        tracing::debug!(%peer, reason = why.as_str(), "a report proves nothing");
        match told {
            Told::Event { taken, .. } => {
                self.counters.strange(why, 1);
                answer(vec![taken], Err(NotTaken::Stranger));
            }
            Told::Lines { lines, .. } => self.counters.strange(why, lines.len() as u64),
        }
    }

    /// Forgets the half of the machines that was not heard for longest: what they told is written down.
    fn forget(&mut self) {
        let mut rounds: Vec<u64> = self.known.values().map(|(round, _)| *round).collect();
        rounds.sort_unstable();
        let middle = rounds[rounds.len() / 2];
        self.known.retain(|_, (round, _)| *round > middle);
    }
}

fn answer(waiting: Vec<oneshot::Sender<Result<(), NotTaken>>>, taken: Result<(), NotTaken>) {
    for sender in waiting {
        // Whoever waited may have gone; the event comes again.
        let _ = sender.send(taken);
    }
}
