//! What became of the datagrams, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::classify::{AnswerKind, Ignored};
use crate::director::BootClient;

/// Counters of the ProxyDHCP server; they only grow.
#[derive(Debug, Default)]
pub struct DhcpCounters {
    received: AtomicU64,
    answered: [[AtomicU64; 2]; 3],
    ignored: [AtomicU64; Ignored::WORDS.len()],
    nothing: AtomicU64,
    late: AtomicU64,
    unsent: AtomicU64,
}

/// The words for what asked.
const CLIENTS: [&str; 3] = ["pxe", "http", "ipxe"];
/// The words for the kinds of answer.
const ANSWERS: [&str; 2] = ["offer", "ack"];

impl DhcpCounters {
    /// How many datagrams came in.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How many answers went out.
    pub fn answered(&self) -> u64 {
        self.answered
            .iter()
            .flatten()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    /// How many datagrams got no answer for this reason.
    pub fn ignored(&self, why: Ignored) -> u64 {
        self.ignored[why.index()].load(Ordering::Relaxed)
    }

    /// Every counter but [`Self::received`]: the outcome (`offer`, `ack`, `ignored`, `nothing`, `late`, `unsent`), then what asked or the
    /// reason, then the number. `nothing` is what the director had no program for, `late` what it did not decide in time.
    pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let answered = CLIENTS
            .iter()
            .zip(&self.answered)
            .flat_map(|(client, counts)| {
                ANSWERS
                    .iter()
                    .zip(counts)
                    .map(move |(answer, count)| (*answer, *client, read(count)))
            });
        let ignored = Ignored::WORDS
            .iter()
            .zip(&self.ignored)
            .map(|(word, count)| ("ignored", *word, read(count)));
        answered
            .chain(ignored)
            .chain([
                ("nothing", "", read(&self.nothing)),
                ("late", "", read(&self.late)),
                ("unsent", "", read(&self.unsent)),
            ])
            .collect()
    }

    pub(super) fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_answered(&self, client: BootClient, answer: AnswerKind) {
        let client = match client {
            BootClient::Pxe(_) => 0,
            BootClient::Http(_) => 1,
            BootClient::Ipxe { .. } => 2,
        };
        let answer = match answer {
            AnswerKind::Offer => 0,
            AnswerKind::Ack => 1,
        };
        self.answered[client][answer].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_ignored(&self, why: Ignored) {
        self.ignored[why.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_nothing(&self) {
        self.nothing.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unsent(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }
}
