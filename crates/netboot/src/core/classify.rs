//! Which datagrams are a machine's request for a boot program, and why the others are not.

use std::net::{Ipv4Addr, SocketAddrV4};

use model::MacAddr;

use crate::director::{BootAsk, BootClient};
use crate::wire::dhcp::{BootReply, BootRequest, ClientArch, Kind, Malformed, VendorClass};

/// The two ports that a ProxyDHCP server listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// Port 67, where machines look for DHCP servers.
    Dhcp,
    /// Port 4011, where PXE firmware asks a second time (PXE 2.1 section 2.2).
    Proxy,
}

impl Door {
    /// Its well-known port.
    pub const fn port(self) -> u16 {
        match self {
            Self::Dhcp => 67,
            Self::Proxy => 4011,
        }
    }
}

/// How a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// The port.
    pub door: Door,
    /// The index of the interface.
    pub ifindex: u32,
    /// This host's address that faces the sender.
    pub local: Ipv4Addr,
    /// The sender.
    pub source: SocketAddrV4,
    /// Whether another DHCP server on this host has port 67, so that what names `local` there is meant for that one.
    pub shared: bool,
}

/// A machine's request for a boot program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootQuery {
    /// What it said.
    pub request: BootRequest,
    /// Which machine.
    pub mac: MacAddr,
    /// What software.
    pub client: BootClient,
    /// How it came in.
    pub ingress: Ingress,
    /// What kind of answer it waits for.
    pub answer: AnswerKind,
}

/// The kinds of answer, by their number in option 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// To a discover.
    Offer,
    /// To a request.
    Ack,
}

impl AnswerKind {
    /// The number in option 53 (RFC 2132 section 9.6).
    pub const fn number(self) -> u8 {
        match self {
            Self::Offer => BootReply::OFFER,
            Self::Ack => BootReply::ACK,
        }
    }
}

impl BootQuery {
    /// The question for the director.
    pub fn ask(&self) -> BootAsk {
        let packet = &self.request.packet;
        let named = |address: Ipv4Addr| (!address.is_unspecified()).then_some(address);
        BootAsk {
            mac: self.mac,
            inventory: self.request.inventory(),
            client: self.client,
            second_step: self.ingress.door == Door::Proxy,
            address: named(packet.ciaddr),
            relay: named(packet.giaddr),
        }
    }
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is no DHCP message.
    Malformed(Malformed),
    /// It is an answer of this very server.
    OwnReply,
    /// It is another server's answer.
    OtherReply,
    /// Whoever sent it does not boot from the network.
    NotNetworkBoot,
    /// It is a request to another DHCP server, or to none by name: answering it would end the machine's lease there.
    OtherServer,
    /// It is a kind of message that asks for nothing, such as a release.
    OtherKind,
    /// Nothing can be loaded by that firmware on that port: UEFI HTTP boot on 4011.
    OtherPort,
    /// It names no hardware address that a machine can be known by.
    NoHardwareAddress,
    /// Its relay is no address that could be answered.
    BadRelay,
    /// There are no loaders for such machines.
    UnknownArch(ClientArch),
    /// It came in by another way as well, and was answered there.
    Copy,
    /// This machine asked too often.
    RateLimited,
    /// Too many newer requests came before it was decided.
    Overloaded,
    /// The interface it came by is not served, or has no IPv4 address.
    NotServed,
}

impl Ignored {
    /// Every reason's word, in the order of [`Self::index`].
    pub const WORDS: [&'static str; 14] = [
        "malformed",
        "own_reply",
        "other_reply",
        "not_network_boot",
        "other_server",
        "other_kind",
        "other_port",
        "no_hardware_address",
        "bad_relay",
        "unknown_arch",
        "rate_limited",
        "overloaded",
        "not_served",
        "copy",
    ];

    /// The reason's place in [`Self::WORDS`].
    pub const fn index(self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::OwnReply => 1,
            Self::OtherReply => 2,
            Self::NotNetworkBoot => 3,
            Self::OtherServer => 4,
            Self::OtherKind => 5,
            Self::OtherPort => 6,
            Self::NoHardwareAddress => 7,
            Self::BadRelay => 8,
            Self::UnknownArch(_) => 9,
            Self::RateLimited => 10,
            Self::Overloaded => 11,
            Self::NotServed => 12,
            Self::Copy => 13,
        }
    }

    /// The reason in one word, for counters.
    pub const fn word(self) -> &'static str {
        Self::WORDS[self.index()]
    }
}

/// Reads a datagram that came in at one of the two doors.
pub fn classify(datagram: &[u8], ingress: Ingress) -> Result<BootQuery, Ignored> {
    if let Ok(reply) = BootReply::decode(datagram) {
        return Err(if reply.server == Some(ingress.local) {
            Ignored::OwnReply
        } else {
            Ignored::OtherReply
        });
    }
    let request = BootRequest::decode(datagram).map_err(Ignored::Malformed)?;
    let class = request.class.ok_or(Ignored::NotNetworkBoot)?;
    let answer = kind_of_answer(&request, class, ingress)?;
    let relay = request.packet.giaddr;
    if relay.is_multicast() || relay.is_broadcast() {
        return Err(Ignored::BadRelay);
    }
    let client = request.client().ok_or(Ignored::UnknownArch(request.arch))?;
    let mac = request.mac().ok_or(Ignored::NoHardwareAddress)?;
    Ok(BootQuery {
        request,
        mac,
        client,
        ingress,
        answer,
    })
}

fn kind_of_answer(
    request: &BootRequest,
    class: VendorClass,
    ingress: Ingress,
) -> Result<AnswerKind, Ignored> {
    match (ingress.door, request.kind) {
        (Door::Dhcp, Some(Kind::Discover)) => Ok(AnswerKind::Offer),
        (Door::Dhcp, Some(Kind::Request)) => {
            if request.server == Some(ingress.local) && !ingress.shared {
                Ok(AnswerKind::Ack)
            } else {
                Err(Ignored::OtherServer)
            }
        }
        // Some firmware informs, or leaves option 53 out.
        (Door::Proxy, None | Some(Kind::Discover | Kind::Request | Kind::Inform)) => match class {
            VendorClass::Pxe => Ok(AnswerKind::Ack),
            VendorClass::Http => Err(Ignored::OtherPort),
        },
        (Door::Dhcp, None | Some(Kind::Inform | Kind::Other(_)))
        | (Door::Proxy, Some(Kind::Other(_))) => Err(Ignored::OtherKind),
    }
}
