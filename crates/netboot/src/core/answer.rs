//! The one answer to a machine's request for a boot program.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::classify::{AnswerKind, BootQuery, Door};
use crate::director::{BootClient, LoaderName, Offer, Platform, Program};
use crate::wire::dhcp::{Operation, Packet, VendorClass};
use crate::wire::options::{self, pxe};

/// The port that DHCP clients listen on.
pub const CLIENT_PORT: u16 = 68;
/// A path of the boot HTTP server at which there is nothing.
pub const NOT_FOUND_PATH: &str = "/nothing-to-boot.efi";
/// Whether a name is that of the file that is not there.
pub(crate) fn is_nothing(name: &LoaderName) -> bool {
    NOT_FOUND_PATH.strip_prefix('/') == Some(name.as_str())
}

/// The table script's name for TFTP.
const TABLE_SCRIPT: &str = "pxe/boot.ipxe";
/// The length of the IP and UDP headers that option 57 counts too.
const IP_AND_UDP: usize = 28;
/// What every client takes (RFC 2131 section 2), headers included.
const SAFE_SIZE: u16 = 576;
/// More than an Ethernet frame is never sent, whatever a client says it takes.
const ETHERNET_SIZE: u16 = 1500;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The address that faces the machine.
    pub address: Ipv4Addr,
    /// The port of the boot HTTP server.
    pub http_port: u16,
}

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Where it goes.
    pub destination: SocketAddrV4,
    /// The local address it leaves from.
    pub source: Ipv4Addr,
    /// The port it has to leave from: clients compare it.
    pub source_port: u16,
    /// The interface it leaves by; `None` where the routing table knows.
    pub ifindex: Option<u32>,
    /// What a person should know of it, such as `snponly.efi offered (UEFI x64)`.
    pub detail: String,
}

/// Puts what the director decided into a DHCP message. `None` if there is nothing to say that this client could use.
pub fn answer(query: &BootQuery, offer: &Offer, server: &ServerIdentity) -> Option<Reply> {
    let server = ServerIdentity {
        address: offer.server.unwrap_or(server.address),
        ..*server
    };
    let file = boot_file(query, &offer.program, &server)?;
    let (destination, ifindex) = destination(query);
    Some(Reply {
        bytes: compose(query, &file, server.address, offer.discovery_control),
        destination,
        source: query.ingress.local,
        source_port: query.ingress.door.port(),
        ifindex,
        detail: describe(query.client, &offer.program),
    })
}

/// The name or URL of the boot file; all of them fit the 128 bytes of the `file` field.
fn boot_file(query: &BootQuery, program: &Program, server: &ServerIdentity) -> Option<String> {
    let url = |path: &str| match server.http_port {
        80 => format!("http://{}{path}", server.address),
        port => format!("http://{}:{port}{path}", server.address),
    };
    match (program, query.client) {
        (Program::Loader(name), BootClient::Pxe(_) | BootClient::Ipxe { .. }) => {
            Some(format!("ipxe/{name}"))
        }
        (Program::Loader(name), BootClient::Http(_)) => Some(url(&format!("/ipxe/{name}"))),
        (Program::Script, BootClient::Ipxe { http: true, .. }) => {
            Some(url(&format!("/boot/{}", query.mac.hyphenated())))
        }
        (Program::Script, BootClient::Ipxe { http: false, .. }) => Some(TABLE_SCRIPT.to_owned()),
        (Program::NotFound, BootClient::Http(_) | BootClient::Ipxe { http: true, .. }) => {
            Some(url(NOT_FOUND_PATH))
        }
        (Program::Script, BootClient::Pxe(_) | BootClient::Http(_))
        | (Program::NotFound, BootClient::Pxe(_) | BootClient::Ipxe { http: false, .. })
        | (Program::Nothing(_), _) => None,
    }
}

fn compose(query: &BootQuery, file: &str, server: Ipv4Addr, discovery_control: bool) -> Vec<u8> {
    let asked = &query.request.packet;
    // iPXE says PXE whatever loaded it, and takes nothing else.
    let class = match query.client {
        BootClient::Http(_) => VendorClass::Http,
        BootClient::Pxe(_) | BootClient::Ipxe { .. } => VendorClass::Pxe,
    };
    let mut options = BTreeMap::from([
        (options::MESSAGE_TYPE, vec![query.answer.number()]),
        (options::SERVER_IDENTIFIER, server.octets().to_vec()),
        (options::VENDOR_CLASS, class.as_bytes().to_vec()),
    ]);
    if let Some(uuid) = asked.option(options::CLIENT_UUID) {
        // Longer than an option can be, it is nothing that a client could compare.
        if uuid.len() <= 255 {
            options.insert(options::CLIENT_UUID, uuid.to_vec());
        }
    }
    if class == VendorClass::Pxe && discovery_control {
        options.insert(options::VENDOR_SPECIFIC, discovery(query));
    }
    let mut name = file.as_bytes().to_vec();
    if query.client == BootClient::Pxe(Platform::Bios) {
        // Old ROMs read the option as a C string.
        name.push(0);
    }
    options.insert(options::BOOT_FILE, name);

    let mut reply = Packet {
        operation: Operation::Reply,
        htype: asked.htype,
        hlen: asked.hlen,
        chaddr: asked.chaddr,
        xid: asked.xid,
        secs: 0,
        flags: asked.flags,
        ciaddr: match query.answer {
            AnswerKind::Offer => Ipv4Addr::UNSPECIFIED,
            AnswerKind::Ack => asked.ciaddr,
        },
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: server,
        giaddr: asked.giaddr,
        file: file.as_bytes().to_vec(),
        options,
    };
    let largest = query
        .request
        .max_size
        .unwrap_or(SAFE_SIZE)
        .clamp(SAFE_SIZE, ETHERNET_SIZE);
    if reply.encode().len() + IP_AND_UDP > usize::from(largest) {
        // The header has the name as well.
        reply.options.remove(&options::BOOT_FILE);
    }
    // The relay takes its own option out again, so that it does not count (RFC 3046 section 2.1).
    if let Some(relay) = asked.option(options::RELAY_AGENT) {
        reply.options.insert(options::RELAY_AGENT, relay.to_vec());
    }
    reply.encode()
}

/// Option 43: take the file of this very message; and the menu item back, if one was asked for.
fn discovery(query: &BootQuery) -> Vec<u8> {
    let mut data = vec![pxe::DISCOVERY_CONTROL, 1, pxe::DOWNLOAD_OFFERED_FILE];
    if let Some(item) = query.request.boot_item {
        data.extend([pxe::BOOT_ITEM, 4]);
        data.extend(item);
    }
    data.push(pxe::END);
    data
}

/// Where the answer goes (RFC 2131 section 4.1), and by which interface where no route says it: a client without an address is only
/// reached by a broadcast, whether it set the flag or not.
fn destination(query: &BootQuery) -> (SocketAddrV4, Option<u32>) {
    let packet = &query.request.packet;
    let source = query.ingress.source;
    let reachable = |address: Ipv4Addr| {
        !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
    };
    let broadcast = |port| {
        (
            SocketAddrV4::new(Ipv4Addr::BROADCAST, port),
            Some(query.ingress.ifindex),
        )
    };
    match query.ingress.door {
        Door::Proxy if reachable(*source.ip()) => (source, None),
        Door::Proxy => broadcast(source.port()),
        Door::Dhcp if reachable(packet.giaddr) => {
            (SocketAddrV4::new(packet.giaddr, Door::Dhcp.port()), None)
        }
        Door::Dhcp if reachable(packet.ciaddr) => {
            (SocketAddrV4::new(packet.ciaddr, CLIENT_PORT), None)
        }
        Door::Dhcp => broadcast(CLIENT_PORT),
    }
}

/// Says in a few words what a client is offered.
pub fn describe(client: BootClient, program: &Program) -> String {
    let what = match program {
        Program::Loader(name) => format!("{name} offered"),
        Program::Script => "boot script offered".to_owned(),
        Program::NotFound => "sent on to its next boot entry".to_owned(),
        Program::Nothing(reason) => format!("nothing offered: {reason}"),
    };
    format!("{what} ({})", client_words(client))
}

fn client_words(client: BootClient) -> String {
    match client {
        BootClient::Pxe(platform) => platform_words(platform).to_owned(),
        BootClient::Http(platform) => format!("{} HTTP boot", platform_words(platform)),
        BootClient::Ipxe { platform, http } => format!(
            "iPXE{}, {}",
            if http { "" } else { " without HTTP" },
            platform_words(platform)
        ),
    }
}

fn platform_words(platform: Platform) -> &'static str {
    match platform {
        Platform::Bios => "BIOS",
        Platform::EfiIa32 => "UEFI ia32",
        Platform::EfiX64 => "UEFI x64",
        Platform::EfiArm32 => "UEFI arm32",
        Platform::EfiArm64 => "UEFI arm64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::classify::{Ingress, classify};
    use crate::director::LoaderName;
    use crate::sim::machine::{Machine, Software};
    use crate::wire::dhcp::BootReply;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

    fn query(software: Software) -> BootQuery {
        let machine = Machine {
            mac: "52:54:00:aa:bb:01".parse().unwrap(),
            guid: Some(*b"0123456789abcdef"),
            software,
            address: Ipv4Addr::new(10, 77, 0, 131),
        };
        let ingress = Ingress {
            door: Door::Dhcp,
            ifindex: 2,
            local: LOCAL,
            source: "0.0.0.0:68".parse().unwrap(),
            shared: false,
        };
        classify(&machine.discover(7), ingress).unwrap()
    }

    fn reply(software: Software, program: Program, server: Option<Ipv4Addr>) -> Option<BootReply> {
        let identity = ServerIdentity {
            address: LOCAL,
            http_port: 8080,
        };
        let offer = Offer {
            program,
            server,
            discovery_control: true,
        };
        let reply = answer(&query(software), &offer, &identity)?;
        Some(BootReply::decode(&reply.bytes).unwrap())
    }

    #[test]
    fn every_client_gets_every_program_that_it_can_load_and_no_other() {
        let x64 = Platform::EfiX64;
        let ipxe = |http| Software::Ipxe {
            platform: x64,
            http,
            chained: true,
        };
        let loader = || Program::Loader(LoaderName::parse("snponly.efi").unwrap());
        let script = Some("http://10.77.0.2:8080/boot/52-54-00-aa-bb-01");
        let gone = Some("http://10.77.0.2:8080/nothing-to-boot.efi");
        let nothing = Program::Nothing("it is out of stock");
        for (software, program, expected) in [
            (Software::BiosRom, loader(), Some("ipxe/snponly.efi")),
            (Software::BiosRom, Program::Script, None),
            (Software::BiosRom, Program::NotFound, None),
            (Software::Edk2Pxe(x64), loader(), Some("ipxe/snponly.efi")),
            (Software::Edk2Pxe(x64), nothing.clone(), None),
            (
                Software::Edk2Http(x64),
                loader(),
                Some("http://10.77.0.2:8080/ipxe/snponly.efi"),
            ),
            (Software::Edk2Http(x64), Program::NotFound, gone),
            (Software::Edk2Http(x64), Program::Script, None),
            (ipxe(true), Program::Script, script),
            (ipxe(true), loader(), Some("ipxe/snponly.efi")),
            (ipxe(true), Program::NotFound, gone),
            (ipxe(true), nothing, None),
            (ipxe(false), Program::Script, Some("pxe/boot.ipxe")),
            (ipxe(false), loader(), Some("ipxe/snponly.efi")),
            (ipxe(false), Program::NotFound, None),
        ] {
            let reply = reply(software, program.clone(), None);
            let what = format!("{software:?} {program:?}");
            if let Some(reply) = &reply {
                assert_eq!(reply.packet.file, expected.unwrap().as_bytes(), "{what}");
            }
            let file = reply.and_then(|reply| reply.file);
            assert_eq!(file.as_deref(), expected, "{what}");
        }
    }

    #[test]
    fn another_server_address_is_named_everywhere() {
        let virtual_address = Ipv4Addr::new(192, 0, 2, 9);
        let software = Software::Ipxe {
            platform: Platform::EfiX64,
            http: true,
            chained: false,
        };
        let reply = reply(software, Program::Script, Some(virtual_address)).unwrap();
        assert_eq!(reply.server, Some(virtual_address));
        assert_eq!(reply.packet.siaddr, virtual_address);
        assert_eq!(
            reply.file.as_deref(),
            Some("http://192.0.2.9:8080/boot/52-54-00-aa-bb-01")
        );
    }

    #[test]
    fn an_offer_may_leave_option_43_out() {
        let identity = ServerIdentity {
            address: LOCAL,
            http_port: 80,
        };
        let query = query(Software::Edk2Pxe(Platform::EfiX64));
        for discovery_control in [true, false] {
            let offer = Offer {
                program: Program::Loader(LoaderName::parse("snponly.efi").unwrap()),
                server: None,
                discovery_control,
            };
            let reply = answer(&query, &offer, &identity).unwrap();
            let vendor = BootReply::decode(&reply.bytes).unwrap().vendor;
            assert_eq!(vendor.is_some(), discovery_control);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_header() {
        let mut query = query(Software::BiosRom);
        let long = vec![7; 255];
        query
            .request
            .packet
            .options
            .insert(options::CLIENT_UUID, long.clone());
        let offer = Offer {
            program: Program::Loader(LoaderName::parse(&"a".repeat(64)).unwrap()),
            server: None,
            discovery_control: true,
        };
        let identity = ServerIdentity {
            address: LOCAL,
            http_port: 80,
        };
        for (max_size, fits) in [(None, false), (Some(0), false), (Some(1472), true)] {
            query.request.max_size = max_size;
            let reply = answer(&query, &offer, &identity).unwrap();
            let packet = Packet::decode(&reply.bytes).unwrap();
            assert_eq!(packet.option(options::BOOT_FILE).is_some(), fits);
            assert_eq!(packet.option(options::CLIENT_UUID), Some(long.as_slice()));
            assert_eq!(packet.file.len(), 69);
            assert!(fits || reply.bytes.len() + IP_AND_UDP <= 576);
        }
    }
}
