//! Which requests become sessions, and which session makes room for another.
//!
//! A request can be sent in anybody's name and costs its sender nothing, so a session that has never been answered is worth
//! little: where room is short, the oldest of these goes first. An honest client answers within a round trip.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::wire::tftp::Request;

/// How much is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of one address.
    pub per_address: usize,
    /// Requests of one address in a second, in the long run.
    pub rate: u32,
    /// Requests of one address at once.
    pub burst: u32,
    /// Addresses remembered.
    pub addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1024,
            per_address: 16,
            rate: 500,
            burst: 2000,
            addresses: 8192,
        }
    }
}

impl Limits {
    /// The same, with half of the process's `descriptors` at most: the rest of it needs some as well.
    #[must_use]
    pub fn within(self, descriptors: Option<usize>) -> Self {
        let sessions = descriptors.map_or(self.sessions, |all| self.sessions.min((all / 2).max(1)));
        Self { sessions, ..self }
    }
}

/// Names one session; a later one has a greater name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It opens a session, for which these have to go.
    Begin(SessionId, Vec<SessionId>),
    /// It repeats the request of a session under way.
    Again(SessionId),
    /// It is left unanswered: its client will ask again.
    Turned(Turned),
}

/// Why a request is left unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turned {
    /// Its address asks too often.
    TooOften,
    /// Its address has as many sessions under way as it may.
    AddressFull,
    /// There are as many sessions under way as there may be.
    Full,
}

/// The sessions there are.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    next: u64,
    /// By the client's address and port, which name a transfer (RFC 1350 section 4).
    clients: HashMap<SocketAddrV4, Client>,
    /// Sessions never answered.
    half_open: BTreeMap<SessionId, SocketAddrV4>,
    addresses: HashMap<Ipv4Addr, Address>,
}

#[derive(Debug)]
struct Client {
    id: SessionId,
    request: Request,
}

/// What is remembered of an address: its sessions, its bucket of requests, which fills as time goes by, and how it took the
/// windows it was sent.
#[derive(Debug)]
struct Address {
    sessions: BTreeSet<SessionId>,
    tokens: f64,
    filled_at: Duration,
    /// The largest window that is good for it, where experience says so.
    windowsize: Option<u16>,
}

/// Windows are not learned to be smaller than this: firmware asks for it, and one packet at a time loses more than it saves.
const LEAST_WINDOW: u16 = 4;
/// Blocks that a session must have had to be learned from.
const LESSON: u64 = 64;

impl Admission {
    /// Nobody is in yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            clients: HashMap::new(),
            half_open: BTreeMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// Counts a request of an address, be it for a file or for nonsense; whether it may have an answer.
    pub fn may_ask(&mut self, address: Ipv4Addr, now: Duration) -> bool {
        let (rate, burst) = (f64::from(self.limits.rate), f64::from(self.limits.burst));
        let bucket = self.address(address, now);
        let since = now.saturating_sub(bucket.filled_at);
        bucket.tokens = (bucket.tokens + since.as_secs_f64() * rate).min(burst);
        bucket.filled_at = now;
        let may = bucket.tokens >= 1.0;
        if may {
            bucket.tokens -= 1.0;
        }
        may
    }

    /// Decides on a request for a file. A session it opens lasts until [`Self::ended`].
    pub fn admit(&mut self, peer: SocketAddrV4, request: &Request, now: Duration) -> Admitted {
        if !self.may_ask(*peer.ip(), now) {
            return Admitted::Turned(Turned::TooOften);
        }
        let mut leaving = Vec::new();
        if let Some(client) = self.clients.get(&peer) {
            if client.request == *request {
                return Admitted::Again(client.id);
            }
            // A client has one transfer to a port, so the one it had is over for it.
            let id = client.id;
            self.ended(peer, id);
            leaving.push(id);
        }
        let theirs = self.addresses.get(peer.ip()).map(|known| &known.sessions);
        if let Some(theirs) = theirs.filter(|ids| ids.len() >= self.limits.per_address) {
            let oldest = theirs
                .iter()
                .find_map(|id| Some((*id, *self.half_open.get(id)?)));
            let Some((id, client)) = oldest else {
                return Admitted::Turned(Turned::AddressFull);
            };
            self.ended(client, id);
            leaving.push(id);
        }
        if self.clients.len() >= self.limits.sessions {
            let Some(id) = self.make_room() else {
                return Admitted::Turned(Turned::Full);
            };
            leaving.push(id);
        }
        let id = SessionId(self.next);
        self.next += 1;
        self.half_open.insert(id, peer);
        self.address(*peer.ip(), now).sessions.insert(id);
        let request = request.clone();
        self.clients.insert(peer, Client { id, request });
        Admitted::Begin(id, leaving)
    }

    /// Takes the oldest session that was never answered out, and names it.
    pub fn make_room(&mut self) -> Option<SessionId> {
        let (&id, &peer) = self.half_open.first_key_value()?;
        self.ended(peer, id);
        Some(id)
    }

    /// Takes note that a session's client has answered.
    pub fn answered(&mut self, id: SessionId) {
        self.half_open.remove(&id);
    }

    /// Takes a session out. Nothing happens if it is out already.
    pub fn ended(&mut self, peer: SocketAddrV4, id: SessionId) {
        self.half_open.remove(&id);
        if self
            .clients
            .get(&peer)
            .is_some_and(|client| client.id == id)
        {
            self.clients.remove(&peer);
        }
        if let Some(address) = self.addresses.get_mut(peer.ip()) {
            address.sessions.remove(&id);
        }
    }

    /// The most blocks in a window for the next session of an address, at most `most`.
    pub fn windowsize(&self, address: Ipv4Addr, most: u16) -> u16 {
        let learned = self
            .addresses
            .get(&address)
            .and_then(|known| known.windowsize);
        learned.map_or(most, |blocks| blocks.min(most))
    }

    /// Learns from a session how large a window is good for an address: half of what it had where more than one packet of eight
    /// had to be sent again, twice as much where nearly none had to. A window cannot change during a transfer (RFC 7440
    /// section 4), so the next one profits.
    pub fn learn(&mut self, address: Ipv4Addr, windowsize: u16, sent: u64, again: u32) {
        let Some(known) = self.addresses.get_mut(&address) else {
            return;
        };
        if windowsize > LEAST_WINDOW && sent >= LESSON && u64::from(again) * 8 > sent {
            known.windowsize = Some((windowsize / 2).max(LEAST_WINDOW));
        } else if u64::from(again) * 128 < sent {
            known.windowsize = known.windowsize.map(|blocks| blocks.saturating_mul(2));
        }
    }

    /// How many sessions there are, and how many of them were never answered.
    pub fn open(&self) -> (usize, usize) {
        (self.clients.len(), self.half_open.len())
    }

    /// What is remembered of an address. Where too much is remembered, all idle addresses are forgotten at once, so that a
    /// flood of made-up ones costs neither memory nor time.
    fn address(&mut self, address: Ipv4Addr, now: Duration) -> &mut Address {
        let known = self.addresses.contains_key(&address);
        if !known && self.addresses.len() >= self.limits.addresses {
            self.addresses.retain(|_, known| !known.sessions.is_empty());
        }
        let tokens = f64::from(self.limits.burst);
        self.addresses.entry(address).or_insert_with(|| Address {
            sessions: BTreeSet::new(),
            tokens,
            filled_at: now,
            windowsize: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tftp::{Mode, Options};

    const LIMITS: Limits = Limits {
        sessions: 4,
        per_address: 2,
        rate: 10,
        burst: 20,
        addresses: 8,
    };

    fn request(name: &str) -> Request {
        Request {
            name: name.into(),
            mode: Mode::Octet,
            options: Options::default(),
        }
    }

    fn peer(host: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port)
    }

    /// Plays requests and events, a line each, and says what became of them: `host:port file`, `answered N`, `ended N host:port`.
    fn play(script: &str) -> Vec<String> {
        let mut admission = Admission::new(LIMITS);
        let at = |text: &str| {
            let (host, port) = text.split_once(':').unwrap();
            peer(host.parse().unwrap(), port.parse().unwrap())
        };
        let mut said = Vec::new();
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["answered", id] => admission.answered(SessionId(id.parse().unwrap())),
                ["ended", id, client] => {
                    admission.ended(at(client), SessionId(id.parse().unwrap()));
                }
                [client, name] => said.push(
                    match admission.admit(at(client), &request(name), Duration::ZERO) {
                        Admitted::Begin(id, leaving) if leaving.is_empty() => format!("{}", id.0),
                        Admitted::Begin(id, leaving) => {
                            let leaving: Vec<u64> = leaving.iter().map(|id| id.0).collect();
                            format!("{} for {leaving:?}", id.0)
                        }
                        Admitted::Again(id) => format!("again {}", id.0),
                        Admitted::Turned(why) => format!("{why:?}"),
                    },
                ),
                _ => panic!("{line}"),
            }
        }
        said
    }

    #[test]
    fn a_repeated_request_joins_its_session_and_another_replaces_it() {
        let said = play(
            "1:1000 a
             1:1000 a
             1:1001 a
             1:1000 b
             2:1000 a
             1:1000 a",
        );
        assert_eq!(said, ["0", "again 0", "1", "2 for [0]", "3", "4 for [2]"]);
    }

    #[test]
    fn the_oldest_that_never_answered_makes_room() {
        // Address by address: 1:1000 answered, so 1:1001 goes.
        let said = play(
            "1:1000 a
             1:1001 a
             answered 0
             1:1002 a
             answered 2
             1:1003 a
             ended 0 1:1000
             1:1003 a",
        );
        assert_eq!(said, ["0", "1", "2 for [1]", "AddressFull", "3"]);
        // And in all.
        let said = play(
            "1:1 a
             2:1 a
             3:1 a
             4:1 a
             answered 0
             5:1 a
             answered 2
             answered 3
             answered 4
             6:1 a
             ended 3 4:1
             6:1 a
             ended 3 4:1",
        );
        assert_eq!(said, ["0", "1", "2", "3", "4 for [1]", "Full", "5"]);
    }

    #[test]
    fn an_address_that_asks_too_often_is_left_unanswered() {
        let mut admission = Admission::new(LIMITS);
        let mut ask =
            |host, at| admission.may_ask(Ipv4Addr::new(10, 0, 0, host), Duration::from_millis(at));
        assert!((0..20).all(|_| ask(1, 0)));
        assert!(!ask(1, 0));
        assert!(ask(2, 0), "another address is not kept waiting");
        assert!(!ask(1, 50));
        assert!(ask(1, 150));
        assert!(!ask(1, 150));
    }

    #[test]
    fn an_address_that_loses_packets_is_sent_smaller_windows_next_time() {
        let mut admission = Admission::new(LIMITS);
        let lossy = *peer(1, 1).ip();
        assert!(admission.may_ask(lossy, Duration::ZERO));
        for (blocks, again, next) in [
            (1000, 100, 64),
            (1000, 200, 32),
            (20, 20, 32),
            (1000, 600, 16),
            (1000, 50, 16),
            (1000, 500, 8),
            (1000, 500, 4),
            (1000, 500, 4),
            (1000, 1, 8),
        ] {
            let windowsize = admission.windowsize(lossy, 64);
            admission.learn(lossy, windowsize, blocks, again);
            assert_eq!(admission.windowsize(lossy, 64), next, "{blocks} {again}");
        }
        assert_eq!(admission.windowsize(lossy, 2), 2);
        assert_eq!(admission.windowsize(*peer(2, 1).ip(), 64), 64);
    }

    #[test]
    fn a_flood_of_made_up_addresses_is_forgotten() {
        let mut admission = Admission::new(LIMITS);
        for host in 0..=255 {
            for port in 1..5 {
                admission.admit(peer(host, port), &request("a"), Duration::ZERO);
            }
        }
        assert_eq!(admission.open(), (4, 4));
        assert!(admission.addresses.len() <= LIMITS.addresses);
        for _ in 0..4 {
            admission.make_room().unwrap();
        }
        assert_eq!(admission.make_room(), None);
        assert_eq!(admission.open(), (0, 0));
    }
}
