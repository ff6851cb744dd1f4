//! Port 67 beside another DHCP server on the same host.
//!
//! Nothing is bound to the port, so that every datagram the kernel delivers there, above all unicast renewals, still reaches the other
//! server. A packet socket (packet(7)) sees what it sees; answers leave by a raw socket (raw(7)) with the port written into them.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::udp::{Arrival, Departure, RECEIVE_BUFFER, transmit};

/// A port that another process has.
#[derive(Debug)]
pub(super) struct SharedPort {
    listener: Readiness,
    sender: Readiness,
    port: u16,
}

/// A socket whose readiness tokio watches. It has no type for packet and raw sockets; of this one nothing but readiness is used.
type Readiness = UdpSocket;

/// The lengths of an IPv4 header without options and of a UDP header (RFC 791 section 3.1, RFC 768).
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// The protocol number of UDP (RFC 768).
const UDP: u8 = 17;

impl SharedPort {
    /// Listens beside whoever has `port`. Needs CAP_NET_RAW.
    pub(super) fn open(port: u16) -> io::Result<Self> {
        let ethernet_ipv4 = i32::from(u16::try_from(libc::ETH_P_IP).unwrap_or(0x0800).to_be());
        let listener = Socket::new(
            Domain::PACKET,
            Type::DGRAM,
            Some(Protocol::from(ethernet_ipv4)),
        )?;
        listener.set_nonblocking(true)?;
        listener.set_recv_buffer_size(RECEIVE_BUFFER)?;
        listener.attach_filter(&udp_to(port))?;
        // What came before the filter was in place; each is checked again when it is read.
        let mut early = [0; 1];
        while recvfrom::<LinkAddr>(listener.as_raw_fd(), &mut early).is_ok() {}

        let sender = Socket::new(
            Domain::IPV4,
            Type::RAW,
            Some(Protocol::from(libc::IPPROTO_RAW)),
        )?;
        sender.set_nonblocking(true)?;
        sender.set_broadcast(true)?;
        Ok(Self {
            listener: UdpSocket::from_std(listener.into())?,
            sender: UdpSocket::from_std(sender.into())?,
            port,
        })
    }

    /// Waits for a datagram to the port and puts its content into `buffer`. Cancel safe.
    pub(super) async fn recv(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        loop {
            let arrival = self
                .listener
                .async_io(Interest::READABLE, || self.receive(buffer))
                .await?;
            if let Some(arrival) = arrival {
                return Ok(arrival);
            }
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        let (len, link) = recvfrom::<LinkAddr>(self.listener.as_raw_fd(), buffer)?;
        let Some(link) = link else { return Ok(None) };
        // Copies of what this host itself sends, and frames for other hosts.
        if link.pkttype() == libc::PACKET_OUTGOING || link.pkttype() == libc::PACKET_OTHERHOST {
            return Ok(None);
        }
        let Some((source, destination, content)) = parse_udp(&buffer[..len], self.port) else {
            return Ok(None);
        };
        let len = content.len();
        buffer.copy_within(content, 0);
        Ok(Some(Arrival {
            len,
            source,
            destination,
            ifindex: u32::try_from(link.ifindex()).unwrap_or(0),
        }))
    }

    /// Sends a datagram from the port.
    pub(super) async fn send(
        &self,
        bytes: &[u8],
        destination: SocketAddrV4,
        departure: Departure,
    ) -> io::Result<()> {
        let source = departure.source.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let packet = compose_udp(SocketAddrV4::new(source, self.port), destination, bytes);
        self.sender
            .async_io(Interest::WRITABLE, || {
                transmit(&self.sender, &packet, destination, departure)
            })
            .await
    }
}

/// A filter (bpf(4)) that lets through unfragmented UDP over IPv4 to `port`, reading from the IP header on.
fn udp_to(port: u16) -> [SockFilter; 9] {
    let code = |parts: [u32; 3]| u16::try_from(parts.iter().sum::<u32>()).unwrap_or(0);
    let load_byte = code([libc::BPF_LD, libc::BPF_B, libc::BPF_ABS]);
    let load_half = code([libc::BPF_LD, libc::BPF_H, libc::BPF_ABS]);
    let load_half_after_header = code([libc::BPF_LD, libc::BPF_H, libc::BPF_IND]);
    let header_length = code([libc::BPF_LDX, libc::BPF_B, libc::BPF_MSH]);
    let if_equal = code([libc::BPF_JMP, libc::BPF_JEQ, libc::BPF_K]);
    let if_any_bit = code([libc::BPF_JMP, libc::BPF_JSET, libc::BPF_K]);
    let give = code([libc::BPF_RET, libc::BPF_K, 0]);
    [
        SockFilter::new(load_byte, 0, 0, 9),
        SockFilter::new(if_equal, 0, 6, u32::from(UDP)),
        SockFilter::new(load_half, 0, 0, 6),
        // A fragment has an offset, or the flag that more follow.
        SockFilter::new(if_any_bit, 4, 0, 0x3fff),
        SockFilter::new(header_length, 0, 0, 0),
        SockFilter::new(load_half_after_header, 0, 0, 2),
        SockFilter::new(if_equal, 0, 1, u32::from(port)),
        SockFilter::new(give, 0, 0, u32::MAX),
        SockFilter::new(give, 0, 0, 0),
    ]
}

/// Finds the content of a UDP datagram to `port` in an IPv4 packet. Checksums are not looked at: those of packets from this very host are
/// left to the network card.
fn parse_udp(packet: &[u8], port: u16) -> Option<(SocketAddrV4, Ipv4Addr, Range<usize>)> {
    let two = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| -> Option<Ipv4Addr> {
        let four: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(four.into())
    };
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let fragment = two(6)? & 0x3fff != 0;
    if first >> 4 != 4 || header < IP_HEADER || *packet.get(9)? != UDP || fragment {
        return None;
    }
    if two(header + 2)? != port {
        return None;
    }
    let content = header + UDP_HEADER..header + usize::from(two(header + 4)?);
    packet.get(content.clone())?;
    Some((
        SocketAddrV4::new(address(12)?, two(header)?),
        address(16)?,
        content,
    ))
}

/// Writes a UDP datagram with its IPv4 header, whose length, number and checksum the kernel fills in (raw(7)).
fn compose_udp(source: SocketAddrV4, destination: SocketAddrV4, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(UDP_HEADER + content.len()).unwrap_or(u16::MAX);
    let mut packet = Vec::with_capacity(IP_HEADER + UDP_HEADER + content.len());
    // Version 4 with five words of header; 64 hops.
    packet.extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0]);
    packet.extend(source.ip().octets());
    packet.extend(destination.ip().octets());
    packet.extend(source.port().to_be_bytes());
    packet.extend(destination.port().to_be_bytes());
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(content);
    let checksum = udp_checksum(&packet[IP_HEADER..], *source.ip(), *destination.ip());
    packet[IP_HEADER + 6..IP_HEADER + 8].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The checksum over a UDP datagram and the addresses (RFC 768; RFC 1071).
fn udp_checksum(datagram: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        bytes
            .chunks(2)
            .map(|two| u32::from(two[0]) << 8 | two.get(1).map_or(0, |low| u32::from(*low)))
            .sum()
    };
    let mut sum = words(&source.octets())
        + words(&destination.octets())
        + u32::from(UDP)
        + u32::try_from(datagram.len()).unwrap_or(0)
        + words(datagram);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !u16::try_from(sum).unwrap_or(0) {
        // Zero would mean that there is none.
        0 => 0xffff,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 5), 68);
    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 2), 67);

    #[test]
    fn what_is_written_is_read() {
        let packet = compose_udp(CLIENT, SERVER, b"odd");
        let (source, destination, content) = parse_udp(&packet, 67).unwrap();
        assert_eq!((source, destination), (CLIENT, *SERVER.ip()));
        assert_eq!(&packet[content], b"odd");
        // A datagram sums up to all ones with its own checksum.
        assert_eq!(
            udp_checksum(&packet[IP_HEADER..], *CLIENT.ip(), *SERVER.ip()),
            0xffff
        );
    }

    #[test]
    fn other_packets_are_passed_over() {
        let good = compose_udp(CLIENT, SERVER, b"content");
        assert!(parse_udp(&good, 68).is_none(), "another port");
        for length in 0..good.len() {
            assert!(parse_udp(&good[..length], 67).is_none(), "cut to {length}");
        }
        for (at, byte, what) in [
            (0, 0x65, "IPv6"),
            (0, 0x44, "a header too short"),
            (6, 0x20, "the first fragment"),
            (7, 0x01, "a later fragment"),
            (9, 6, "TCP"),
            (25, 3, "a length shorter than its header"),
        ] {
            let mut packet = good.clone();
            packet[at] = byte;
            assert!(parse_udp(&packet, 67).is_none(), "{what}");
        }
    }
}
