//! Who takes what machines tell of themselves.

use std::net::IpAddr;

use async_trait::async_trait;
use model::{KernelLogLine, TalosEvent, Timestamp};

/// Takes what machines tell of themselves: their events, and the lines of their kernel logs.
///
/// A machine says nothing of who it is; it is known by its address. Both calls may be given up half way, when the machine goes away or
/// they take too long: what is not kept by then comes again, if it is an event.
#[async_trait]
pub trait EventTaker: Send + Sync + 'static {
    /// Takes one event. Once this answers that it is taken the machine forgets it, so it has to be kept durably by then. Else the machine
    /// sends it again, and nothing after it before. What is sent again has the same id.
    async fn event(&self, sender: Sender, event: TalosEvent) -> Result<(), NotTaken>;

    /// Takes lines of one kernel log, in the order of arrival. They do not come again.
    async fn kernel_lines(&self, sender: Sender, lines: Vec<KernelLogLine>);
}

/// Where something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The machine's address.
    pub peer: IpAddr,
    /// Whether it is known to receive what is sent there, as by a connection. Anybody can send a datagram in the name of any address.
    pub connected: bool,
    /// When it arrived.
    pub at: Timestamp,
}

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It could not be kept. The machine shall send it again.
    Unavailable,
    /// No device that may send events has this address. The machine sends it again all the same, which does no harm.
    Stranger,
}
