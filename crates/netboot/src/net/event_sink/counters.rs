//! What the receiver of events has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the receiver was bound.
#[derive(Debug, Default)]
pub struct EventSinkCounters {
    /// Connections taken.
    pub connections: AtomicU64,
    /// Connections closed to make room for another.
    pub made_way: AtomicU64,
    /// Connections closed because nothing came on them, or nothing went on.
    pub silent: AtomicU64,
    /// Connections that were no HTTP/2, or broke its rules.
    pub broken: AtomicU64,
    /// Events taken.
    pub taken: AtomicU64,
    /// Events taken of a kind that is not known here, or of a known one with a content that is not.
    pub strange: AtomicU64,
    /// Events that the taker could not keep, in time or at all; they come again.
    pub unavailable: AtomicU64,
    /// Events of addresses that the taker does not know.
    pub strangers: AtomicU64,
    /// Calls kept waiting, for the address made too many.
    pub delayed: AtomicU64,
    /// Calls whose message was cut off, too slow or no event.
    pub malformed: AtomicU64,
    /// Calls whose message was too long.
    pub too_long: AtomicU64,
    /// Calls of something that is not served here.
    pub unimplemented: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
