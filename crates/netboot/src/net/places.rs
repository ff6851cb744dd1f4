//! The connections of a receiver: so many in all, so many of one address, and the most silent one gives way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long to wait after the system refused a connection.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// Of one address.
    pub of_peer: usize,
}

impl Default for ConnectionLimits {
    /// A machine has one connection, and another after a restart that nobody was told of.
    fn default() -> Self {
        Self {
            all: 512,
            of_peer: 4,
        }
    }
}

/// The places that connections take.
#[derive(Debug)]
pub(super) struct Places {
    limits: ConnectionLimits,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: HashMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    peer: IpAddr,
    heard: Instant,
    leave: CancellationToken,
}

/// A place that is taken; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    leave: CancellationToken,
    table: Arc<Mutex<Table>>,
}

impl Places {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            table: Arc::default(),
        }
    }

    /// Gives a new connection its place, and tells whether another had to give way: the one that has been silent for the longest, one of
    /// the same address if that has its share already. Machines connect again by themselves, and send what was not taken.
    pub(super) fn take(&self, peer: IpAddr, now: Instant) -> (Place, bool) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = table.taken.values().filter(|t| t.peer == peer).count();
        let share_used = of_peer >= self.limits.of_peer.max(1);
        let full = table.taken.len() >= self.limits.all.max(1);
        if share_used || full {
            table.clear_one(share_used.then_some(peer));
        }
        let number = table.next;
        table.next += 1;
        let leave = CancellationToken::new();
        let taken = Taken {
            peer,
            heard: now,
            leave: leave.clone(),
        };
        table.taken.insert(number, taken);
        let place = Place {
            number,
            leave,
            table: Arc::clone(&self.table),
        };
        (place, share_used || full)
    }
}

impl Table {
    fn clear_one(&mut self, of: Option<IpAddr>) {
        let silent = self
            .taken
            .iter()
            .filter(|(_, taken)| of.is_none_or(|peer| taken.peer == peer))
            .min_by_key(|(number, taken)| (taken.heard, **number))
            .map(|(number, _)| *number);
        if let Some(taken) = silent.and_then(|number| self.taken.remove(&number)) {
            taken.leave.cancel();
        }
    }
}

impl Place {
    /// Takes note that something came on the connection.
    pub(super) fn heard(&self, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = table.taken.get_mut(&self.number) {
            taken.heard = now;
        }
    }

    /// Waits until the place has to be given up.
    pub(super) async fn lost(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_most_silent_gives_way_and_first_among_its_own() {
        let places = Places::new(ConnectionLimits { all: 3, of_peer: 2 });
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (first, made_way) = places.take(peer(1), at(0));
        assert!(!made_way);
        let (second, _) = places.take(peer(2), at(1));
        let (third, made_way) = places.take(peer(2), at(2));
        assert!(!made_way);
        second.heard(at(3));
        let (fourth, made_way) = places.take(peer(2), at(4));
        assert!(made_way && third.leave.is_cancelled() && !first.leave.is_cancelled());
        let (fifth, made_way) = places.take(peer(3), at(5));
        assert!(made_way && first.leave.is_cancelled());
        drop((second, third));
        let (_sixth, made_way) = places.take(peer(4), at(6));
        assert!(!made_way, "a place was free");
        assert!(!fourth.leave.is_cancelled() && !fifth.leave.is_cancelled());
        assert!(fifth.lost().now_or_never().is_none());
        assert!(first.lost().now_or_never().is_some());
    }
}
