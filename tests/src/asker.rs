//! A client of the DHCP ports made of plain sockets, where no machine is needed: it asks, and counts what comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::now;
use crate::frame::{DISCOVER, Mac};
use crate::lan::{Host, inside};

/// A socket on one card of a host.
#[derive(Debug)]
pub struct Asker {
    socket: UdpSocket,
}

/// How long after an answer a second one is listened for.
const SECOND_ANSWER: Duration = Duration::from_secs(1);

/// A BOOTREPLY, as far as tests ask (RFC 951, RFC 2131 section 2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Where it came from.
    pub from: SocketAddr,
    /// The transaction.
    pub xid: u32,
    /// The address given: none, by a proxy.
    pub yiaddr: Ipv4Addr,
    /// The boot server.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// The boot file.
    pub file: String,
    /// The options in their order, without the end.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Reply {
    /// The value of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| value.as_slice())
    }
}

impl Asker {
    /// Opens a port on a card: 68 is a client's, 67 a relay's.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn open(host: &Host, card: &str, port: u16) -> Result<Self> {
        let socket = inside(host, || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_broadcast(true)?;
            // Without a route a broadcast needs to know its card.
            socket.bind_device(Some(card.as_bytes()))?;
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
            Ok(UdpSocket::from(socket))
        });
        let socket = socket.with_context(|| format!("no port {port} on {card}"))?;
        Ok(Self { socket })
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send(&self, datagram: &[u8], to: (Ipv4Addr, u16)) -> io::Result<()> {
        self.socket
            .send_to(datagram, SocketAddrV4::new(to.0, to.1))
            .map(|_| ())
    }

    /// Waits for the first answer to a transaction, and a while longer for a second one that must not come; gives all answers that came.
    /// What is no BOOTREPLY is passed over.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn answers(&self, xid: u32, patience: Duration) -> io::Result<Vec<Reply>> {
        let (mut end, mut replies, mut buffer) = (now() + patience, Vec::new(), [0; 2048]);
        let mut answered = false;
        loop {
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return Ok(replies);
            }
            self.socket
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let reply = read(&buffer[..length], from);
                    if !answered && reply.as_ref().is_some_and(|reply| reply.xid == xid) {
                        (answered, end) = (true, now() + SECOND_ANSWER);
                    }
                    replies.extend(reply);
                }
                Err(err)
                    if matches!(
                        err.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) => {}
                Err(err) => return Err(err),
            }
        }
    }
}

/// The DISCOVER of an x64 UEFI machine's PXE, for broadcast.
pub fn discover(client: Mac, xid: u32) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..4].copy_from_slice(&[1, 1, 6, 0]); // BOOTREQUEST over Ethernet
    message[4..8].copy_from_slice(&xid.to_be_bytes());
    message[10] = 0x80; // the answer is to be broadcast
    message[28..34].copy_from_slice(&client);
    message.extend([0x63, 0x82, 0x53, 0x63]);
    message.extend([53, 1, DISCOVER]);
    message.extend([57, 2, 0x05, 0xc0]);
    let class = b"PXEClient:Arch:00007:UNDI:003000";
    message.extend([60, 32]);
    message.extend(class);
    message.extend([93, 2, 0, 7, 94, 3, 1, 3, 0, 97, 17, 0]);
    message.extend([0x44; 16]);
    message.push(255);
    message
}

/// The same as a relay hands it on: from its address, with what it writes about the circuit (RFC 3046).
pub fn relayed(client: Mac, xid: u32, relay: Ipv4Addr, agent: &[u8]) -> Vec<u8> {
    let mut message = discover(client, xid);
    message[3] = 1; // one hop
    message[24..28].copy_from_slice(&relay.octets());
    message.pop();
    message.push(82);
    message.push(u8::try_from(agent.len()).expect("a short option"));
    message.extend(agent);
    message.push(255);
    message
}

fn read(bytes: &[u8], from: SocketAddr) -> Option<Reply> {
    let address = |at: usize| {
        Some(Ipv4Addr::from(
            <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?,
        ))
    };
    if *bytes.first()? != 2 || bytes.get(236..240)? != [0x63, 0x82, 0x53, 0x63] {
        return None;
    }
    let file = bytes.get(108..236)?.split(|byte| *byte == 0).next()?;
    let (mut options, mut rest) = (Vec::new(), &bytes[240..]);
    loop {
        match *rest {
            [] | [255, ..] => break,
            [0, ref after @ ..] => rest = after,
            [code, length, ref after @ ..] => {
                options.push((code, after.get(..usize::from(length))?.to_vec()));
                rest = &after[usize::from(length)..];
            }
            [_] => return None,
        }
    }
    Some(Reply {
        from,
        xid: u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?),
        yiaddr: address(16)?,
        siaddr: address(20)?,
        giaddr: address(24)?,
        file: String::from_utf8_lossy(file).into_owned(),
        options,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Mac = [0x52, 0x54, 0, 0, 0, 1];

    #[test]
    fn a_question_is_no_answer() {
        let from = SocketAddr::from(([10, 77, 0, 2], 67));
        let mut message = relayed(CLIENT, 7, Ipv4Addr::new(10, 9, 0, 1), &[1, 2, 0, 9]);
        assert_eq!(read(&message, from), None);
        message[0] = 2;
        let reply = read(&message, from).unwrap();
        assert_eq!((reply.xid, reply.giaddr), (7, Ipv4Addr::new(10, 9, 0, 1)));
        assert_eq!(reply.option(82), Some(&[1, 2, 0, 9][..]));
        for length in 0..message.len() - 2 {
            assert!(read(&message[..length], from).is_none_or(|cut| cut != reply));
        }
    }
}
