//! The host's network interfaces, and which address of theirs a machine should be told.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use model::MacAddr;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use tokio::time::Instant;

/// A network interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index, which is how packets name it.
    pub index: u32,
    /// Its name, such as `eth0`.
    pub name: String,
    /// Whether it is the loopback.
    pub loopback: bool,
    /// Its hardware address, if it has an Ethernet one.
    pub mac: Option<MacAddr>,
    /// Its IPv4 addresses in the kernel's order, the primary one first.
    pub addresses: Vec<InterfaceAddress>,
}

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Its netmask.
    pub netmask: Ipv4Addr,
}

impl InterfaceAddress {
    /// Whether `peer` is in the same subnet.
    pub fn is_neighbour_of(&self, peer: Ipv4Addr) -> bool {
        self.address & self.netmask == peer & self.netmask
    }
}

/// Which interfaces are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// Every one except the loopback, also such as appear later.
    All,
    /// Those of these names, also if they appear later.
    Named(BTreeSet<String>),
}

impl Served {
    /// Whether an interface is among them.
    pub fn includes(&self, interface: &Interface) -> bool {
        match self {
            Self::All => !interface.loopback,
            Self::Named(names) => names.contains(&interface.name),
        }
    }
}

/// All interfaces at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces(Vec<Interface>);

impl Interfaces {
    /// Asks the kernel.
    pub fn read() -> io::Result<Self> {
        let mut found: Vec<Interface> = Vec::new();
        for entry in getifaddrs()? {
            if !entry.flags.contains(InterfaceFlags::IFF_UP) {
                continue;
            }
            // An address may have a label, which begins with the interface's name: `eth0:1` (devinet of the kernel, `ip address add label`).
            let name = entry
                .interface_name
                .split_once(':')
                .map_or(entry.interface_name.as_str(), |(name, _)| name);
            let at = match found.iter().position(|known| known.name == name) {
                Some(at) => at,
                None => {
                    // The interface may be gone by now.
                    let Ok(index) = nix::net::if_::if_nametoindex(name) else {
                        continue;
                    };
                    found.push(Interface {
                        index,
                        name: name.to_owned(),
                        loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                        mac: None,
                        addresses: Vec::new(),
                    });
                    found.len() - 1
                }
            };
            let Some(address) = entry.address else {
                continue;
            };
            if let Some(link) = address.as_link_addr() {
                found[at].mac = link
                    .addr()
                    .filter(|_| link.halen() == 6)
                    .and_then(MacAddr::from_bytes);
            } else if let Some(v4) = address.as_sockaddr_in() {
                found[at].addresses.push(InterfaceAddress {
                    address: v4.ip(),
                    netmask: entry
                        .netmask
                        .as_ref()
                        .and_then(|mask| mask.as_sockaddr_in())
                        .map_or(Ipv4Addr::BROADCAST, nix::sys::socket::SockaddrIn::ip),
                });
            }
        }
        Ok(Self(found))
    }

    /// Takes a list that is known already.
    pub fn from_list(list: Vec<Interface>) -> Self {
        Self(list)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.0.iter()
    }

    /// The one of this index.
    pub fn by_index(&self, index: u32) -> Option<&Interface> {
        self.0.iter().find(|interface| interface.index == index)
    }

    /// The one of this name.
    pub fn by_name(&self, name: &str) -> Option<&Interface> {
        self.0.iter().find(|interface| interface.name == name)
    }

    /// Whether an address is this host's own.
    pub fn owns(&self, address: Ipv4Addr) -> bool {
        self.0
            .iter()
            .flat_map(|interface| &interface.addresses)
            .any(|own| own.address == address)
    }

    /// The address to tell a machine whose packet for `destination` came in by `index`: the very one it asked, if it asked one of ours;
    /// for a broadcast the one of that interface in the machine's subnet, else the first of that interface. `None` if it has none, or if
    /// the packet is for another host (a packet socket on a router sees such).
    pub fn facing(&self, index: u32, destination: Ipv4Addr, peer: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.owns(destination) {
            return Some(destination);
        }
        let addresses = &self.by_index(index)?.addresses;
        let to_all = destination.is_broadcast()
            || addresses
                .iter()
                .any(|own| own.address | !own.netmask == destination);
        if !to_all {
            return None;
        }
        let neighbour = addresses.iter().find(|own| own.is_neighbour_of(peer));
        neighbour
            .or_else(|| addresses.first())
            .map(|own| own.address)
    }
}

/// The interfaces, read again when they are older than a second: interfaces and addresses come and go while the daemon runs.
#[derive(Debug)]
pub struct InterfaceTable {
    served: Served,
    current: Arc<Interfaces>,
    read_at: Instant,
}

/// How old the list may be.
const FRESH: Duration = Duration::from_secs(1);
/// How old it may be where it holds no answer: a packet came in by an interface that it does not know.
const BARELY_FRESH: Duration = Duration::from_millis(20);

impl InterfaceTable {
    /// Reads the list.
    pub fn new(served: Served) -> io::Result<Self> {
        Ok(Self {
            served,
            current: Arc::new(Interfaces::read()?),
            read_at: Instant::now(),
        })
    }

    /// The list as it is, at most a second old. Keeps the old one where the kernel does not answer.
    pub fn current(&mut self, now: Instant) -> &Arc<Interfaces> {
        self.refresh(now, FRESH);
        &self.current
    }

    /// The address to tell a machine, as [`Interfaces::facing`]; `None` too if that interface is not served.
    pub fn facing(
        &mut self,
        now: Instant,
        index: u32,
        destination: Ipv4Addr,
        peer: Ipv4Addr,
    ) -> Option<Ipv4Addr> {
        self.refresh(now, FRESH);
        let found = self.look_up(index, destination, peer);
        // An interface or address may have come since.
        if found.is_none() && self.refresh(now, BARELY_FRESH) {
            return self.look_up(index, destination, peer);
        }
        found
    }

    fn look_up(&self, index: u32, destination: Ipv4Addr, peer: Ipv4Addr) -> Option<Ipv4Addr> {
        let interface = self.current.by_index(index)?;
        self.served
            .includes(interface)
            .then(|| self.current.facing(index, destination, peer))
            .flatten()
    }

    /// Reads the list if it is as old as `age`. Says whether it did.
    fn refresh(&mut self, now: Instant, age: Duration) -> bool {
        if now.saturating_duration_since(self.read_at) < age {
            return false;
        }
        self.read_at = now;
        if let Ok(interfaces) = Interfaces::read()
            && *self.current != interfaces
        {
            self.current = Arc::new(interfaces);
        }
        true
    }
}

impl InterfaceTable {
    /// Whether `address` is one of a served interface.
    pub fn serves(&mut self, now: Instant, address: Ipv4Addr) -> bool {
        let current = Arc::clone(self.current(now));
        let owner = current
            .iter()
            .find(|interface| interface.addresses.iter().any(|own| own.address == address));
        owner.is_some_and(|interface| self.served.includes(interface))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str, addresses: &[&str]) -> Interface {
        Interface {
            index,
            name: name.to_owned(),
            loopback: name == "lo",
            mac: None,
            addresses: addresses
                .iter()
                .map(|text| InterfaceAddress {
                    address: text.parse().unwrap(),
                    netmask: Ipv4Addr::new(255, 255, 255, 0),
                })
                .collect(),
        }
    }

    #[test]
    fn each_machine_is_told_the_address_that_faces_it() {
        let host = Interfaces::from_list(vec![
            interface(1, "lo", &["127.0.0.1"]),
            interface(2, "eth0", &["10.0.0.2", "10.0.1.2"]),
            interface(3, "eth1", &["10.0.2.2"]),
            interface(4, "eth2", &[]),
        ]);
        for (index, destination, peer, expected) in [
            (2, "255.255.255.255", "0.0.0.0", Some("10.0.0.2")),
            (2, "255.255.255.255", "10.0.1.77", Some("10.0.1.2")),
            (2, "10.0.1.2", "10.9.9.9", Some("10.0.1.2")),
            (2, "10.0.2.2", "10.0.0.5", Some("10.0.2.2")),
            (3, "255.255.255.255", "10.0.0.5", Some("10.0.2.2")),
            (3, "10.0.2.255", "10.9.0.1", Some("10.0.2.2")),
            (3, "10.0.9.9", "10.0.2.5", None),
            (4, "255.255.255.255", "0.0.0.0", None),
            (9, "255.255.255.255", "0.0.0.0", None),
        ] {
            let got = host.facing(index, destination.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(
                got.map(|a| a.to_string()).as_deref(),
                expected,
                "{index} {destination} {peer}"
            );
        }
    }

    #[test]
    fn serves_what_it_was_told_to() {
        let (lo, eth) = (interface(1, "lo", &[]), interface(2, "eth0", &[]));
        assert!(Served::All.includes(&eth) && !Served::All.includes(&lo));
        let named = Served::Named(BTreeSet::from(["lo".to_owned()]));
        assert!(named.includes(&lo) && !named.includes(&eth));
    }

    #[test]
    fn the_kernel_tells_of_the_loopback() {
        let interfaces = Interfaces::read().unwrap();
        let loopback = interfaces.by_name("lo").unwrap();
        assert!(loopback.loopback);
        assert!(interfaces.owns(Ipv4Addr::LOCALHOST));
        assert_eq!(interfaces.by_index(loopback.index), Some(loopback));
    }
}
