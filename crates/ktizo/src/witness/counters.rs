//! What the witness has done.

use std::sync::atomic::{AtomicU64, Ordering};

use api::Sample;

use super::sender::Stranger;

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct WitnessCounters {
    /// Events that are written down, or that said nothing to be written down.
    pub(super) events: AtomicU64,
    /// Kernel log lines that are written down.
    pub(super) lines: AtomicU64,
    /// Kernel log lines that could not be.
    pub(super) lost_lines: AtomicU64,
    /// Steps that went into a timeline.
    pub(super) steps: AtomicU64,
    /// Events and lines of those who are not heard, by reason.
    strangers: [AtomicU64; Stranger::ALL.len()],
}

impl WitnessCounters {
    /// Counts events or lines of somebody who is not heard.
    pub(super) fn strange(&self, why: Stranger, number: u64) {
        self.strangers[why as usize].fetch_add(number, Ordering::Relaxed);
    }

    /// How many were not heard for a reason.
    pub(super) fn strangers(&self, why: Stranger) -> u64 {
        self.strangers[why as usize].load(Ordering::Relaxed)
    }

    /// The counts, for metrics.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counter = |name, help, count| Sample::counter(name, help, &[], read(count));
        let mut samples = vec![
            counter(
                "ktizo_witness_events",
                "Events of machines that were taken and kept",
                &self.events,
            ),
            counter(
                "ktizo_witness_lines",
                "Kernel log lines of machines that were kept",
                &self.lines,
            ),
            counter(
                "ktizo_witness_lost_lines",
                "Kernel log lines of machines that could not be kept",
                &self.lost_lines,
            ),
            counter(
                "ktizo_witness_steps",
                "Steps that machines told of and that went into a timeline",
                &self.steps,
            ),
        ];
        for why in Stranger::ALL {
            samples.push(Sample::counter(
                "ktizo_witness_unheard",
                "Events and kernel log lines of senders that prove nothing, by reason",
                &[("reason", why.as_str())],
                self.strangers(why),
            ));
        }
        samples
    }
}

/// Adds `number`.
pub(super) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}
