//! What is written down of boots without making them wait: sights, stages, deliveries and refusals.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{
    Actor, BootStage, Clock, EventKind, Inventory, MacAddr, SeenBy, Sha256Digest, StageOutcome,
    StageRecord, Timestamp,
};
use netboot::director::Observation;
use store::Store;

use super::log_budget::LogBudget;

/// Hands to the store's writer what nobody waits for.
pub(super) struct Sightings {
    store: Store,
    clock: Arc<dyn Clock>,
    /// When a refusal of a machine was last made an event: Talos asks again and again, and so would a flood.
    refusals: Mutex<HashMap<(MacAddr, String), Timestamp>>,
    log: LogBudget,
}

/// A machine's refusals for the same reason make one event in this time.
const REFUSAL_PAUSE: Duration = Duration::from_secs(60);
/// More refusals than this are not told apart; what is beyond makes no event of its own.
const REFUSAL_LIMIT: usize = 4096;

impl Sightings {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            refusals: Mutex::default(),
            log: LogBudget::default(),
        }
    }

    /// Whether a line may be written; where a flood left lines out, that is said first.
    fn may_log(&self) -> bool {
        let left_out = self.log.allow(self.clock.now());
        if let Some(count @ 1..) = left_out {
            tracing::warn!(
                count,
                "{count} lines about machines were left out, for there were too many in a second"
            );
        }
        left_out.is_some()
    }

    /// A machine was heard of.
    pub(super) fn sight(&self, mac: MacAddr, inventory: &Inventory, by: SeenBy) {
        let inventory = inventory.clone();
        let taken = self.store.submit(Actor::Device(mac), move |writer| {
            writer.sight(mac, &inventory, by).map(|_| ())
        });
        if !taken && self.may_log() {
            tracing::warn!(%mac, "too many machines at once: a sight was not written down");
        }
    }

    /// A machine took a step.
    pub(super) fn stage(&self, mac: MacAddr, seen: Observation) {
        let now = self.clock.now();
        let began = now.minus(seen.duration.unwrap_or_default());
        let record = StageRecord {
            stage: seen.stage,
            at: began,
            duration_us: seen
                .duration
                .map(|spent| u64::try_from(spent.as_micros()).unwrap_or(u64::MAX)),
            bytes: seen.bytes,
            retries: seen.retries,
            peer: (!seen.peer.is_unspecified()).then_some(seen.peer),
            outcome: seen.outcome,
            detail: seen.detail,
        };
        // The text reads alone; the fields are for programs.
        if self.may_log() {
            tracing::info!(
                %mac, stage = %record.stage, bytes = record.bytes,
                peer = record.peer.map(tracing::field::display),
                "{mac} {} {}: {}", record.stage, record.outcome, record.detail
            );
        }
        self.record(mac, record);
    }

    /// A step that ktizo itself decided, such as to hold a machine.
    pub(super) fn decided(
        &self,
        mac: MacAddr,
        stage: BootStage,
        outcome: StageOutcome,
        peer: IpAddr,
        detail: String,
    ) {
        self.stage(
            mac,
            Observation {
                mac: Some(mac),
                peer,
                stage,
                duration: None,
                bytes: None,
                retries: None,
                outcome,
                detail,
            },
        );
    }

    fn record(&self, mac: MacAddr, record: StageRecord) {
        let stage = record.stage;
        let taken = self.store.submit(Actor::Device(mac), move |writer| {
            // A machine that was forgotten or deleted in the meantime has no timeline.
            match writer.device_by_mac(mac)? {
                Some(device) => writer.record_stage(device.id, &record).map(|_| ()),
                None => Ok(()),
            }
        });
        if !taken && self.may_log() {
            tracing::warn!(%mac, %stage, "too many machines at once: a boot stage was not written down");
        }
    }

    /// A config went out whole, or broke off; which one, as far as it is known.
    pub(super) fn config_delivered(
        &self,
        mac: MacAddr,
        seen: &Observation,
        config: Option<Sha256Digest>,
    ) {
        let whole = seen.outcome == StageOutcome::Done;
        let (peer, bytes) = (seen.peer, seen.bytes.unwrap_or(0));
        let taken = self.store.submit(Actor::Device(mac), move |writer| {
            let Some(device) = writer.device_by_mac(mac)? else {
                return Ok(());
            };
            if !whole {
                return writer.config_not_delivered(device.id);
            }
            let in_force = writer.config(device.id)?.map(|config| config.sha256);
            let Some(sha256) = config.or(in_force) else {
                return Ok(());
            };
            writer.config_served(device.id, sha256)?;
            let what = EventKind::ConfigServed {
                peer,
                bytes,
                sha256,
            };
            writer.event(Some(&device), what)?;
            Ok(())
        });
        if !taken {
            tracing::warn!(%mac, "too many machines at once: a config download was not written down");
        }
    }

    /// A config was asked for and refused.
    pub(super) fn config_refused(&self, mac: MacAddr, peer: IpAddr, reason: &str) {
        let now = self.clock.now();
        {
            let mut refusals = self
                .refusals
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            refusals.retain(|_, at| now.is_soon_after(*at, REFUSAL_PAUSE));
            let refusal = (mac, reason.to_owned());
            if refusals.contains_key(&refusal) || refusals.len() >= REFUSAL_LIMIT {
                return;
            }
            refusals.insert(refusal, now);
        }
        let event = EventKind::ConfigRefused {
            peer,
            reason: reason.to_owned(),
        };
        self.store.submit(Actor::Device(mac), move |writer| {
            let device = writer.device_by_mac(mac)?;
            writer.event(device.as_ref(), event).map(|_| ())
        });
        self.decided(
            mac,
            BootStage::Config,
            StageOutcome::Refused,
            peer,
            reason.to_owned(),
        );
    }
}
