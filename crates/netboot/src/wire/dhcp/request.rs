//! What a network boot client says in its packet.

use std::net::Ipv4Addr;

use model::{Arch, Firmware, Inventory, MacAddr, SmbiosUuid};

use super::arch::ClientArch;
use super::packet::{Malformed, Operation, Packet, nested};
use crate::director::{BootClient, Platform};
use crate::wire::options;

/// The hardware types that can boot by PXE: Ethernet, IEEE 802, InfiniBand (RFC 4390).
const HARDWARE: [u8; 3] = [1, 6, 32];

/// A client's DHCP message, read as far as a network boot needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootRequest {
    /// The message itself.
    pub packet: Packet,
    /// What kind it is; `None` for plain BOOTP.
    pub kind: Option<Kind>,
    /// The server it is meant for (option 54).
    pub server: Option<Ipv4Addr>,
    /// What it boots by (option 60); `None` if it does not boot from the network.
    pub class: Option<VendorClass>,
    /// What it can boot.
    pub arch: ClientArch,
    /// What iPXE says of itself; `None` for other software.
    pub ipxe: Option<IpxeFacts>,
    /// The longest answer it takes, in bytes with IP and UDP headers (option 57).
    pub max_size: Option<u16>,
    /// The mainboard's number (option 97).
    pub uuid: Option<SmbiosUuid>,
    /// The menu item it asks for (option 43, sub-option 71): type and layer.
    pub boot_item: Option<[u8; 4]>,
}

/// The kinds of message a client sends (RFC 2131 table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks for servers.
    Discover,
    /// Accepts one server's offer, or asks a boot server.
    Request,
    /// Has an address and asks for the rest.
    Inform,
    /// Any other, by its number.
    Other(u8),
}

impl Kind {
    /// The number in option 53.
    pub fn number(self) -> u8 {
        match self {
            Self::Discover => 1,
            Self::Request => 3,
            Self::Inform => 8,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Discover,
            3 => Self::Request,
            8 => Self::Inform,
            other => Self::Other(other),
        }
    }
}

/// What a client boots by: the beginning of option 60, which the answer has to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorClass {
    /// PXE.
    Pxe,
    /// UEFI HTTP boot.
    Http,
}

impl VendorClass {
    /// The word on the wire.
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Pxe => b"PXEClient",
            Self::Http => b"HTTPClient",
        }
    }

    /// Reads option 60.
    pub fn read(option: &[u8]) -> Option<Self> {
        [Self::Pxe, Self::Http]
            .into_iter()
            .find(|class| option.starts_with(class.as_bytes()))
    }
}

/// What iPXE says of itself in option 175.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpxeFacts {
    /// Whether it can fetch by HTTP. An iPXE that tells nothing of itself is taken to be able to.
    pub http: bool,
    /// Its version: major, minor, patch.
    pub version: Option<[u8; 3]>,
}

impl BootRequest {
    /// Reads a client's message out of any bytes; a server's is refused as [`Malformed::Operation`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let packet = Packet::decode(bytes)?;
        if packet.operation != Operation::Request {
            return Err(Malformed::Operation);
        }
        Ok(Self::from_packet(packet))
    }

    /// Reads a client's message.
    pub fn from_packet(packet: Packet) -> Self {
        let class_text = packet.option(options::VENDOR_CLASS).unwrap_or_default();
        let two = |code| {
            let data: [u8; 2] = packet.option(code)?.get(..2)?.try_into().ok()?;
            Some(u16::from_be_bytes(data))
        };
        Self {
            kind: packet
                .option(options::MESSAGE_TYPE)
                .and_then(|data| data.first())
                .map(|number| Kind::from_number(*number)),
            server: packet.address_option(options::SERVER_IDENTIFIER),
            class: VendorClass::read(class_text),
            arch: ClientArch::read(packet.option(options::CLIENT_ARCH), class_text),
            ipxe: read_ipxe(&packet),
            max_size: two(options::MAX_MESSAGE_SIZE),
            uuid: packet
                .option(options::CLIENT_UUID)
                .and_then(read_guid)
                .and_then(SmbiosUuid::from_option_97),
            boot_item: packet
                .option(options::VENDOR_SPECIFIC)
                .and_then(|data| nested(data).remove(&options::pxe::BOOT_ITEM))
                .and_then(|item| item.try_into().ok()),
            packet,
        }
    }

    /// The card it boots by. Where `chaddr` does not hold one (EDK2 may send the machine's GUID there, InfiniBand sends nothing), option
    /// 61 may; failing that it is an address made of the GUID, marked as locally administered (IEEE 802: second lowest bit of the first
    /// byte), so that the machine can be answered at all.
    pub fn mac(&self) -> Option<MacAddr> {
        let packet = &self.packet;
        if !HARDWARE.contains(&packet.htype) {
            return None;
        }
        let chaddr = &packet.chaddr[..usize::from(packet.hlen)];
        read_mac(chaddr)
            .or_else(|| read_client_identifier(packet.option(options::CLIENT_IDENTIFIER)?))
            .or_else(|| {
                let guid = || SmbiosUuid::from_option_97(chaddr.try_into().ok()?);
                let [.., a, b, c, d, e] = self.uuid.or_else(guid)?.octets();
                MacAddr::from_bytes([0x02, a, b, c, d, e])
            })
    }

    /// What software asks; `None` if it boots no platform this program has loaders for, or not from the network.
    pub fn client(&self) -> Option<BootClient> {
        let platform = self.arch.platform()?;
        match (self.ipxe, self.class) {
            (Some(facts), Some(_)) => Some(BootClient::Ipxe {
                platform,
                http: facts.http,
            }),
            (None, Some(VendorClass::Pxe)) => Some(BootClient::Pxe(platform)),
            (None, Some(VendorClass::Http)) => Some(BootClient::Http(platform)),
            (_, None) => None,
        }
    }

    /// What the packet says of the machine. A 64-bit processor may be behind a BIOS or 32-bit firmware, so those say nothing of it.
    pub fn inventory(&self) -> Inventory {
        let platform = self.arch.platform();
        Inventory {
            arch: platform.and_then(|platform| match platform {
                Platform::EfiX64 => Some(Arch::Amd64),
                Platform::EfiArm64 => Some(Arch::Arm64),
                Platform::Bios | Platform::EfiIa32 | Platform::EfiArm32 => None,
            }),
            firmware: platform.map(|platform| match platform {
                Platform::Bios => Firmware::Bios,
                _ => Firmware::Uefi,
            }),
            uuid: self.uuid,
            ..Inventory::default()
        }
    }
}

/// Knows iPXE by its user class, raw or as RFC 3004 writes it, or by its own option.
fn read_ipxe(packet: &Packet) -> Option<IpxeFacts> {
    const NAME: &[u8] = b"iPXE";
    let named = packet
        .option(options::USER_CLASS)
        .is_some_and(|data| data == NAME || user_classes(data).any(|class| class == NAME));
    let own = packet.option(options::IPXE).map(nested);
    if !named && own.is_none() {
        return None;
    }
    Some(IpxeFacts {
        http: own.as_ref().is_none_or(|own| {
            own.get(&options::ipxe::HTTP)
                .is_some_and(|value| value.iter().any(|byte| *byte != 0))
        }),
        version: own
            .as_ref()
            .and_then(|own| own.get(&options::ipxe::VERSION))
            .and_then(|version| version.as_slice().try_into().ok()),
    })
}

/// The classes of option 77 as RFC 3004 section 4 writes them: a length before each.
fn user_classes(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first()?;
        let (class, rest) = rest.split_at_checked(usize::from(*length))?;
        data = rest;
        Some(class)
    })
}

/// Reads option 97: a byte of type 0 and 16 bytes.
fn read_guid(data: &[u8]) -> Option<[u8; 16]> {
    match data {
        [0, guid @ ..] => guid.try_into().ok(),
        _ => None,
    }
}

fn read_mac(bytes: &[u8]) -> Option<MacAddr> {
    MacAddr::from_bytes(bytes.try_into().ok()?)
}

/// Reads the card out of option 61: hardware type and address (RFC 2132 section 9.14), or a DUID after its IAID (RFC 4361 section 6.1).
fn read_client_identifier(data: &[u8]) -> Option<MacAddr> {
    match data {
        [1, mac @ ..] if mac.len() == 6 => read_mac(mac),
        // DUID-LLT and DUID-LL of Ethernet (RFC 8415 sections 11.2 and 11.4).
        [255, _, _, _, _, 0, 1, 0, 1, _, _, _, _, mac @ ..]
        | [255, _, _, _, _, 0, 3, 0, 1, mac @ ..] => read_mac(mac),
        _ => None,
    }
}
