//! The task that reads what machines tell, and writes down what it comes to.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::proof::{Testimony, Verdict};
use model::{Actor, Device, DeviceId, KernelLogLine, ProofSource, StageRecord, Timestamp};
use netboot::net::taker::{NotTaken, Sender};
use store::{Error as StoreError, Lane, Store, Writer};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::counters::{WitnessCounters, add};
use super::sender::{Address, Speaker, Stranger};
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
/// That a machine was heard is written down this often at most, where it said nothing else worth a write.
const SEEN: Duration = Duration::from_secs(10);
/// Machines whose testimony is kept in memory; another is read again when it speaks.
const KNOWN: usize = 512;
/// Lines that are kept for another try, after the store has failed.
const UNKEPT: usize = 4096;
/// And how long the next try waits.
const AGAIN: Duration = Duration::from_secs(2);

/// What has to be written down of one device in one round.
#[derive(Clone, Debug)]
enum Fact {
    Step(StageRecord),
    Verdict(Verdict, ProofSource),
    Lines(Vec<KernelLogLine>),
}

/// One device in one round.
pub(super) struct Share {
    device: Device,
    testimony: Testimony,
    facts: Vec<Fact>,
    changed: bool,
    /// When it was last heard by a connection, which nobody opens in another's name.
    heard: Option<Timestamp>,
    events: Vec<oneshot::Sender<Result<(), NotTaken>>>,
    /// As they were told, for another try.
    lines: Vec<Told>,
}

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
                    let share = shares
                        .entry(device.id)
                        .or_insert_with(|| Share::new(device.clone(), testimony.clone()));
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

impl Share {
    /// Nothing yet of a device that has told so much.
    pub(super) fn new(device: Device, testimony: Testimony) -> Self {
        Self {
            device,
            testimony,
            facts: Vec::new(),
            changed: false,
            heard: None,
            events: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Takes what the machine told next; without `sure`, it proves no wipe, for one may have been sent since the sender was looked up.
    pub(super) fn hear(&mut self, told: Told, sure: bool) {
        let sender = told.sender();
        if sender.connected || matches!(told, Told::Event { .. }) {
            self.heard = self.heard.max(Some(sender.at));
        }
        match told {
            Told::Event { event, taken, .. } => {
                let word = self.testimony.hear_event(&event, sender.at);
                self.take(word, ProofSource::Events, sender, sure);
                self.events.push(taken);
            }
            // They are kept, and prove nothing.
            Told::Lines { lines, .. } if !sender.connected => {
                self.facts.push(Fact::Lines(lines.clone()));
                self.lines.push(Told::Lines { sender, lines });
            }
            Told::Lines { lines, .. } => {
                let mut before = Vec::new();
                for line in &lines {
                    let word = self.testimony.hear_line(line, sender.at);
                    // A step may begin a boot, which the line then belongs to.
                    if !word.steps.is_empty() && !before.is_empty() {
                        self.facts.push(Fact::Lines(std::mem::take(&mut before)));
                    }
                    before.push(line.clone());
                    self.take(word, ProofSource::KernelLog, sender, sure);
                }
                self.facts.push(Fact::Lines(before));
                self.lines.push(Told::Lines { sender, lines });
            }
        }
    }

    fn take(&mut self, word: model::proof::Word, by: ProofSource, sender: Sender, sure: bool) {
        self.changed |= word.changed;
        for step in word.steps {
            self.facts.push(Fact::Step(StageRecord {
                stage: step.stage,
                at: sender.at,
                duration_us: None,
                bytes: None,
                retries: None,
                peer: Some(sender.peer),
                outcome: step.outcome,
                detail: step.detail,
            }));
        }
        let counts = |verdict: &Verdict| sure || *verdict != Verdict::Wiped;
        if let Some(verdict) = word.verdict.filter(counts) {
            self.facts.push(Fact::Verdict(verdict, by));
        }
    }

    /// Writes it down, all of it or nothing.
    pub(super) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let last = self.device.last_seen;
        let moves = |at: &Timestamp| last.is_none_or(|last| !at.is_soon_after(last, SEEN));
        let seen = self.heard.filter(moves).is_some();
        if !self.changed && self.facts.is_empty() && !seen {
            return Ok(());
        }
        let (device, testimony, facts) =
            (self.device.id, self.testimony.clone(), self.facts.clone());
        let actor = Actor::Device(self.device.mac);
        let write = store.write(Lane::Admin, actor, move |writer| {
            for fact in &facts {
                put(writer, device, fact)?;
            }
            if seen {
                writer.shown_itself(device)?;
            }
            writer.keep_testimony(device, &testimony)
        });
        write.await
    }
}

fn put(writer: &Writer<'_>, device: DeviceId, fact: &Fact) -> Result<(), StoreError> {
    match fact {
        Fact::Step(record) => writer.record_stage(device, record).map(drop),
        Fact::Verdict(verdict, by) => writer.take_verdict(device, verdict, *by).map(drop),
        Fact::Lines(lines) => writer.keep_kernel_lines(device, lines),
    }
}

fn answer(waiting: Vec<oneshot::Sender<Result<(), NotTaken>>>, taken: Result<(), NotTaken>) {
    for sender in waiting {
        // Whoever waited may have gone; the event comes again.
        let _ = sender.send(taken);
    }
}
