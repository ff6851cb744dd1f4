//! The interface and gateway that the host's own traffic takes.

use std::fs;
use std::net::Ipv4Addr;

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The interface it leaves by.
    pub interface: String,
    /// The router; `None` where the interface itself is the route.
    pub gateway: Option<Ipv4Addr>,
}

/// The host's IPv4 default route of the lowest metric.
pub fn default_route() -> Option<DefaultRoute> {
    parse_routes(&fs::read_to_string("/proc/self/net/route").ok()?)
}

/// The interface that has the host's IPv4 default route.
pub fn default_route_interface() -> Option<String> {
    default_route().map(|route| route.interface)
}

/// Reads the kernel's IPv4 routing table (`/proc/net/route`), whose numbers are hexadecimal and in the host's byte order.
pub fn parse_routes(table: &str) -> Option<DefaultRoute> {
    // RTF_UP and RTF_REJECT of the kernel's route.h.
    const UP: u32 = 0x0001;
    const REJECT: u32 = 0x0200;
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let hex = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
            let (destination, gateway, flags, mask) = (hex(1)?, hex(2)?, hex(3)?, hex(7)?);
            let metric: u32 = fields.get(6)?.parse().ok()?;
            let usable = destination == 0 && mask == 0 && flags & (UP | REJECT) == UP;
            let route = DefaultRoute {
                interface: (*fields.first()?).to_owned(),
                gateway: (gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes())),
            };
            usable.then_some((metric, route))
        })
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, route)| route)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn takes_the_default_route_of_the_lowest_metric() {
        // The table is in the host's byte order, and so is this test.
        let gateway = u32::from_ne_bytes([10, 77, 0, 1]);
        let lines = format!(
            "{HEAD}eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
             wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t{gateway:08X}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             dead0\t00000000\t00000000\t0200\t0\t0\t1\t00000000\t0\t0\t0\n"
        );
        let route = parse_routes(&lines).unwrap();
        assert_eq!(route.interface, "eth0");
        assert_eq!(route.gateway, Some(Ipv4Addr::new(10, 77, 0, 1)));
    }

    #[test]
    fn a_route_without_a_gateway_names_the_interface_alone() {
        let lines = format!("{HEAD}wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n");
        assert_eq!(
            parse_routes(&lines),
            Some(DefaultRoute {
                interface: "wg0".to_owned(),
                gateway: None
            })
        );
    }

    #[test]
    fn no_route_is_none() {
        for table in ["", HEAD, "x\ny z\n", "Iface\neth0\t0\t0\t1\n"] {
            assert_eq!(parse_routes(table), None, "{table:?}");
        }
    }
}
