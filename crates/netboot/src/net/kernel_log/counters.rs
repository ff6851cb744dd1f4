//! What the receiver of kernel logs has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the receiver was bound.
#[derive(Debug, Default)]
pub struct KernelLogCounters {
    /// TCP connections taken.
    pub connections: AtomicU64,
    /// TCP connections closed to make room for another.
    pub made_way: AtomicU64,
    /// TCP connections closed because nothing ever came on them.
    pub silent: AtomicU64,
    /// Lines handed on.
    pub lines: AtomicU64,
    /// Lines that the taker did not take in time.
    pub not_taken: AtomicU64,
    /// Lines that were no JSON object of a kernel log.
    pub malformed: AtomicU64,
    /// Lines over TCP that were too long.
    pub too_long: AtomicU64,
    /// Datagrams dropped, for their sender sent too many.
    pub dropped: AtomicU64,
    /// How often a TCP connection was kept waiting, for its sender sent too much.
    pub delayed: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Adds `number`.
pub(super) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}
