//! The receiver of kernel logs (`talos.logging.kernel`): JSON lines over TCP, and one object a datagram over UDP, on the same port.
//!
//! Nothing is acknowledged. Over TCP a machine that sends too much, or faster than it is taken, is read from more slowly; over UDP what is
//! too much is lost, and counted.

mod counters;
mod limits;
mod stream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use model::{Clock, KernelLogLine, Listening, Serving};
use socket2::SockRef;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::counters::KernelLogCounters;
pub use self::limits::KernelLogLimits;

use self::counters::{add, count};
use self::stream::{LAST_WORDS, LineStream};
use super::places::{ACCEPT_PAUSE, Places};
use super::port::Protocol;
use super::taker::{EventTaker, Sender};
use crate::core::allowance::Allowances;
use crate::error::Error;
use crate::wire::kernel_log::parse;

/// The receiver of kernel logs, bound and not yet serving.
pub struct KernelLogServer {
    listener: TcpListener,
    socket: UdpSocket,
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    limits: KernelLogLimits,
    counters: Arc<KernelLogCounters>,
    listening: Listening,
}

/// The most datagrams that are taken before their lines are handed on.
const BATCH: usize = 256;
/// How many batches are taken once no more is wanted: more than can wait.
const LAST_BATCHES: u32 = 256;
/// Longer than any datagram.
const LARGEST: usize = 65_536;
/// Bytes of datagrams that may wait: the whole log of some machines that boot at once.
const WAITING: usize = 4 * 1024 * 1024;
/// How many addresses the limits keep in mind.
const PEERS: usize = 8192;
/// How often a port is tried that is free for both protocols.
const TRIES: u32 = 16;

impl KernelLogServer {
    /// Binds `address` for TCP and UDP; port 0 takes one that is free for both. Lines are given the time of `clock`.
    pub async fn bind(address: SocketAddr, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut tries = TRIES;
        let (listener, socket, address) = loop {
            tries -= 1;
            let listener = TcpListener::bind(address)
                .await
                .map_err(|source| Error::from_bind(Protocol::Tcp, address.port(), source))?;
            let bound = listener
                .local_addr()
                .map_err(|source| Error::from_bind(Protocol::Tcp, address.port(), source))?;
            match UdpSocket::bind(bound).await {
                Ok(socket) => break (listener, socket, bound),
                // The port was chosen by the system, and only TCP's.
                Err(err)
                    if err.kind() == io::ErrorKind::AddrInUse
                        && address.port() == 0
                        && tries > 0 => {}
                Err(source) => {
                    return Err(Error::from_bind(Protocol::Udp, bound.port(), source));
                }
            }
        };
        if let Err(err) = SockRef::from(&socket).set_recv_buffer_size(WAITING) {
            tracing::debug!(%err, "the kernel log port keeps its usual buffer");
        }
        Ok(Self {
            listener,
            socket,
            address,
            clock,
            limits: KernelLogLimits::default(),
            counters: Arc::default(),
            listening: Listening::default(),
        })
    }

    /// Takes other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: KernelLogLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The address it is bound to, with the port it really has, for both protocols.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<KernelLogCounters> {
        Arc::clone(&self.counters)
    }

    /// How it does at its ports.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop` is cancelled; then hands on what has arrived by then, and returns.
    pub async fn serve(self, taker: Arc<dyn EventTaker>, stop: CancellationToken) {
        let serving = self.listening.begin();
        let desk = Arc::new(Desk {
            taker,
            clock: self.clock,
            counters: self.counters,
            allowances: Mutex::new(Allowances::new(self.limits.lines, PEERS)),
            limits: self.limits,
        });
        tokio::join!(
            accept(self.listener, &desk, &serving, &stop),
            receive(self.socket, &desk, &serving, &stop)
        );
    }
}

/// What every line goes through.
struct Desk {
    taker: Arc<dyn EventTaker>,
    clock: Arc<dyn Clock>,
    limits: KernelLogLimits,
    counters: Arc<KernelLogCounters>,
    allowances: Mutex<Allowances>,
}

impl Desk {
    /// Reads a line into `lines`, or counts that it is none.
    fn read(&self, line: &[u8], lines: &mut Vec<KernelLogLine>) {
        match parse(line) {
            Ok(line) => lines.push(line),
            Err(err) => {
                count(&self.counters.malformed);
                tracing::debug!(%err, "a kernel log line was refused");
            }
        }
    }

    async fn hand_on(&self, peer: IpAddr, connected: bool, lines: Vec<KernelLogLine>) {
        let number = lines.len() as u64;
        if number == 0 {
            return;
        }
        let sender = Sender {
            peer,
            connected,
            at: self.clock.now(),
        };
        let taken = self.taker.kernel_lines(sender, lines);
        match timeout(self.limits.taking, taken).await {
            Ok(()) => add(&self.counters.lines, number),
            Err(_) => add(&self.counters.not_taken, number),
        }
    }

    fn admits(&self, peer: IpAddr) -> bool {
        let now = self.clock.now();
        let mut allowances = self
            .allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        allowances.admit(peer, now)
    }

    /// Keeps a machine waiting that has sent too many lines.
    async fn hold_back(&self, peer: IpAddr, lines: usize) {
        let now = self.clock.now();
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        let wait = self
            .allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .charge(peer, lines, now);
        if !wait.is_zero() {
            count(&self.counters.delayed);
            sleep(wait).await;
        }
    }
}

async fn accept(
    listener: TcpListener,
    desk: &Arc<Desk>,
    serving: &Serving,
    stop: &CancellationToken,
) {
    let places = Places::new(desk.limits.connections);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => {
                if let Err(err) = ended {
                    tracing::error!(%err, "a kernel log connection broke");
                }
                continue;
            }
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(err) => {
                tracing::warn!(%err, "cannot accept a kernel log connection");
                serving.failed(&err, Instant::now().into_std());
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (place, made_way) = places.take(peer, Instant::now());
        count(&desk.counters.connections);
        if made_way {
            count(&desk.counters.made_way);
        }
        let lines = LineStream {
            desk: Arc::clone(desk),
            place,
            peer,
            stop: stop.clone(),
        };
        connections.spawn(lines.run(stream));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn receive(socket: UdpSocket, desk: &Desk, serving: &Serving, stop: &CancellationToken) {
    let mut buffer = vec![0; LARGEST];
    let mut last_batches = LAST_BATCHES;
    while last_batches > 0 {
        let mut received = if stop.is_cancelled() {
            last_batches -= 1;
            match timeout(LAST_WORDS, socket.recv_from(&mut buffer)).await {
                Ok(received) => received,
                Err(_) => return,
            }
        } else {
            tokio::select! {
                () = stop.cancelled() => continue,
                received = socket.recv_from(&mut buffer) => received,
            }
        };
        let mut batch: Vec<(IpAddr, Vec<KernelLogLine>)> = Vec::new();
        for taken in 1.. {
            match received {
                Ok((length, peer)) => {
                    note_datagram(
                        desk,
                        peer.ip().to_canonical(),
                        &buffer[..length],
                        &mut batch,
                    );
                }
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
                Err(err) => {
                    tracing::warn!(%err, "cannot receive a kernel log datagram");
                    serving.failed(&err, Instant::now().into_std());
                    sleep(ACCEPT_PAUSE).await;
                    break;
                }
            }
            if taken == BATCH {
                break;
            }
            received = socket.try_recv_from(&mut buffer);
        }
        for (peer, lines) in batch {
            desk.hand_on(peer, false, lines).await;
        }
    }
}

/// Adds the line of a datagram to those of its sender.
fn note_datagram(
    desk: &Desk,
    peer: IpAddr,
    datagram: &[u8],
    batch: &mut Vec<(IpAddr, Vec<KernelLogLine>)>,
) {
    if !desk.admits(peer) {
        count(&desk.counters.dropped);
        return;
    }
    let at = batch
        .iter()
        .position(|(known, _)| *known == peer)
        .unwrap_or_else(|| {
            batch.push((peer, Vec::new()));
            batch.len() - 1
        });
    desk.read(datagram, &mut batch[at].1);
}
