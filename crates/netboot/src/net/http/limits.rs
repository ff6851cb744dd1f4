//! How much of the server one client may hold, and for how long.

use std::time::Duration;

use super::line::Phase;

/// What a client may take. The defaults suit a LAN: firmware and iPXE send a request in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request, or from the connection's start, to the end of its head.
    pub heading: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// From a request to the first byte of its answer; more than the 25 s that a held machine's poll may take.
    pub answering: Duration,
    /// Without the client taking one more byte of its answer.
    pub stalled: Duration,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client address.
    pub connections_of_peer: usize,
    /// The longest request head, in bytes.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heading: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            answering: Duration::from_secs(60),
            stalled: Duration::from_secs(30),
            connections: 4096,
            connections_of_peer: 32,
            head_bytes: 16 * 1024,
        }
    }
}

impl Limits {
    pub(super) fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Heading => self.heading,
            Phase::Idle => self.idle,
            Phase::Answering => self.answering,
            Phase::Sending => self.stalled,
        }
    }
}
