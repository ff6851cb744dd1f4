//! How much of the receiver one machine may hold, and for how long.

use std::time::Duration;

use crate::core::dampen::RateLimit;
use crate::net::places::ConnectionLimits;

/// What a machine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSinkLimits {
    /// The connections.
    pub connections: ConnectionLimits,
    /// Calls under way on one connection. Talos has one.
    pub calls: u32,
    /// The longest message, in bytes. The longest that Talos sends are errors that list all that is wrong with a config.
    pub message_bytes: usize,
    /// How often one address may call. A machine begins with all it has to tell, up to a thousand events; more than the limit is kept
    /// waiting.
    pub events: RateLimit,
    /// From the connection's start to its first call.
    pub opening: Duration,
    /// From the head of a call to the end of its message.
    pub receiving: Duration,
    /// How long the taker may take.
    pub taking: Duration,
    /// Without a change in the calls under way; longer than a call may take.
    pub stalled: Duration,
    /// Without a call. Talos tells its address every ten minutes.
    pub idle: Duration,
    /// How often a connection is tried, to notice a machine that is gone.
    pub ping: Duration,
}

impl Default for EventSinkLimits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            calls: 4,
            message_bytes: 128 * 1024,
            events: RateLimit {
                burst: 2048,
                refill: Duration::from_millis(10),
            },
            opening: Duration::from_secs(20),
            receiving: Duration::from_secs(10),
            taking: Duration::from_secs(20),
            stalled: Duration::from_secs(90),
            idle: Duration::from_secs(30 * 60),
            ping: Duration::from_secs(60),
        }
    }
}
