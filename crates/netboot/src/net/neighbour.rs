//! Which card an address belongs to, as the kernel learned it by ARP.

use std::fs;
use std::net::Ipv4Addr;

use model::MacAddr;

/// The hardware address behind a neighbour's IPv4 address; `None` for whoever is behind a router, or not known any more.
pub fn neighbour(address: Ipv4Addr) -> Option<MacAddr> {
    find_neighbour(&fs::read_to_string("/proc/self/net/arp").ok()?, address)
}

/// Looks an address up in the kernel's ARP table (`/proc/net/arp`). Where two interfaces know it with different cards, neither is
/// believed.
pub fn find_neighbour(table: &str, address: Ipv4Addr) -> Option<MacAddr> {
    // ATF_COM of the kernel's if_arp.h: the hardware address is known.
    const COMPLETE: u32 = 0x2;
    let mut cards = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let flags = u32::from_str_radix(fields.get(2)?.strip_prefix("0x")?, 16).ok()?;
        let same = fields.first()?.parse::<Ipv4Addr>().ok()? == address;
        (same && flags & COMPLETE != 0)
            .then(|| fields.get(3)?.parse().ok())
            .flatten()
    });
    let first: MacAddr = cards.next()?;
    cards.all(|card| card == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "IP address       HW type     Flags       HW address            Mask     Device
10.77.0.5        0x1         0x2         52:54:00:aa:bb:01     *        eth0
10.77.0.6        0x1         0x0         00:00:00:00:00:00     *        eth0
10.77.0.7        0x1         0x6         52:54:00:aa:bb:03     *        eth0
10.77.0.9        0x1         0x2         52:54:00:aa:bb:04     *        eth0
10.77.0.9        0x1         0x2         52:54:00:aa:bb:05     *        eth1
short
";

    #[test]
    fn finds_the_card_of_a_neighbour() {
        for (address, expected) in [
            ("10.77.0.5", Some("52:54:00:aa:bb:01")),
            ("10.77.0.6", None),
            ("10.77.0.7", Some("52:54:00:aa:bb:03")),
            ("10.77.0.8", None),
            ("10.77.0.9", None),
        ] {
            let got = find_neighbour(TABLE, address.parse().unwrap());
            assert_eq!(
                got.map(|mac| mac.to_string()).as_deref(),
                expected,
                "{address}"
            );
        }
        assert_eq!(find_neighbour("", Ipv4Addr::LOCALHOST), None);
    }
}
