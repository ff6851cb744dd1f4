//! A DHCP message as fields and raw options, whatever its options hold.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcproto::v4::borrowed::{DhcpOptionIterator, Message as RawMessage};
use dhcproto::v4::{DhcpOption, HType, MAGIC, Message, Opcode, OptionCode, UnknownOption};
use dhcproto::{Encodable, Encoder};

use crate::wire::options;

/// The length of a BOOTP header with the magic cookie, in bytes (RFC 2131 section 2).
const HEADER: usize = 240;
/// The shortest message that old boot ROMs take (RFC 951 section 3: the fixed BOOTP packet).
pub const MIN_LEN: usize = 300;
/// Where the `sname` field is.
const SNAME: std::ops::Range<usize> = 44..108;
/// Where the `file` field is.
const FILE: std::ops::Range<usize> = 108..236;

/// A DHCP message. Options are kept as they came: each number once, its parts joined (RFC 3396).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who speaks.
    pub operation: Operation,
    /// The hardware type: 1 is Ethernet, 32 InfiniBand.
    pub htype: u8,
    /// How many bytes of `chaddr` count, at most 16.
    pub hlen: u8,
    /// The client's hardware address; bytes after `hlen` are zero.
    pub chaddr: [u8; 16],
    /// The number by which a client knows an answer as its own.
    pub xid: u32,
    /// Seconds since the client began, as it says.
    pub secs: u16,
    /// The flags; the highest bit asks for a broadcast answer.
    pub flags: u16,
    /// The client's address, where it has one.
    pub ciaddr: Ipv4Addr,
    /// The address a server gives.
    pub yiaddr: Ipv4Addr,
    /// The server to load from.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// The boot file, up to its NUL; empty where the field holds options.
    pub file: Vec<u8>,
    /// The options by number.
    pub options: BTreeMap<u8, Vec<u8>>,
}

/// Who speaks (`op`, RFC 951 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A client.
    Request,
    /// A server.
    Reply,
}

/// What makes bytes no DHCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends before the options begin.
    Short,
    /// `op` is neither 1 nor 2.
    Operation,
    /// The magic cookie (RFC 2131 section 3) is missing.
    Cookie,
    /// `hlen` is more than `chaddr` can hold.
    HardwareLength,
}

impl Packet {
    /// Reads any bytes. An option that is cut off ends the list; those before it count.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let raw = RawMessage::new(bytes).map_err(|_| Malformed::Short)?;
        let operation = match raw.opcode() {
            Opcode::BootRequest => Operation::Request,
            Opcode::BootReply => Operation::Reply,
            Opcode::Unknown(_) => return Err(Malformed::Operation),
        };
        if bytes[HEADER - MAGIC.len()..HEADER] != MAGIC {
            return Err(Malformed::Cookie);
        }
        let hlen = raw.hlen();
        let mut chaddr = [0; 16];
        chaddr
            .get_mut(..usize::from(hlen))
            .ok_or(Malformed::HardwareLength)?
            .copy_from_slice(raw.chaddr());

        let mut options = BTreeMap::new();
        collect(&mut options, &bytes[HEADER..]);
        let overload = options
            .get(&options::OVERLOAD)
            .and_then(|data: &Vec<u8>| data.first().copied())
            .unwrap_or(0);
        let (file_has_options, sname_has_options) = (overload & 1 != 0, overload & 2 != 0);
        if file_has_options {
            collect(&mut options, &bytes[FILE]);
        }
        if sname_has_options {
            collect(&mut options, &bytes[SNAME]);
        }
        Ok(Self {
            operation,
            htype: raw.htype().into(),
            hlen,
            chaddr,
            xid: raw.xid(),
            secs: raw.secs(),
            flags: raw.flags().into(),
            ciaddr: raw.ciaddr(),
            yiaddr: raw.yiaddr(),
            siaddr: raw.siaddr(),
            giaddr: raw.giaddr(),
            file: if file_has_options {
                Vec::new()
            } else {
                raw.fname().to_vec()
            },
            options,
        })
    }

    /// Writes it: the message type first, a relay's option last (RFC 3046 section 2.1), padded to [`MIN_LEN`]. Options longer than 255
    /// bytes are split (RFC 3396).
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Message::new_with_id(
            self.xid,
            self.ciaddr,
            self.yiaddr,
            self.siaddr,
            self.giaddr,
            &self.chaddr[..usize::from(self.hlen).min(16)],
        );
        message
            .set_opcode(match self.operation {
                Operation::Request => Opcode::BootRequest,
                Operation::Reply => Opcode::BootReply,
            })
            .set_htype(HType::from(self.htype))
            .set_secs(self.secs)
            .set_flags(self.flags.into());
        if !self.file.is_empty() {
            message.set_fname(&self.file[..self.file.len().min(FILE.len())]);
        }
        let mut bytes = Vec::with_capacity(MIN_LEN + 64);
        let mut encoder = Encoder::new(&mut bytes);
        let mut write = || {
            message.encode(&mut encoder)?;
            for (code, data) in self.in_wire_order() {
                // An option without data still has to be there.
                let mut rest = data.as_slice();
                loop {
                    let (part, more) = rest.split_at(rest.len().min(255));
                    let option = UnknownOption::new(OptionCode::from(code), part.to_vec());
                    option.encode(&mut encoder)?;
                    rest = more;
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            DhcpOption::End.encode(&mut encoder)
        };
        write()
            .expect("a growing buffer takes everything, and the file field was cut to its length");
        if bytes.len() < MIN_LEN {
            bytes.resize(MIN_LEN, 0);
        }
        bytes
    }

    fn in_wire_order(&self) -> impl Iterator<Item = (u8, &Vec<u8>)> {
        let rank = |code: u8| match code {
            options::MESSAGE_TYPE => 0,
            // EDK2 ends the boot file in place with a NUL, which falls on whatever follows.
            options::BOOT_FILE => 2,
            options::RELAY_AGENT => 3,
            _ => 1,
        };
        let mut list: Vec<(u8, &Vec<u8>)> = self
            .options
            .iter()
            .filter(|(code, _)| ![options::PAD, options::OVERLOAD, options::END].contains(code))
            .map(|(code, data)| (*code, data))
            .collect();
        list.sort_by_key(|(code, _)| (rank(*code), *code));
        list.into_iter()
    }

    /// An option's data.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.get(&code).map(Vec::as_slice)
    }

    /// An option that is one IPv4 address.
    pub fn address_option(&self, code: u8) -> Option<Ipv4Addr> {
        let four: [u8; 4] = self.option(code)?.get(..4)?.try_into().ok()?;
        Some(four.into())
    }
}

/// Adds the options of one area to those known, joining the parts of one number.
fn collect(options: &mut BTreeMap<u8, Vec<u8>>, area: &[u8]) {
    for option in DhcpOptionIterator::new(area) {
        options
            .entry(option.code().into())
            .or_default()
            .extend_from_slice(option.data());
    }
}

/// Reads options nested in an option's data: number, length, data. Stops at the end mark or where the data is cut off.
pub fn nested(data: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut options = BTreeMap::new();
    collect(&mut options, data);
    options
}
