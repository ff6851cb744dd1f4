//! UDP sockets that know which address a datagram was sent to, and say which one an answer leaves from.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A UDP socket with IP_PKTINFO (ip(7)).
#[derive(Debug)]
pub struct UdpPort {
    socket: UdpSocket,
}

/// Where a received datagram came from and went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its length in bytes, cut to the buffer's.
    pub len: usize,
    /// Its sender.
    pub source: SocketAddrV4,
    /// The address in its header: one of this host's, or a broadcast address.
    pub destination: Ipv4Addr,
    /// The index of the interface it came in by.
    pub ifindex: u32,
}

/// How a datagram leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departure {
    /// The address it leaves from; `None` lets the routing table choose.
    pub source: Option<Ipv4Addr>,
    /// The interface it leaves by, which a broadcast needs; `None` lets the routing table choose.
    pub ifindex: Option<u32>,
}

/// How many bytes of datagrams may wait to be read.
pub(super) const RECEIVE_BUFFER: usize = 1 << 20;

impl UdpPort {
    /// Binds `address`, without SO_REUSEADDR: with it, two servers could hold one port and neither would know.
    pub fn bind(address: SocketAddrV4) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_broadcast(true)?;
        // Room for a rack that is switched on at once; the system may grant less, and each client asks again.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.bind(&address.into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
        })
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddrV4> {
        match self.socket.local_addr()? {
            std::net::SocketAddr::V4(address) => Ok(address),
            std::net::SocketAddr::V6(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// Asks for room for `bytes` of datagrams that have come and not been received; the system may give less (`rmem_max`).
    pub fn widen(&self, bytes: usize) -> io::Result<()> {
        socket2::SockRef::from(&self.socket).set_recv_buffer_size(bytes)
    }

    /// Waits for a datagram and puts it into `buffer`. Cancel safe.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        self.socket
            .async_io(Interest::READABLE, || receive(&self.socket, buffer))
            .await
    }

    /// Takes a datagram that is already there; [`io::ErrorKind::WouldBlock`] if there is none.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        self.socket
            .try_io(Interest::READABLE, || receive(&self.socket, buffer))
    }

    /// Sends a datagram, waiting for room in the socket's buffer.
    pub async fn send(
        &self,
        bytes: &[u8],
        destination: SocketAddrV4,
        departure: Departure,
    ) -> io::Result<()> {
        self.socket
            .async_io(Interest::WRITABLE, || {
                transmit(&self.socket, bytes, destination, departure)
            })
            .await
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Arrival> {
    let mut control = cmsg_space!(in_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let source = message.address.map_or(
        SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
        SocketAddrV4::from,
    );
    let mut arrival = Arrival {
        len: message.bytes,
        source,
        destination: Ipv4Addr::UNSPECIFIED,
        ifindex: 0,
    };
    for part in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = part {
            arrival.destination = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
            arrival.ifindex = u32::try_from(info.ipi_ifindex).unwrap_or(0);
        }
    }
    Ok(arrival)
}

/// Sends by any IPv4 datagram socket, raw ones included.
pub(super) fn transmit(
    socket: &impl AsRawFd,
    bytes: &[u8],
    destination: SocketAddrV4,
    departure: Departure,
) -> io::Result<()> {
    let info = in_pktinfo {
        ipi_ifindex: departure
            .ifindex
            .and_then(|index| i32::try_from(index).ok())
            .unwrap_or(0),
        ipi_spec_dst: in_addr {
            s_addr: u32::from(departure.source.unwrap_or(Ipv4Addr::UNSPECIFIED)).to_be(),
        },
        ipi_addr: in_addr { s_addr: 0 },
    };
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        &[ControlMessage::Ipv4PacketInfo(&info)],
        MsgFlags::MSG_DONTWAIT,
        Some(&SockaddrIn::from(destination)),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_leave_from_the_address_that_was_asked() {
        let server = UdpPort::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = server.local_addr().unwrap().port();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", ("127.0.0.9", port)).unwrap();

        let mut buffer = [0; 64];
        let arrival = server.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..arrival.len], b"hello");
        assert_eq!(arrival.destination, Ipv4Addr::new(127, 0, 0, 9));
        assert!(arrival.ifindex > 0);

        let departure = Departure {
            source: Some(arrival.destination),
            ifindex: None,
        };
        server
            .send(b"back", arrival.source, departure)
            .await
            .unwrap();
        let (len, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"back");
        assert_eq!(from, std::net::SocketAddr::from(([127, 0, 0, 9], port)));
    }

    #[tokio::test]
    async fn a_port_in_use_is_refused() {
        let first = UdpPort::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = UdpPort::bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
