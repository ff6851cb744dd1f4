//! TFTP packets (RFC 1350) with options (RFC 2347, 2348, 2349, 7440).

use std::fmt;

use thiserror::Error;

/// A TFTP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: a machine wants a file.
    Read(Request),
    /// WRQ: a machine wants to write a file.
    Write(Request),
    /// DATA: a block of a file; one shorter than agreed is the last.
    Data {
        /// Its number: blocks count from 1 and go round from 65535 to 0.
        block: u16,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// ACK: every block up to this one has come.
    Ack(u16),
    /// ERROR: the sender has ended the transfer.
    Error {
        /// Why, as a number.
        code: ErrorCode,
        /// Why, in words: one line of printable text.
        message: String,
    },
    /// OACK: the options that the server takes (RFC 2347).
    OptionAck(Options),
}

/// What RRQ and WRQ carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The file name, as it was on the wire.
    pub name: Vec<u8>,
    /// How the file is to be sent.
    pub mode: Mode,
    /// What the client would like.
    pub options: Options,
}

/// How a file is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As bytes.
    Octet,
    /// As text with CR LF line ends.
    Netascii,
    /// `mail`, or something unheard of.
    Other,
}

/// The options that ktizo knows. An option without a readable number counts as not sent (RFC 2347: leave it out of the answer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes in a block (RFC 2348).
    pub blksize: Option<u64>,
    /// Bytes in the file; 0 in a request asks for it (RFC 2349).
    pub tsize: Option<u64>,
    /// Seconds until the server sends again (RFC 2349).
    pub timeout: Option<u64>,
    /// Blocks sent without waiting for an ACK (RFC 7440).
    pub windowsize: Option<u64>,
}

/// A number that says why a transfer was ended (RFC 1350 section 5, RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// See the message.
    pub const NOT_DEFINED: Self = Self(0);
    /// There is no such file.
    pub const FILE_NOT_FOUND: Self = Self(1);
    /// It may not be had, or not be written.
    pub const ACCESS_VIOLATION: Self = Self(2);
    /// The packet makes no sense.
    pub const ILLEGAL_OPERATION: Self = Self(4);
    /// The options do not please; firmware sends it after it has asked for a size.
    pub const OPTIONS_REFUSED: Self = Self(8);
}

/// Why bytes are not a TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It ends before its fields do.
    #[error("the packet is too short")]
    Short,
    /// The first two bytes name no packet.
    #[error("opcode {0} is not known")]
    Opcode(u16),
    /// It is a request, and has no file name that ends, or no mode.
    #[error("the request has no file name or no transfer mode")]
    Request,
}

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// The most bytes of an error message that are kept or sent; with its header it stays within the 512 bytes any client takes.
const LONGEST_MESSAGE: usize = 500;

impl<'a> Packet<'a> {
    /// Reads a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (opcode, body) = read_u16(datagram)?;
        match opcode {
            RRQ => Request::parse(body).map(Self::Read),
            WRQ => Request::parse(body).map(Self::Write),
            DATA => read_u16(body).map(|(block, payload)| Self::Data { block, payload }),
            ACK => read_u16(body).map(|(block, _)| Self::Ack(block)),
            ERROR => read_u16(body).map(|(code, text)| Self::Error {
                code: ErrorCode(code),
                message: printable(text.split(|byte| *byte == 0).next().unwrap_or_default()),
            }),
            OACK => Ok(Self::OptionAck(Options::parse(
                body.split(|byte| *byte == 0),
            ))),
            other => Err(Malformed::Opcode(other)),
        }
    }

    /// The datagram.
    pub fn print(&self) -> Vec<u8> {
        match self {
            Self::Read(request) => request.print(RRQ),
            Self::Write(request) => request.print(WRQ),
            Self::Data { block, payload } => [&data_header(*block)[..], payload].concat(),
            Self::Ack(block) => [ACK.to_be_bytes(), block.to_be_bytes()].concat(),
            Self::Error { code, message } => {
                let mut datagram = [ERROR.to_be_bytes(), code.0.to_be_bytes()].concat();
                datagram.extend(printable(message.as_bytes()).bytes());
                datagram.push(0);
                datagram
            }
            Self::OptionAck(options) => {
                let mut datagram = OACK.to_be_bytes().to_vec();
                options.print(&mut datagram);
                datagram
            }
        }
    }
}

/// The bytes before the payload of a DATA packet.
pub fn data_header(block: u16) -> [u8; 4] {
    let [high, low] = block.to_be_bytes();
    let [zero, opcode] = DATA.to_be_bytes();
    [zero, opcode, high, low]
}

impl Request {
    /// Reads name, mode and options. What follows the last NUL is taken as if it ended with one.
    fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut texts = body.split(|byte| *byte == 0);
        let name = texts.next().unwrap_or_default().to_vec();
        let mode = match texts.next() {
            None | Some([]) => return Err(Malformed::Request),
            Some(mode) if mode.eq_ignore_ascii_case(b"octet") => Mode::Octet,
            Some(mode) if mode.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
            Some(_) => Mode::Other,
        };
        Ok(Self {
            name,
            mode,
            options: Options::parse(texts),
        })
    }

    fn print(&self, opcode: u16) -> Vec<u8> {
        let mode: &[u8] = match self.mode {
            Mode::Octet => b"octet",
            Mode::Netascii => b"netascii",
            Mode::Other => b"mail",
        };
        let mut datagram = [&opcode.to_be_bytes()[..], &self.name, &[0], mode, &[0]].concat();
        self.options.print(&mut datagram);
        datagram
    }
}

impl Options {
    /// Reads pairs of name and value; of an option sent twice the first counts (RFC 2347 allows one).
    fn parse<'a>(mut texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut options = Self::default();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            let option = match name.to_ascii_lowercase().as_slice() {
                b"blksize" => &mut options.blksize,
                b"tsize" => &mut options.tsize,
                b"timeout" => &mut options.timeout,
                b"windowsize" => &mut options.windowsize,
                _ => continue,
            };
            *option = option.or_else(|| read_number(value));
        }
        options
    }

    fn print(&self, datagram: &mut Vec<u8>) {
        for (name, value) in [
            ("blksize", self.blksize),
            ("tsize", self.tsize),
            ("timeout", self.timeout),
            ("windowsize", self.windowsize),
        ] {
            if let Some(value) = value {
                datagram.extend(format!("{name}\0{value}\0").bytes());
            }
        }
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn read_u16(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Malformed::Short)?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// Decimal digits and nothing else.
fn read_number(text: &[u8]) -> Option<u64> {
    text.iter()
        .all(u8::is_ascii_digit)
        .then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// One line of printable text, however the bytes were.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(LONGEST_MESSAGE)]);
    let mut line: String = text.chars().filter(|c| !c.is_control()).collect();
    while line.len() > LONGEST_MESSAGE {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests;
