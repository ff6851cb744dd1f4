//! Which IPv4 addresses a node may have.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::NetworkSettings;

/// Why a node may not have an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    /// There is no node subnet to be inside of.
    #[error(
        "the node subnet is not set; set it with `ktizo network set --node-subnet 192.168.1.0/24`"
    )]
    NoSubnet,
    /// It is outside of the node subnet.
    #[error("{address} is outside of the node subnet {subnet}")]
    Outside {
        /// The address asked for.
        address: Ipv4Addr,
        /// The subnet of the settings.
        subnet: Ipv4Net,
    },
    /// It is the first or last address of the subnet, which no host can have.
    #[error("{address} is the network or broadcast address of {subnet}")]
    Reserved {
        /// The address asked for.
        address: Ipv4Addr,
        /// The subnet of the settings.
        subnet: Ipv4Net,
    },
    /// It belongs to the gateway or to this server.
    #[error("{address} is the address of the {owner}")]
    Taken {
        /// The address asked for.
        address: Ipv4Addr,
        /// `gateway` or `ktizo server`.
        owner: &'static str,
    },
}

/// Checks an address against the settings; whether another device has it is the store's to say.
pub fn check_node_address(
    address: Ipv4Addr,
    settings: &NetworkSettings,
) -> Result<(), AddressRefusal> {
    let subnet = settings.node_subnet.ok_or(AddressRefusal::NoSubnet)?;
    if !subnet.contains(&address) {
        return Err(AddressRefusal::Outside { address, subnet });
    }
    if is_reserved(address, subnet) {
        return Err(AddressRefusal::Reserved { address, subnet });
    }
    for (taken, owner) in [
        (settings.gateway, "gateway"),
        (settings.server_address, "ktizo server"),
    ] {
        if taken == Some(address) {
            return Err(AddressRefusal::Taken { address, owner });
        }
    }
    Ok(())
}

/// Whether an address is the first or last of a subnet, which no host can have. RFC 3021: a subnet of two addresses has neither a network
/// nor a broadcast address.
pub(crate) fn is_reserved(address: Ipv4Addr, subnet: Ipv4Net) -> bool {
    subnet.prefix_len() < 31 && [subnet.network(), subnet.broadcast()].contains(&address)
}

/// The lowest address a node may have that `is_taken` does not know; `None` if the subnet is unset or full.
pub fn first_free_address(
    settings: &NetworkSettings,
    is_taken: impl Fn(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    settings
        .node_subnet?
        .hosts()
        .find(|address| check_node_address(*address, settings).is_ok() && !is_taken(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NetworkSettings {
        NetworkSettings {
            node_subnet: Some("10.0.0.0/29".parse().unwrap()),
            gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
            server_address: Some(Ipv4Addr::new(10, 0, 0, 2)),
            ..NetworkSettings::default()
        }
    }

    #[test]
    fn refuses_what_no_node_can_have() {
        for (address, refusal) in [
            (
                "10.0.1.3",
                "10.0.1.3 is outside of the node subnet 10.0.0.0/29",
            ),
            (
                "10.0.0.0",
                "10.0.0.0 is the network or broadcast address of 10.0.0.0/29",
            ),
            (
                "10.0.0.7",
                "10.0.0.7 is the network or broadcast address of 10.0.0.0/29",
            ),
            ("10.0.0.1", "10.0.0.1 is the address of the gateway"),
            ("10.0.0.2", "10.0.0.2 is the address of the ktizo server"),
        ] {
            let got = check_node_address(address.parse().unwrap(), &settings()).unwrap_err();
            assert_eq!(got.to_string(), refusal);
        }
        assert!(check_node_address("10.0.0.3".parse().unwrap(), &settings()).is_ok());
    }

    #[test]
    fn suggests_the_lowest_free_one() {
        let taken = Ipv4Addr::new(10, 0, 0, 3);
        assert_eq!(
            first_free_address(&settings(), |a| a == taken),
            Some(Ipv4Addr::new(10, 0, 0, 4))
        );
        assert_eq!(first_free_address(&settings(), |_| true), None);
        assert_eq!(
            first_free_address(&NetworkSettings::default(), |_| false),
            None
        );
    }
}
