//! Which network cards to serve.

use std::net::Ipv4Addr;

use netboot::net::interface::{Interface, Interfaces, Served};
use netboot::net::route::{DefaultRoute, default_route};

/// The cards that are served, as they are at start.
#[derive(Clone, Debug)]
pub(crate) struct Cards {
    /// What the boot servers are told.
    pub served: Served,
    /// The first of them; its subnet is the first suggestion for nodes.
    pub first: Interface,
    /// The gateway of the default route, if it leaves by the first card.
    pub gateway: Option<Ipv4Addr>,
    /// Named, but not there yet: served as soon as they are.
    pub missing: Vec<String>,
}

impl Cards {
    /// The first address of the first card.
    pub(crate) fn first_address(&self) -> Option<Ipv4Addr> {
        self.first.addresses.first().map(|own| own.address)
    }

    /// Each address of each served card, with the card's name, as the host's cards are at a moment; those of the first card lead.
    pub(crate) fn addresses(&self, there: &Interfaces) -> Vec<(String, Ipv4Addr)> {
        let mut cards: Vec<&Interface> = there
            .iter()
            .filter(|card| !card.loopback && self.served.includes(card))
            .collect();
        cards.sort_by_key(|card| card.name != self.first.name);
        let of_card = |card: &Interface| {
            let own = card.addresses.iter();
            own.map(|own| (card.name.clone(), own.address))
                .collect::<Vec<_>>()
        };
        cards.into_iter().flat_map(of_card).collect()
    }

    /// Sentences about each card that is to be served and cannot be, as the host's cards are at a moment.
    pub(crate) fn not_served(&self, there: &Interfaces) -> Vec<String> {
        let Served::Named(names) = &self.served else {
            return Vec::new();
        };
        let trouble = |name: &String| match there.by_name(name) {
            None => Some(format!(
                "network card {name} is down or not there: no machine behind it is served"
            )),
            Some(card) if card.addresses.is_empty() => Some(format!(
                "network card {name} has no IPv4 address: no machine behind it is served"
            )),
            Some(_) => None,
        };
        names.iter().filter_map(trouble).collect()
    }
}

/// Chooses the named cards, of which one at least must be there; without a name, the one that has the default route. The error is a
/// sentence with what there is.
pub(crate) fn choose(
    names: &[String],
    interfaces: &Interfaces,
    route: Option<&DefaultRoute>,
) -> Result<Cards, String> {
    let there = || {
        let cards: Vec<String> = interfaces
            .iter()
            .filter(|card| !card.loopback)
            .map(describe)
            .collect();
        if cards.is_empty() {
            "there is none but the loopback".to_owned()
        } else {
            format!("there are: {}", cards.join(", "))
        }
    };
    let names = match (names, route) {
        ([], None) => {
            return Err(format!(
                "no network card has a default route; name one with --interface ({})",
                there()
            ));
        }
        ([], Some(route)) => vec![route.interface.clone()],
        (names, _) => names.to_vec(),
    };
    let (mut cards, mut missing) = (Vec::new(), Vec::new());
    for name in &names {
        match interfaces.by_name(name) {
            Some(card) => cards.push(card),
            None => missing.push(name.clone()),
        }
    }
    if cards.is_empty() {
        return Err(format!(
            "there is no network card `{}` ({})",
            missing.join("`, `"),
            there()
        ));
    }
    let with_address = cards.iter().find(|card| !card.addresses.is_empty());
    let first = *with_address.ok_or_else(|| {
        format!(
            "{} has no IPv4 address, and machines need one to fetch from ({})",
            names.join(", "),
            there()
        )
    })?;
    let gateway = route
        .filter(|route| route.interface == first.name)
        .and_then(|route| route.gateway);
    let first = first.clone();
    Ok(Cards {
        served: Served::Named(names.into_iter().collect()),
        first,
        gateway,
        missing,
    })
}

/// Chooses among the cards of this host.
pub(crate) fn choose_here(names: &[String]) -> anyhow::Result<Cards> {
    let interfaces = Interfaces::read()?;
    let cards = choose(names, &interfaces, default_route().as_ref()).map_err(anyhow::Error::msg)?;
    for name in &cards.missing {
        tracing::warn!("there is no network card `{name}` now; it is served as soon as it appears");
    }
    Ok(cards)
}

fn describe(card: &Interface) -> String {
    let addresses: Vec<String> = card
        .addresses
        .iter()
        .map(|own| own.address.to_string())
        .collect();
    if addresses.is_empty() {
        card.name.clone()
    } else {
        format!("{} {}", card.name, addresses.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use netboot::net::interface::InterfaceAddress;

    use super::*;

    fn card(index: u32, name: &str, address: Option<&str>) -> Interface {
        let own = |text: &str| InterfaceAddress {
            address: text.parse().unwrap(),
            netmask: Ipv4Addr::new(255, 255, 255, 0),
        };
        Interface {
            index,
            name: name.to_owned(),
            loopback: name == "lo",
            mac: None,
            addresses: address.map(own).into_iter().collect(),
        }
    }

    fn host() -> Interfaces {
        Interfaces::from_list(vec![
            card(1, "lo", Some("127.0.0.1")),
            card(2, "eth0", Some("10.0.0.2")),
            card(3, "eth1", None),
        ])
    }

    #[test]
    fn takes_the_card_of_the_default_route_or_the_named_one() {
        let route = DefaultRoute {
            interface: "eth0".to_owned(),
            gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
        };
        let cards = choose(&[], &host(), Some(&route)).unwrap();
        assert_eq!(
            (cards.first.name.as_str(), cards.gateway),
            ("eth0", route.gateway)
        );
        let cards = choose(&["eth0".to_owned(), "eth1".to_owned()], &host(), None).unwrap();
        assert_eq!((cards.first.name.as_str(), cards.gateway), ("eth0", None));
    }

    #[test]
    fn the_addresses_are_those_of_the_moment() {
        let names = ["eth1", "eth0"].map(str::to_owned);
        let cards = choose(&names, &host(), None).unwrap();
        let told = |there: Vec<Interface>| -> Vec<String> {
            let found = cards.addresses(&Interfaces::from_list(there));
            found
                .into_iter()
                .map(|(card, address)| format!("{card} {address}"))
                .collect()
        };
        let both = [
            card(1, "lo", Some("127.0.0.1")),
            card(2, "eth1", Some("10.1.0.2")),
            card(3, "eth0", Some("10.0.0.3")),
            card(4, "eth9", Some("10.9.0.2")),
        ];
        assert_eq!(told(both.to_vec()), ["eth0 10.0.0.3", "eth1 10.1.0.2"]);
        assert_eq!(told(both[..2].to_vec()), ["eth1 10.1.0.2"]);
        assert_eq!(told(Vec::new()), [""; 0]);
    }

    #[test]
    fn a_card_that_goes_or_loses_its_address_is_named() {
        let names = ["eth0", "eth1", "eth7"].map(str::to_owned);
        let cards = choose(&names, &host(), None).unwrap();
        let trouble = cards.not_served(&host());
        assert_eq!(trouble.len(), 2, "{trouble:?}");
        assert!(trouble[0].starts_with("network card eth1 has no IPv4 address"));
        assert!(trouble[1].starts_with("network card eth7 is down or not there"));
    }

    #[test]
    fn a_named_card_may_come_later_if_another_is_there() {
        let cards = choose(&["eth7".to_owned(), "eth0".to_owned()], &host(), None).unwrap();
        assert_eq!(
            (cards.first.name.as_str(), cards.missing),
            ("eth0", vec!["eth7".to_owned()])
        );
    }

    #[test]
    fn says_what_there_is_where_it_cannot_choose() {
        for (names, expected) in [
            (
                vec![],
                "no network card has a default route; name one with --interface (there are: eth0 10.0.0.2, eth1)",
            ),
            (
                vec!["eth7".to_owned()],
                "there is no network card `eth7` (there are: eth0 10.0.0.2, eth1)",
            ),
            (
                vec!["eth1".to_owned()],
                "eth1 has no IPv4 address, and machines need one to fetch from (there are: eth0 10.0.0.2, eth1)",
            ),
        ] {
            assert_eq!(choose(&names, &host(), None).unwrap_err(), expected);
        }
    }
}
