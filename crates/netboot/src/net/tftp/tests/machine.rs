//! A machine on loopback.

use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;
use crate::sim::tftp::{Fetch, Manners, Reaction};

/// A socket of a machine, and the two places it talks to: the server's port, and where it was last answered from.
pub(super) struct Machine {
    socket: UdpSocket,
    server: SocketAddrV4,
    heard_from: Mutex<Option<SocketAddrV4>>,
}

/// What a machine has fetched.
pub(super) struct Fetched {
    pub(super) content: Result<Vec<u8>, (ErrorCode, String)>,
    pub(super) agreed: Options,
    pub(super) from: SocketAddrV4,
}

/// The request for a file.
pub(super) fn request(name: &str, options: Options) -> Vec<u8> {
    let (_, request) = Fetch::begin(name, options, Manners::default(), Duration::ZERO);
    request
}

/// Fetches a file as a machine at `here`.
pub(super) async fn fetch(
    here: Ipv4Addr,
    server: SocketAddrV4,
    name: &str,
    options: Options,
) -> Fetched {
    Machine::new(here, server).await.fetch(name, options).await
}

impl Machine {
    pub(super) async fn new(here: Ipv4Addr, server: SocketAddrV4) -> Self {
        Self {
            socket: UdpSocket::bind((here, 0)).await.unwrap(),
            server,
            heard_from: Mutex::new(None),
        }
    }

    /// Sends to the server's port.
    pub(super) async fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.server).await.unwrap();
    }

    /// Sends to where the last answer came from.
    pub(super) async fn answer(&self, datagram: &[u8]) {
        let from = self.heard_from().unwrap();
        self.socket.send_to(datagram, from).await.unwrap();
    }

    /// Waits for a datagram that is to come.
    pub(super) async fn recv(&self) -> Option<Vec<u8>> {
        self.recv_within(SOON).await
    }

    /// Waits for what follows a datagram, which is sent again where a busy host is slow to take it.
    pub(super) async fn recv_after(&self, before: &[u8]) -> Option<Vec<u8>> {
        loop {
            let heard = self.recv().await?;
            if heard != before {
                return Some(heard);
            }
        }
    }

    /// Waits for a datagram that may not come.
    pub(super) async fn recv_soon(&self) -> Option<Vec<u8>> {
        self.recv_within(Duration::from_millis(200)).await
    }

    async fn recv_within(&self, wait: Duration) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 2048];
        let (len, from) = timeout(wait, self.socket.recv_from(&mut buffer))
            .await
            .ok()?
            .unwrap();
        let SocketAddr::V4(from) = from else { panic!() };
        *self.heard_from.lock().unwrap() = Some(from);
        buffer.truncate(len);
        Some(buffer)
    }

    pub(super) fn heard_from(&self) -> Option<SocketAddrV4> {
        *self.heard_from.lock().unwrap()
    }

    pub(super) async fn fetch(&self, name: &str, options: Options) -> Fetched {
        let began = Instant::now();
        let (mut fetch, request) = Fetch::begin(name, options, Manners::default(), began.elapsed());
        self.send(&request).await;
        let content = loop {
            let reaction = match self.recv_soon().await {
                Some(datagram) => fetch.handle(&datagram, began.elapsed()),
                None => fetch.tick(began.elapsed()),
            };
            match reaction {
                Reaction::Wait => {}
                Reaction::Send(datagram) if fetch.agreed().is_none() => self.send(&datagram).await,
                Reaction::Send(datagram) => self.answer(&datagram).await,
                Reaction::Done(ack) => {
                    self.answer(&ack).await;
                    break Ok(fetch.content().to_vec());
                }
                Reaction::Refused(code, message) => break Err((code, message)),
                Reaction::GaveUp => panic!("{name}: gave up"),
            }
        };
        Fetched {
            content,
            agreed: fetch.agreed().copied().unwrap_or_default(),
            from: self.heard_from().unwrap(),
        }
    }
}
