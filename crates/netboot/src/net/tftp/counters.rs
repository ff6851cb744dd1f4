//! What the TFTP server has done, by reason and outcome.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::tftp::{End, Outcome, Turned};

/// Numbers that only grow, since the server began.
#[derive(Debug, Default)]
pub struct TftpCounters {
    /// Datagrams that came to the port.
    pub datagrams: AtomicU64,
    /// Datagrams that were no request, or came from or to an address that nobody can answer.
    pub stray: AtomicU64,
    /// Requests that could not be read.
    pub malformed: AtomicU64,
    /// Requests to write, which are refused.
    pub writes: AtomicU64,
    /// Requests for a name that is nothing of ktizo's.
    pub unknown_names: AtomicU64,
    /// Requests for something of ktizo's that is not there.
    pub missing: AtomicU64,
    /// Requests left unanswered because their address asks too often.
    pub too_often: AtomicU64,
    /// Requests left unanswered because their address has too many transfers under way.
    pub address_full: AtomicU64,
    /// Requests left unanswered because there are too many transfers under way.
    pub full: AtomicU64,
    /// Requests that came again while their transfer was under way.
    pub repeated: AtomicU64,
    /// Sessions opened.
    pub begun: AtomicU64,
    /// Transfers that went well.
    pub done: AtomicU64,
    /// Sessions that only asked for a size.
    pub size_probes: AtomicU64,
    /// Transfers that the client ended.
    pub aborted: AtomicU64,
    /// Transfers whose client fell silent, or closed its port.
    pub silent: AtomicU64,
    /// Sessions whose client never answered.
    pub never_answered: AtomicU64,
    /// Sessions that had to make room.
    pub displaced: AtomicU64,
    /// Transfers that broke off on this side: a file could not be read, a socket not be opened.
    pub broken: AtomicU64,
    /// Bytes of content that clients have.
    pub bytes: AtomicU64,
    /// Packets sent again.
    pub retries: AtomicU64,
    /// Packets that the system would not send.
    pub send_errors: AtomicU64,
}

impl TftpCounters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turned(&self, why: Turned) -> &AtomicU64 {
        match why {
            Turned::TooOften => &self.too_often,
            Turned::AddressFull => &self.address_full,
            Turned::Full => &self.full,
        }
    }

    /// Counts the end of a session; `answered` if its client ever was heard.
    pub(super) fn ended(&self, outcome: &Outcome, answered: bool) {
        Self::count(match outcome.end {
            End::Done | End::Unconfirmed => &self.done,
            End::SizeProbe => &self.size_probes,
            End::Aborted { .. } => &self.aborted,
            End::Displaced => &self.displaced,
            End::Broken(_) => &self.broken,
            End::Silent(_) | End::Unreachable if answered => &self.silent,
            End::Silent(_) | End::Unreachable => &self.never_answered,
        });
        self.bytes.fetch_add(outcome.bytes, Ordering::Relaxed);
        self.retries
            .fetch_add(u64::from(outcome.retries), Ordering::Relaxed);
    }
}
