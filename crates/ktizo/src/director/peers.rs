//! Which machine has which address, which of them are on their way to their disk, and which config each was given last.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use model::{MacAddr, Sha256Digest, Timestamp};
use netboot::net::neighbour::neighbour;

/// What requests have shown of machines and addresses; bounded, and lost without harm.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    seen: Mutex<Bounded<IpAddr, MacAddr>>,
    leaving: Mutex<Bounded<MacAddr, Timestamp>>,
    given: Mutex<Bounded<(MacAddr, IpAddr), Sha256Digest>>,
}

/// How long a machine that was sent to its disk gets no boot program by UEFI HTTP boot.
const LEAVING_FOR: Duration = Duration::from_secs(60);

impl Peers {
    /// Notes that `mac` has `address`.
    pub(crate) fn learn(&self, address: Option<IpAddr>, mac: MacAddr) {
        if let Some(address) = address.filter(|address| !address.is_unspecified()) {
            lock(&self.seen).insert(address, mac);
        }
    }

    /// The machine behind an address: as its requests showed, else as the kernel's neighbour table says.
    pub(super) fn who_is(&self, address: IpAddr) -> Option<MacAddr> {
        self.who_asked_from(address).or_else(|| card_at(address))
    }

    /// The machine whose requests came from an address, by what they said.
    pub(crate) fn who_asked_from(&self, address: IpAddr) -> Option<MacAddr> {
        lock(&self.seen).get(&address)
    }

    /// Notes that `mac` was sent to its disk at `now`.
    pub(super) fn leaves(&self, mac: MacAddr, now: Timestamp) {
        lock(&self.leaving).insert(mac, now);
    }

    /// Whether `mac` was sent to its disk less than a minute before `now`.
    pub(super) fn is_leaving(&self, mac: MacAddr, now: Timestamp) -> bool {
        lock(&self.leaving)
            .get(&mac)
            // The clock may have been set back since.
            .is_some_and(|left| now >= left && now.since(left) < LEAVING_FOR)
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

/// The card that has an address on a network of this host, as the kernel's neighbour table says.
pub(crate) fn card_at(address: IpAddr) -> Option<MacAddr> {
    match address {
        IpAddr::V4(address) => neighbour(address),
        IpAddr::V6(address) => neighbour(address.to_ipv4_mapped()?),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
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
        peers.leaves(mac, now);
        assert!(peers.is_leaving(mac, now.plus(Duration::from_secs(59))));
        assert!(!peers.is_leaving(mac, now.plus(Duration::from_secs(60))));
        let set_back = Timestamp::from_micros(-1);
        assert!(!peers.is_leaving(mac, set_back));
        peers.stays(mac);
        assert!(!peers.is_leaving(mac, now));
    }
}
