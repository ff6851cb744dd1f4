//! How long the database takes, from the call to the answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Lane;

/// Upper bounds of the buckets, in seconds; the last bucket has none.
pub const LATENCY_BOUNDS: [f64; 8] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Counts of one kind of request.
#[derive(Debug, Default)]
struct Counts {
    buckets: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// Counts by kind of request and lane.
#[derive(Debug, Default)]
pub(crate) struct Latencies([[Counts; 2]; 2]);

/// How long requests of one kind in one lane took since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// `read` or `write`.
    pub kind: &'static str,
    /// `boot` or `admin`.
    pub lane: &'static str,
    /// Requests in each bucket, the last one beyond all of [`LATENCY_BOUNDS`].
    pub buckets: Vec<u64>,
    /// All their times together, in seconds.
    pub sum: f64,
}

/// The words for the kinds of request.
const KINDS: [&str; 2] = ["read", "write"];
/// The words for the lanes.
const LANES: [&str; 2] = ["boot", "admin"];

/// A read.
pub(crate) const READ: usize = 0;
/// A change.
pub(crate) const WRITE: usize = 1;

impl Latencies {
    /// Counts a request.
    pub(crate) fn count(&self, kind: usize, lane: Lane, took: Duration) {
        let counts = &self.0[kind][lane as usize];
        let seconds = took.as_secs_f64();
        let bucket = LATENCY_BOUNDS.iter().position(|bound| seconds <= *bound);
        counts.buckets[bucket.unwrap_or(LATENCY_BOUNDS.len())].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counts.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted.
    pub(crate) fn rows(&self) -> Vec<Latency> {
        let mut rows = Vec::new();
        for (kind, lanes) in KINDS.iter().zip(&self.0) {
            for (lane, counts) in LANES.iter().zip(lanes) {
                let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a sum of seconds is no exact count"
                )]
                let sum = read(&counts.micros) as f64 / 1e6;
                rows.push(Latency {
                    kind,
                    lane,
                    buckets: counts.buckets.iter().map(read).collect(),
                    sum,
                });
            }
        }
        rows
    }
}
