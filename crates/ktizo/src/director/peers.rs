//! Which machine has which address, which of them are on their way to their disk, and which config each was given last.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{DeviceId, MacAddr, Sha256Digest, Timestamp};
use netboot::director::BootAsk;
use netboot::net::neighbour::neighbour;

/// What requests have shown of machines and addresses; bounded, and lost without harm.
pub(crate) struct Peers {
    /// The kernel's neighbour table.
    neighbours: fn(IpAddr) -> Option<MacAddr>,
    seen: Mutex<Bounded<IpAddr, MacAddr>>,
    /// Machines that were sent to their disk, when, and when the device had been changed last by then.
    leaving: Mutex<Bounded<MacAddr, (Timestamp, Option<Timestamp>)>>,
    given: Mutex<Bounded<(MacAddr, IpAddr), Sha256Digest>>,
    /// Machines whose last DHCP request came through a relay: when they were last heard of, and the address that asked since.
    relayed: Mutex<Bounded<MacAddr, (Timestamp, Option<IpAddr>)>>,
    /// The cards with which devices are being held at this moment, one entry for each open request.
    asking: Mutex<HashMap<DeviceId, Vec<MacAddr>>>,
    /// Machines that asked by DHCP on a network of this host, and when.
    near: Mutex<Bounded<MacAddr, Timestamp>>,
    /// The last request for a script, of each machine and address.
    turns: Mutex<Bounded<(MacAddr, IpAddr), u64>>,
}

/// Whether a machine behind a relay may be asking for the first time in its boot, or must have asked from the same address before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Later,
}

/// How long a machine that was sent to its disk gets no boot program by UEFI HTTP boot.
const LEAVING_FOR: Duration = Duration::from_secs(60);
/// How long after its last word a machine behind a relay is still in the same boot. While it is held, it asks every 25 s.
const RELAYED_FOR: Duration = Duration::from_secs(15 * 60);
/// How long a machine that was on a network of this host cannot be behind a router: anybody there could claim that it is.
const NEAR_FOR: Duration = Duration::from_secs(60 * 60);

impl Default for Peers {
    fn default() -> Self {
        Self {
            neighbours: card_at,
            seen: Mutex::default(),
            leaving: Mutex::default(),
            given: Mutex::default(),
            relayed: Mutex::default(),
            asking: Mutex::default(),
            near: Mutex::default(),
            turns: Mutex::default(),
        }
    }
}

impl Peers {
    /// With another neighbour table.
    #[cfg(test)]
    pub(crate) fn with_neighbours(neighbours: fn(IpAddr) -> Option<MacAddr>) -> Self {
        Self {
            neighbours,
            ..Self::default()
        }
    }

    /// Notes that `mac` has `address`.
    pub(crate) fn learn(&self, address: Option<IpAddr>, mac: MacAddr) {
        if let Some(address) = address.filter(|address| !address.is_unspecified()) {
            lock(&self.seen).insert(address, mac);
        }
    }

    /// The machine behind an address. An address may have been another machine's before, so that a card that asked by DHCP on a network
    /// of this host goes before what earlier requests from there showed.
    pub(super) fn who_is(&self, address: IpAddr) -> Option<MacAddr> {
        let card = self.card_of(address);
        card.filter(|card| lock(&self.near).get(card).is_some())
            .or_else(|| self.who_asked_from(address))
            .or(card)
    }

    /// The machine whose requests came from an address, by what they said.
    pub(crate) fn who_asked_from(&self, address: IpAddr) -> Option<MacAddr> {
        lock(&self.seen).get(&address)
    }

    /// The card behind an address as the kernel's neighbour table says; `None` for whoever is behind a router.
    pub(crate) fn card_of(&self, address: IpAddr) -> Option<MacAddr> {
        (self.neighbours)(address)
    }

    /// Notes that `mac` of a device is held, for as long as what is returned lives.
    pub(super) fn asks(self: &Arc<Self>, device: DeviceId, mac: MacAddr) -> Asking {
        lock(&self.asking).entry(device).or_default().push(mac);
        Asking {
            peers: Arc::clone(self),
            device,
            mac,
        }
    }

    /// Another card of a device than `mac` that is held at this moment.
    pub(super) fn other_asking(&self, device: DeviceId, mac: MacAddr) -> Option<MacAddr> {
        let asking = lock(&self.asking);
        let mut cards = asking.get(&device)?.iter().copied();
        cards.find(|card| *card != mac)
    }

    /// Notes that `mac` asks for its script from `address`. What is returned names the request.
    pub(super) fn begins_turn(&self, mac: MacAddr, address: IpAddr) -> u64 {
        let mut turns = lock(&self.turns);
        let turn = turns.get(&(mac, address)).map_or(0, |last| last + 1);
        turns.insert((mac, address), turn);
        turn
    }

    /// Whether no later request came from there. One that was waited for and given up stays open for a while.
    pub(super) fn has_turn(&self, mac: MacAddr, address: IpAddr, turn: u64) -> bool {
        let last = lock(&self.turns).get(&(mac, address));
        last.is_none_or(|last| last <= turn)
    }

    /// Notes how a DHCP request of `mac` came: through a relay, or broadcast on a network of this host, or, where neither, from an
    /// address it already has.
    pub(crate) fn asked_by_dhcp(&self, ask: &BootAsk, now: Timestamp) {
        if ask.relay.is_some() {
            lock(&self.relayed).insert(ask.mac, (now, None));
        } else if !ask.second_step && ask.address.is_none() {
            lock(&self.relayed).remove(&ask.mac);
            lock(&self.near).insert(ask.mac, now);
        }
    }

    /// Whether `mac`, asking from `peer`, is in a boot whose DHCP requests came through a relay; if so, notes that it was heard there.
    pub(crate) fn came_by_relay(&self, mac: MacAddr, peer: IpAddr, now: Timestamp) -> bool {
        self.is_relayed(mac, peer, now, Turn::First)
    }

    /// Whether `peer` is where `mac` has asked for its script in such a boot; if so, notes that it was heard there.
    pub(crate) fn stays_by_relay(&self, mac: MacAddr, peer: IpAddr, now: Timestamp) -> bool {
        self.is_relayed(mac, peer, now, Turn::Later)
    }

    fn is_relayed(&self, mac: MacAddr, peer: IpAddr, now: Timestamp, turn: Turn) -> bool {
        let near = lock(&self.near).get(&mac);
        if near.is_some_and(|at| now.is_soon_after(at, NEAR_FOR)) {
            return false;
        }
        let mut relayed = lock(&self.relayed);
        let Some((at, asked)) = relayed.get(&mac) else {
            return false;
        };
        let from_there = asked.map_or(turn == Turn::First, |asked| asked == peer);
        if !now.is_soon_after(at, RELAYED_FOR) || !from_there {
            return false;
        }
        relayed.insert(mac, (now, Some(peer)));
        true
    }

    /// Notes that `mac` was sent to its disk at `now`, when its device had been changed last at `changed`.
    pub(super) fn leaves(&self, mac: MacAddr, now: Timestamp, changed: Option<Timestamp>) {
        lock(&self.leaving).insert(mac, (now, changed));
    }

    /// Whether `mac` was sent to its disk less than a minute before `now`, and its device, changed last at `changed`, was not changed since.
    pub(super) fn is_leaving(
        &self,
        mac: MacAddr,
        now: Timestamp,
        changed: Option<Timestamp>,
    ) -> bool {
        lock(&self.leaving)
            .get(&mac)
            // The clock may have been set back since.
            .is_some_and(|(left, then)| now.is_soon_after(left, LEAVING_FOR) && then == changed)
    }

    /// Notes which config of `mac` is on its way to `address`.
    pub(super) fn gives(&self, mac: MacAddr, address: IpAddr, config: Sha256Digest) {
        lock(&self.given).insert((mac, address), config);
    }

    /// Which config of `mac` was on its way to `address` last: by the time it has arrived, another may be in force.
    pub(super) fn was_given(&self, mac: MacAddr, address: IpAddr) -> Option<Sha256Digest> {
        lock(&self.given).get(&(mac, address))
    }

    /// Notes that `mac` got something to boot after all.
    pub(super) fn stays(&self, mac: MacAddr) {
        lock(&self.leaving).remove(&mac);
    }
}

/// An open request of a device that is held.
pub(super) struct Asking {
    peers: Arc<Peers>,
    device: DeviceId,
    mac: MacAddr,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut asking = lock(&self.peers.asking);
        if let Some(cards) = asking.get_mut(&self.device) {
            let own = cards.iter().position(|card| *card == self.mac);
            own.map(|at| cards.swap_remove(at));
            if cards.is_empty() {
                asking.remove(&self.device);
            }
        }
    }
}

/// The card that has an address on a network of this host, as the kernel's neighbour table says.
pub(crate) fn card_at(address: IpAddr) -> Option<MacAddr> {
    match address {
        IpAddr::V4(address) => neighbour(address),
        IpAddr::V6(address) => neighbour(address.to_ipv4_mapped()?),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map that forgets the older half of its entries rather than grow beyond [`Bounded::LIMIT`].
#[derive(Debug)]
struct Bounded<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash, V: Copy> Bounded<K, V> {
    const LIMIT: usize = 16_384;

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= Self::LIMIT / 2 && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    fn get(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_addresses_stays_bounded_and_recent_ones_are_kept() {
        let mut map = Bounded::default();
        for number in 0..100_000_u32 {
            map.insert(number, number);
        }
        assert!(map.young.len() + map.old.len() <= Bounded::<u32, u32>::LIMIT);
        assert_eq!(map.get(&99_999), Some(99_999));
        assert_eq!(map.get(&(100_000 - 8_192)), Some(100_000 - 8_192));
        assert_eq!(map.get(&1), None);
    }

    #[test]
    fn a_machine_leaves_for_a_minute() {
        let peers = Peers::default();
        let mac: MacAddr = "52:54:00:00:00:01".parse().unwrap();
        let now = Timestamp::from_micros(0);
        let changed = Some(now);
        let is_leaving = |at| peers.is_leaving(mac, at, changed);
        peers.leaves(mac, now, changed);
        assert!(is_leaving(now.plus(Duration::from_secs(59))));
        assert!(!is_leaving(now.plus(Duration::from_secs(60))));
        assert!(!peers.is_leaving(mac, now, None), "it was changed");
        let set_back = Timestamp::from_micros(-1);
        assert!(!is_leaving(set_back));
        peers.stays(mac);
        assert!(!is_leaving(now));
    }
}
