//! Who may have a connection: so many in all, so many for one address, and who gives way when they are taken.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::line::Line;

/// The places of a server, by number.
pub(super) struct Seats {
    limits: Limits,
    next: u64,
    taken: HashMap<u64, Seat>,
    of_peer: HashMap<IpAddr, usize>,
}

struct Seat {
    peer: IpAddr,
    line: Arc<Line>,
    leave: CancellationToken,
}

/// A place that was given.
pub(super) struct Admitted {
    /// Its number, to hand it back with.
    pub(super) seat: u64,
    /// Cancelled when it is taken away.
    pub(super) leave: CancellationToken,
    /// Whether another connection was closed for it.
    pub(super) made_way: bool,
}

impl Seats {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            taken: HashMap::new(),
            of_peer: HashMap::new(),
        }
    }

    /// Gives a place to a new connection; `None` if all that it could have are in use by answers under way.
    ///
    /// Where they are only taken, the connection that has been without a request for the longest gives way: one of the same
    /// client if that has its share already, else any. So a client that opens connections and says nothing shuts nobody out.
    pub(super) fn admit(
        &mut self,
        peer: IpAddr,
        line: &Arc<Line>,
        now: Instant,
    ) -> Option<Admitted> {
        let share_used =
            self.of_peer.get(&peer).copied().unwrap_or(0) >= self.limits.connections_of_peer;
        let full = self.taken.len() >= self.limits.connections;
        if share_used || full {
            let seat = self.most_vacant(share_used.then_some(peer), now)?;
            if let Some(left) = self.leave(seat) {
                left.cancel();
            }
        }
        let seat = self.next;
        self.next += 1;
        let leave = CancellationToken::new();
        self.taken.insert(
            seat,
            Seat {
                peer,
                line: Arc::clone(line),
                leave: leave.clone(),
            },
        );
        *self.of_peer.entry(peer).or_default() += 1;
        Some(Admitted {
            seat,
            leave,
            made_way: share_used || full,
        })
    }

    /// Takes a place back; a connection that had to give way has none any more.
    pub(super) fn leave(&mut self, seat: u64) -> Option<CancellationToken> {
        let Seat { peer, leave, .. } = self.taken.remove(&seat)?;
        if let Some(count) = self.of_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&peer);
            }
        }
        Some(leave)
    }

    fn most_vacant(&self, of: Option<IpAddr>, now: Instant) -> Option<u64> {
        self.taken
            .iter()
            .filter(|(_, seat)| of.is_none_or(|peer| seat.peer == peer))
            .filter_map(|(number, seat)| Some((seat.line.vacant_for(now)?, Reverse(*number))))
            .max()
            .map(|(_, Reverse(number))| number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seats(connections: usize, connections_of_peer: usize) -> Seats {
        Seats::new(Limits {
            connections,
            connections_of_peer,
            ..Limits::default()
        })
    }

    fn peer(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_vacant_gives_way_and_an_answer_never_does() {
        let mut seats = seats(2, 2);
        let (mut lines, mut given) = (Vec::new(), Vec::new());
        for last in 1..=3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let line = Arc::new(Line::new());
            given.push(seats.admit(peer(last), &line, Instant::now()).unwrap());
            lines.push(line);
        }
        let left: Vec<bool> = given.iter().map(|seat| seat.leave.is_cancelled()).collect();
        assert_eq!(left, [true, false, false]);
        assert!(!given[1].made_way && given[2].made_way);
        lines[1].asked();
        lines[2].asked();
        let late = Arc::new(Line::new());
        assert!(seats.admit(peer(4), &late, Instant::now()).is_none());
        assert!(seats.leave(given[0].seat).is_none(), "it has left already");
        seats.leave(given[1].seat);
        assert!(seats.admit(peer(4), &late, Instant::now()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_its_share_loses_its_own_connection() {
        let mut seats = seats(10, 2);
        let mut given = Vec::new();
        for last in [9, 1, 1, 1] {
            tokio::time::advance(Duration::from_secs(1)).await;
            let line = Arc::new(Line::new());
            given.push(seats.admit(peer(last), &line, Instant::now()).unwrap());
        }
        let left: Vec<bool> = given.iter().map(|seat| seat.leave.is_cancelled()).collect();
        assert_eq!(left, [false, true, false, false]);
    }
}
