//! The socket of one transfer.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::core::tftp::Span;
use crate::wire::tftp::data_header;

/// A socket of its own port, bound to the address that was asked and connected to the client.
#[derive(Debug)]
pub(super) struct Edge {
    socket: UdpSocket,
}

impl Edge {
    pub(super) fn open(local: Ipv4Addr, peer: SocketAddrV4) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddrV4::new(local, 0).into())?;
        socket.connect(&peer.into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
        })
    }

    /// Waits for a datagram of the client. Cancel safe.
    pub(super) async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer).await
    }

    pub(super) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram).await.map(drop)
    }

    /// Sends the blocks of a span; `content` holds the span's bytes. This is the one place where blocks leave, so the one to
    /// learn to send a window in one call.
    pub(super) async fn send_window(&self, span: &Span, content: &[u8]) -> io::Result<()> {
        for block in span.blocks() {
            let header = data_header(block.number);
            let payload = &content[block.start..][..block.len];
            let parts = [IoSlice::new(&header), IoSlice::new(payload)];
            self.socket
                .async_io(Interest::WRITABLE, || {
                    SockRef::from(&self.socket).send_vectored(&parts)
                })
                .await?;
        }
        Ok(())
    }
}
