//! What one machine told in one round, and what is written down of it.

use std::time::Duration;

use model::proof::{Testimony, Verdict, Word};
use model::{Actor, BootId, Device, DeviceId, KernelLogLine, ProofSource, StageRecord, Timestamp};
use netboot::net::taker::{NotTaken, Sender};
use store::{Error as StoreError, Lane, Store, Writer};
use tokio::sync::oneshot;

use super::Told;

/// One device in one round.
pub(super) struct Share {
    pub(super) device: Device,
    pub(super) testimony: Testimony,
    pub(super) facts: Vec<Fact>,
    changed: bool,
    /// When it was last heard by a connection, which nobody opens in another's name.
    heard: Option<Timestamp>,
    pub(super) events: Vec<oneshot::Sender<Result<(), NotTaken>>>,
    /// As they were told, for another try.
    pub(super) lines: Vec<Told>,
}

/// What has to be written down of one device in one round.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Step(StageRecord),
    Verdict(Verdict, ProofSource),
    Lines(Vec<KernelLogLine>),
}

/// That a machine was heard is written down this often at most, where it said nothing else worth a write.
const SEEN: Duration = Duration::from_secs(10);

impl Share {
    /// Nothing yet of a device that has told so much, and whose last boot is this one.
    pub(super) fn new(device: Device, boot: Option<BootId>, mut testimony: Testimony) -> Self {
        testimony.speaks_in(boot);
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

    fn take(&mut self, word: Word, by: ProofSource, sender: Sender, sure: bool) {
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
