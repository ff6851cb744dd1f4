//! What an Ethernet frame of the boot plane means to a test. Read here, not by the daemon's own parser: an
//! observer who shares the observed one's eyes sees nothing.

use std::fmt;

/// A hardware address.
pub type Mac = [u8; 6];

/// Something worth counting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sighting {
    /// A BOOTREQUEST on port 67 or 4011.
    Asked(Dhcp),
    /// A BOOTREPLY from port 67 or 4011.
    Answered(Dhcp),
    /// A TFTP read request.
    TftpRead {
        /// Who asks.
        from: Mac,
        /// The name asked for.
        name: String,
    },
    /// A TFTP error in either direction.
    TftpError {
        /// Who sends it.
        from: Mac,
        /// Its number.
        code: u16,
    },
    /// The head of an HTTP request.
    HttpRequest {
        /// Who asks.
        from: Mac,
        /// Method and path.
        line: String,
    },
    /// The head of an HTTP response.
    HttpStatus {
        /// Whom it goes to.
        to: Mac,
        /// The status.
        status: u16,
    },
}

/// A DHCP message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dhcp {
    /// The server's port: 67 or 4011.
    pub port: u16,
    /// Who sent the frame.
    pub from: Mac,
    /// Whether the frame was for one host alone.
    pub unicast: bool,
    /// The transaction.
    pub xid: u32,
    /// The client (`chaddr`).
    pub client: Mac,
    /// Option 53; 0 when absent.
    pub kind: u8,
    /// Whether option 60 says that this is a network boot.
    pub network_boot: bool,
    /// Option 54.
    pub server: Option<[u8; 4]>,
    /// The address given (`yiaddr`).
    pub given: [u8; 4],
}

/// DHCPDISCOVER (RFC 2132, 9.6).
pub const DISCOVER: u8 = 1;
/// DHCPOFFER.
pub const OFFER: u8 = 2;
/// DHCPREQUEST.
pub const REQUEST: u8 = 3;
/// DHCPACK.
pub const ACK: u8 = 5;

/// Reads a frame; what is no IPv4 packet of the boot plane is nothing.
pub fn read(frame: &[u8]) -> Option<Sighting> {
    let (to, from) = (mac(frame.get(..6)?), mac(frame.get(6..12)?));
    if frame.get(12..14)? != [0x08, 0x00] {
        return None;
    }
    let ip = &frame[14..];
    let packet = ip.get(usize::from(*ip.first()? & 0x0f) * 4..usize::from(u16_at(ip, 2)?))?;
    if u16_at(ip, 6)? & 0x1fff != 0 {
        return None; // a later fragment has no ports
    }
    match ip.get(9)? {
        6 => tcp(packet, from, to),
        17 => udp(packet, from, to),
        _ => None,
    }
}

fn udp(packet: &[u8], from: Mac, to: Mac) -> Option<Sighting> {
    let (source, target, payload) = (u16_at(packet, 0)?, u16_at(packet, 2)?, packet.get(8..)?);
    match (source, target) {
        // Both ends of a proxy exchange with EDK2 are 4011: the operation decides.
        (67 | 4011, _) | (_, 67 | 4011) => match payload.first()? {
            1 if matches!(target, 67 | 4011) => {
                Some(Sighting::Asked(dhcp(payload, (from, to), target)?))
            }
            2 if matches!(source, 67 | 4011) => {
                Some(Sighting::Answered(dhcp(payload, (from, to), source)?))
            }
            _ => None,
        },
        (_, 69) if u16_at(payload, 0)? == 1 => {
            let name = payload[2..].split(|byte| *byte == 0).next()?;
            Some(Sighting::TftpRead {
                from,
                name: String::from_utf8_lossy(name).into_owned(),
            })
        }
        // A transfer has ports of its own; an ERROR is recognised by its form (RFC 1350, 5).
        _ if u16_at(payload, 0)? == 5 && payload.len() > 4 && payload.last() == Some(&0) => {
            Some(Sighting::TftpError {
                from,
                code: u16_at(payload, 2)?,
            })
        }
        _ => None,
    }
}

fn tcp(packet: &[u8], from: Mac, to: Mac) -> Option<Sighting> {
    let payload = packet.get(usize::from(packet.get(12)? >> 4) * 4..)?;
    let end = payload.windows(2).position(|bytes| bytes == b"\r\n")?;
    let line = std::str::from_utf8(&payload[..end]).ok()?;
    if u16_at(packet, 2)? == 80 {
        let line = line
            .strip_suffix(" HTTP/1.1")
            .or_else(|| line.strip_suffix(" HTTP/1.0"))?;
        return Some(Sighting::HttpRequest {
            from,
            line: line.to_owned(),
        });
    }
    if u16_at(packet, 0)? == 80 {
        let status = line
            .strip_prefix("HTTP/1.")?
            .split(' ')
            .nth(1)?
            .parse()
            .ok()?;
        return Some(Sighting::HttpStatus { to, status });
    }
    None
}

fn dhcp(payload: &[u8], (from, to): (Mac, Mac), port: u16) -> Option<Dhcp> {
    let mut found = Dhcp {
        port,
        from,
        // The lowest bit of the first byte marks a group (IEEE 802).
        unicast: to[0] & 1 == 0,
        xid: u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?),
        client: mac(payload.get(28..34)?),
        kind: 0,
        network_boot: false,
        server: None,
        given: payload.get(16..20)?.try_into().ok()?,
    };
    if payload.get(236..240)? != [0x63, 0x82, 0x53, 0x63] {
        return None;
    }
    let mut options = &payload[240..];
    loop {
        match *options {
            [] | [255, ..] => return Some(found),
            [0, ref rest @ ..] => options = rest,
            [code, length, ref rest @ ..] => {
                let value = rest.get(..usize::from(length))?;
                match code {
                    53 => found.kind = *value.first()?,
                    54 => found.server = Some(value.try_into().ok()?),
                    60 => {
                        found.network_boot =
                            value.starts_with(b"PXEClient") || value.starts_with(b"HTTPClient");
                    }
                    _ => {}
                }
                options = &rest[usize::from(length)..];
            }
            [_] => return None,
        }
    }
}

fn mac(bytes: &[u8]) -> Mac {
    let mut mac = [0; 6];
    mac.copy_from_slice(bytes);
    mac
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Reads an address as a machine's build has it.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(dhcp) | Self::Answered(dhcp) => {
                let kind = match dhcp.kind {
                    DISCOVER => "DISCOVER",
                    OFFER => "OFFER",
                    REQUEST => "REQUEST",
                    ACK => "ACK",
                    _ => "message",
                };
                write!(f, "{kind} on {} xid {:08x}", dhcp.port, dhcp.xid)
            }
            Self::TftpRead { name, .. } => write!(f, "TFTP {name}"),
            Self::TftpError { code, .. } => write!(f, "TFTP error {code}"),
            Self::HttpRequest { line, .. } => write!(f, "HTTP {line}"),
            Self::HttpStatus { status, .. } => write!(f, "HTTP {status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Mac = [0x52, 0x54, 0, 0, 0, 1];
    const SERVER: Mac = [0x02, 0, 0, 0, 0, 2];

    fn frame(protocol: u8, packet: &[u8]) -> Vec<u8> {
        let mut frame = [SERVER, CLIENT].concat();
        let length = u16::try_from(20 + packet.len()).unwrap().to_be_bytes();
        frame.extend([
            8, 0, 0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0,
        ]);
        frame.extend([10, 77, 0, 100, 10, 77, 0, 2]);
        frame.extend(packet);
        frame
    }

    fn datagram(source: u16, target: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = [source.to_be_bytes(), target.to_be_bytes(), [0, 0], [0, 0]].concat();
        packet.extend(payload);
        frame(17, &packet)
    }

    fn message(op: u8, options: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 240];
        message[0] = op;
        message[4..8].copy_from_slice(&[1, 2, 3, 4]);
        message[28..34].copy_from_slice(&CLIENT);
        message[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        message.extend(options);
        message
    }

    #[test]
    fn a_network_boots_discover_is_seen() {
        let options = [&[53, 1, 1, 0, 60, 9][..], b"PXEClient", &[255]].concat();
        let Some(Sighting::Asked(dhcp)) = read(&datagram(68, 67, &message(1, &options))) else {
            panic!()
        };
        assert_eq!(
            (dhcp.kind, dhcp.network_boot, dhcp.xid, dhcp.client),
            (DISCOVER, true, 0x0102_0304, CLIENT)
        );
    }

    #[test]
    fn the_operation_tells_question_from_answer_where_both_ports_are_4011() {
        let asked = read(&datagram(4011, 4011, &message(1, &[53, 1, 3, 255])));
        assert!(
            matches!(
                asked,
                Some(Sighting::Asked(Dhcp {
                    port: 4011,
                    kind: REQUEST,
                    ..
                }))
            ),
            "{asked:?}"
        );
        let answered = read(&datagram(
            4011,
            4011,
            &message(2, &[53, 1, 5, 54, 4, 10, 77, 0, 2, 255]),
        ));
        assert!(
            matches!(
                answered,
                Some(Sighting::Answered(Dhcp {
                    server: Some([10, 77, 0, 2]),
                    ..
                }))
            ),
            "{answered:?}"
        );
    }

    #[test]
    fn reads_requests_for_files() {
        let tftp = read(&datagram(2000, 69, b"\0\x01snponly.efi\0octet\0"));
        assert_eq!(
            tftp,
            Some(Sighting::TftpRead {
                from: CLIENT,
                name: "snponly.efi".to_owned()
            })
        );
        let mut packet = vec![0; 20];
        packet[2..4].copy_from_slice(&80_u16.to_be_bytes());
        packet[12] = 0x50;
        packet.extend(b"GET /boot/x HTTP/1.1\r\nHost: a\r\n\r\n");
        let http = read(&frame(6, &packet));
        assert_eq!(
            http,
            Some(Sighting::HttpRequest {
                from: CLIENT,
                line: "GET /boot/x".to_owned()
            })
        );
    }

    #[test]
    fn a_cut_frame_is_nothing() {
        let options = [&[53, 1, 1, 60, 9][..], b"PXEClient", &[255]].concat();
        let whole = datagram(68, 67, &message(1, &options));
        for length in 0..whole.len() - 1 {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
    }
}
