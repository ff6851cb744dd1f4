//! Host name, address, route and name servers.

use std::net::IpAddr;

use model::{Hostname, MacAddr};

use super::{DeviceConfigInput, order};
use crate::yaml::{Mapping, Node, Position};
use crate::{DocumentId, Error, MachineConfig};

/// Sets the host name in the one place Talos takes it from: `HostnameConfig` if the base has it, else the v1alpha1 key.
pub(super) fn set_hostname(config: &mut MachineConfig, hostname: &Hostname) -> Result<(), Error> {
    let id = DocumentId::of_kind("HostnameConfig", "");
    if config.document(&id).is_some() {
        let document = config.mapping_at(&id, &[])?;
        // `auto` and `hostname` refuse each other, and so do the document and the old key.
        document.remove("auto");
        document.set_in_order(
            "hostname",
            Node::str(hostname.as_str()),
            order::HOSTNAME_CONFIG,
        );
        remove_network_key(config, "hostname")
    } else {
        network(config)?.set_in_order("hostname", Node::str(hostname.as_str()), order::NETWORK);
        Ok(())
    }
}

/// Gives the device's card its address and the default route.
pub(super) fn set_link(
    config: &mut MachineConfig,
    device: &DeviceConfigInput,
) -> Result<(), Error> {
    let file = config.file().to_owned();
    let network = network(config)?;
    let at = network
        .entry("interfaces")
        .map_or(Position::NONE, |entry| entry.at);
    let interfaces = network
        .sequence_at("interfaces", order::NETWORK)
        .ok_or_else(|| {
            let reason = "`machine.network.interfaces` must be a list";
            Error::document(&file, &DocumentId::V1Alpha1, at, reason)
        })?;
    let place = interfaces
        .iter()
        .position(|interface| selects(interface, device.mac))
        .unwrap_or_else(|| {
            let selector = Node::map([("hardwareAddr", Node::str(device.mac.to_string()))]);
            interfaces.push(Node::map([("deviceSelector", selector)]));
            interfaces.len() - 1
        });
    let interface = interfaces[place]
        .mapping_mut()
        .expect("found by a key or made as a mapping");
    let address = Node::str(format!("{}/{}", device.address, device.prefix));
    interface.set_in_order("addresses", Node::seq([address]), order::INTERFACE);
    if let Some(gateway) = device.gateway {
        let route = Node::map([
            ("network", Node::str("0.0.0.0/0")),
            ("gateway", Node::str(gateway.to_string())),
        ]);
        let others = interface
            .get("routes")
            .and_then(Node::items)
            .unwrap_or_default();
        let kept: Vec<Node> = others
            .iter()
            .filter(|route| !is_default_route(route))
            .cloned()
            .collect();
        interface.set_in_order(
            "routes",
            Node::seq([route].into_iter().chain(kept)),
            order::INTERFACE,
        );
    }
    interface.set_in_order("dhcp", Node::bool(false), order::INTERFACE);
    Ok(())
}

/// Sets the name servers, in `ResolverConfig` if the base has it, else under the v1alpha1 key.
pub(super) fn set_nameservers(
    config: &mut MachineConfig,
    nameservers: &[IpAddr],
) -> Result<(), Error> {
    if nameservers.is_empty() {
        return Ok(());
    }
    let id = DocumentId::of_kind("ResolverConfig", "");
    if config.document(&id).is_some() {
        let servers = nameservers
            .iter()
            .map(|server| Node::map([("address", Node::str(server.to_string()))]));
        config.mapping_at(&id, &[])?.set_in_order(
            "nameservers",
            Node::seq(servers),
            order::RESOLVER_CONFIG,
        );
        remove_network_key(config, "nameservers")
    } else {
        let servers = nameservers
            .iter()
            .map(|server| Node::str(server.to_string()));
        network(config)?.set_in_order("nameservers", Node::seq(servers), order::NETWORK);
        Ok(())
    }
}

fn network(config: &mut MachineConfig) -> Result<&mut Mapping, Error> {
    config.mapping_at(
        &DocumentId::V1Alpha1,
        &[("machine", order::ROOT), ("network", order::MACHINE)],
    )
}

fn remove_network_key(config: &mut MachineConfig, key: &str) -> Result<(), Error> {
    if config
        .v1alpha1()
        .is_some_and(|root| root.get(&["machine", "network", key]).is_some())
    {
        network(config)?.remove(key);
    }
    Ok(())
}

/// Whether an interface entry is for exactly this card.
fn selects(interface: &Node, mac: MacAddr) -> bool {
    interface
        .text(&["deviceSelector", "hardwareAddr"])
        .is_some_and(|address| {
            address
                .parse::<MacAddr>()
                .is_ok_and(|selected| selected == mac)
        })
}

fn is_default_route(route: &Node) -> bool {
    matches!(route.text(&["network"]), None | Some("" | "0.0.0.0/0"))
}
