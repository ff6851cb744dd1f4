//! How much of the receiver one machine may hold, and for how long.

use std::time::Duration;

use crate::core::dampen::RateLimit;
use crate::net::places::ConnectionLimits;

/// What a machine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelLogLimits {
    /// The TCP connections.
    pub connections: ConnectionLimits,
    /// How many lines one address may send. A machine begins with its whole log, some thousand lines.
    pub lines: RateLimit,
    /// From a connection's start to the first that comes on it.
    pub opening: Duration,
    /// How long the taker may take.
    pub taking: Duration,
}

impl Default for KernelLogLimits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            lines: RateLimit {
                burst: 8192,
                refill: Duration::from_millis(5),
            },
            opening: Duration::from_secs(30),
            taking: Duration::from_secs(10),
        }
    }
}
