//! What a server says, as a network boot client reads it.

use std::net::Ipv4Addr;

use super::packet::{Malformed, Operation, Packet, nested};
use super::request::VendorClass;
use crate::wire::options;

/// A server's DHCP message, read as far as a network boot client needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootReply {
    /// The message itself.
    pub packet: Packet,
    /// What kind it is: 2 an offer, 5 an acknowledgement; `None` for plain BOOTP.
    pub kind: Option<u8>,
    /// Who sent it (option 54).
    pub server: Option<Ipv4Addr>,
    /// The class of client it is for (option 60).
    pub class: Option<VendorClass>,
    /// The boot file: option 67 up to a NUL, else the `file` field.
    pub file: Option<String>,
    /// The sub-options of option 43, if there is one.
    pub vendor: Option<std::collections::BTreeMap<u8, Vec<u8>>>,
}

impl BootReply {
    /// The number of an offer in option 53.
    pub const OFFER: u8 = 2;
    /// The number of an acknowledgement in option 53.
    pub const ACK: u8 = 5;

    /// Reads a server's message out of any bytes; a client's is refused as [`Malformed::Operation`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let packet = Packet::decode(bytes)?;
        if packet.operation != Operation::Reply {
            return Err(Malformed::Operation);
        }
        let option_file = packet
            .option(options::BOOT_FILE)
            .and_then(|data| data.split(|byte| *byte == 0).next())
            .filter(|name| !name.is_empty());
        let file = option_file
            .or_else(|| (!packet.file.is_empty()).then_some(packet.file.as_slice()))
            .and_then(|name| String::from_utf8(name.to_vec()).ok());
        let class = packet.option(options::VENDOR_CLASS).unwrap_or_default();
        Ok(Self {
            kind: packet
                .option(options::MESSAGE_TYPE)
                .and_then(|data| data.first().copied()),
            server: packet.address_option(options::SERVER_IDENTIFIER),
            class: VendorClass::read(class),
            file,
            vendor: packet.option(options::VENDOR_SPECIFIC).map(nested),
            packet,
        })
    }
}
