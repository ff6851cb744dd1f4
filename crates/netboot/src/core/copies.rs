//! One request that comes in twice: by two cards on one LAN, or from the machine itself and by its relay.

use std::net::Ipv4Addr;
use std::time::Duration;

use model::{MacAddr, Timestamp};

use super::classify::{AnswerKind, BootQuery};
use super::recent::Recent;

/// What each machine asked last, and how that came in.
#[derive(Debug)]
pub struct CopyWatch {
    last: Recent<Option<Seen>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    xid: u32,
    answer: AnswerKind,
    way: Way,
    at: Timestamp,
}

/// How a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    ifindex: u32,
    relay: Ipv4Addr,
}

/// A copy comes at once; what comes later by another way may be a machine that was plugged in elsewhere.
const AT_ONCE: Duration = Duration::from_secs(1);

impl CopyWatch {
    /// Keeps at most `capacity` machines in mind.
    pub fn new(capacity: usize) -> Self {
        Self {
            last: Recent::new(capacity),
        }
    }

    /// Whether a request is a copy of one that came in by another way just before. Firmware that asks again does so by the same way.
    pub fn is_copy(&mut self, query: &BootQuery, now: Timestamp) -> bool {
        self.takes(
            query.mac,
            Seen {
                xid: query.request.packet.xid,
                answer: query.answer,
                way: Way {
                    ifindex: query.ingress.ifindex,
                    relay: query.request.packet.giaddr,
                },
                at: now,
            },
        )
    }

    fn takes(&mut self, mac: MacAddr, seen: Seen) -> bool {
        let last = self.last.entry(mac, || None);
        let is_copy = last.is_some_and(|last| {
            (last.xid, last.answer) == (seen.xid, seen.answer)
                && last.way != seen.way
                && seen.at.is_soon_after(last.at, AT_ONCE)
        });
        if !is_copy {
            *last = Some(seen);
        }
        is_copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_by_another_way_at_once_is_a_copy() {
        let mac: MacAddr = "52:54:00:aa:bb:01".parse().unwrap();
        let (none, relay) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 0, 0, 1));
        let mut watch = CopyWatch::new(100);
        for (millis, xid, answer, ifindex, relay, expected) in [
            (0, 1, AnswerKind::Offer, 2, none, false),
            (1, 1, AnswerKind::Offer, 3, none, true),
            (2, 1, AnswerKind::Offer, 2, relay, true),
            // The machine asks again.
            (3, 1, AnswerKind::Offer, 2, none, false),
            (4, 1, AnswerKind::Ack, 3, none, false),
            (5, 2, AnswerKind::Ack, 2, none, false),
            (1005, 2, AnswerKind::Ack, 3, none, false),
        ] {
            let seen = Seen {
                xid,
                answer,
                way: Way { ifindex, relay },
                at: Timestamp::from_micros(millis * 1000),
            };
            assert_eq!(watch.takes(mac, seen), expected, "{seen:?}");
        }
    }
}
