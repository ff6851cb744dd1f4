//! The TFTP server: one socket where requests come in, and one for each transfer.
//!
//! A transfer's socket is bound to the address that was asked, on a port of its own, and connected to its client, so that the
//! kernel keeps everybody else's packets away from it. What a transfer does is decided in [`crate::core::tftp`].

mod counters;
mod edge;
mod floor;
mod report;
mod source;
#[cfg(test)]
mod tests;
mod transfer;

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use model::Listening;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::counters::TftpCounters;

use self::floor::{Floor, Verdict};
use self::transfer::{Shared, Transfer};
use crate::Director;
use crate::core::path::{BootPath, PathRefusal};
use crate::core::tftp::{Limits, Policy};
use crate::error::Error;
use crate::net::interface::InterfaceTable;
use crate::net::port::Protocol;
use crate::net::udp::{Arrival, Departure, UdpPort};
use crate::wire::tftp::{ErrorCode, Malformed, Mode, Packet, Request};

/// The TFTP server, bound and not yet serving.
#[derive(Debug)]
pub struct TftpServer {
    port: UdpPort,
    address: SocketAddrV4,
    http_port: u16,
    limits: Limits,
    policy: Policy,
    interfaces: Option<InterfaceTable>,
    counters: Arc<TftpCounters>,
    listening: Listening,
}

/// RFC 2347 allows a request 512 bytes; what fills this is no request.
const LONGEST_REQUEST: usize = 2048;

/// Bytes of requests that may wait to be received, so that a burst of machines is not cut short.
const WAITING_REQUESTS: usize = 1024 * 1024;

impl TftpServer {
    /// Binds `address`, of which port 0 takes a free one. The scripts it serves name `http_port` of this host.
    ///
    /// Call it within the runtime that will serve.
    pub fn bind(address: SocketAddrV4, http_port: u16) -> Result<Self, Error> {
        let refused = |source| Error::from_bind(Protocol::Udp, address.port(), source);
        let port = UdpPort::bind(address).map_err(refused)?;
        if let Err(err) = port.widen(WAITING_REQUESTS) {
            tracing::debug!(%err, "the TFTP port keeps its usual buffer");
        }
        let address = port.local_addr().map_err(refused)?;
        Ok(Self {
            port,
            address,
            http_port,
            limits: Limits::default().within(floor::descriptors()),
            policy: Policy::default(),
            interfaces: None,
            counters: Arc::default(),
            listening: Listening::default(),
        })
    }

    /// Answers only what was sent to an address of these interfaces; without this, to any address.
    #[must_use]
    pub fn on_interfaces(mut self, interfaces: InterfaceTable) -> Self {
        self.interfaces = Some(interfaces);
        self
    }

    /// Takes other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes another policy than the default one.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The address it is bound to, with the port it really has.
    pub fn local_addr(&self) -> SocketAddrV4 {
        self.address
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<TftpCounters> {
        Arc::clone(&self.counters)
    }

    /// How it does at its port.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop` is cancelled; then takes no more requests, drops the sessions that were never answered, and returns
    /// when the transfers under way have ended. To wait no longer for these, drop the future.
    pub async fn serve(mut self, director: Arc<dyn Director>, stop: CancellationToken) {
        let serving = self.listening.begin();
        let shared = Arc::new(Shared {
            director,
            port: self.port,
            http_port: self.http_port,
            policy: self.policy,
            floor: Floor::new(self.limits),
            counters: self.counters,
            started: Instant::now(),
        });
        let mut transfers = JoinSet::new();
        let mut buffer = [0; LONGEST_REQUEST];
        loop {
            let arrival = tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = transfers.join_next() => {
                    log_broken(ended);
                    continue;
                }
                arrival = shared.port.recv(&mut buffer) => arrival,
            };
            match arrival {
                Ok(arrival) => {
                    let asked = arrival.destination;
                    if self
                        .interfaces
                        .as_mut()
                        .is_some_and(|table| !table.serves(Instant::now(), asked))
                    {
                        TftpCounters::count(&shared.counters.stray);
                        continue;
                    }
                    let datagram = &buffer[..arrival.len];
                    if let Some(transfer) = take(&shared, datagram, &arrival) {
                        transfers.spawn(transfer.run());
                    }
                }
                Err(err) => {
                    tracing::warn!(%err, "cannot receive TFTP requests");
                    serving.failed(&err, Instant::now().into_std());
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                }
            }
        }
        drop(serving);
        shared.floor.dismiss_unanswered();
        while let Some(ended) = transfers.join_next().await {
            log_broken(ended);
        }
    }
}

/// How long to wait after the system refused to receive.
const RECEIVE_PAUSE: Duration = Duration::from_millis(50);

fn log_broken(ended: Result<(), tokio::task::JoinError>) {
    if let Err(err) = ended {
        tracing::error!(%err, "a TFTP transfer broke");
    }
}

/// Takes a datagram that came to the port: a transfer to be run, or nothing more to do.
fn take(shared: &Arc<Shared>, datagram: &[u8], arrival: &Arrival) -> Option<Transfer> {
    let counters = &shared.counters;
    TftpCounters::count(&counters.datagrams);
    let to = arrival.destination;
    // RFC 1123 section 4.2.3.5: a request to everybody is nobody's.
    if to.is_broadcast() || to.is_multicast() || !can_answer(arrival.source) {
        TftpCounters::count(&counters.stray);
        return None;
    }
    let refuse = |code, why: &str| {
        if shared.floor.may_ask(*arrival.source.ip(), shared.now()) {
            shared.refuse(arrival, code, why);
        } else {
            TftpCounters::count(&counters.too_often);
        }
        None
    };
    let parsed = match datagram.len() {
        LONGEST_REQUEST => Err(Malformed::Request),
        _ => Packet::parse(datagram),
    };
    match parsed {
        Ok(Packet::Read(request)) if request.mode == Mode::Other => {
            TftpCounters::count(&counters.malformed);
            refuse(
                ErrorCode::ILLEGAL_OPERATION,
                "the transfer mode must be octet",
            )
        }
        Ok(Packet::Read(request)) => match BootPath::from_tftp(&request.name) {
            Ok(path) => admit(shared, request, path, arrival),
            Err(refusal) => {
                TftpCounters::count(&counters.unknown_names);
                tracing::debug!(
                    peer = %arrival.source,
                    name = %request.name.escape_ascii(),
                    why = %refusal,
                    "TFTP request refused"
                );
                let code = match refusal {
                    PathRefusal::LeavesRoot | PathRefusal::HttpOnly => ErrorCode::ACCESS_VIOLATION,
                    PathRefusal::TooLong
                    | PathRefusal::NotText
                    | PathRefusal::NotAMac
                    | PathRefusal::Unknown => ErrorCode::FILE_NOT_FOUND,
                };
                refuse(code, &refusal.to_string())
            }
        },
        Ok(Packet::Write(_)) => {
            TftpCounters::count(&counters.writes);
            refuse(
                ErrorCode::ACCESS_VIOLATION,
                "files are only read here, not written",
            )
        }
        Err(malformed @ Malformed::Request) => {
            TftpCounters::count(&counters.malformed);
            refuse(ErrorCode::ILLEGAL_OPERATION, &malformed.to_string())
        }
        // Never an answer to what is no request: two servers would answer each other for ever.
        Ok(_) | Err(Malformed::Short | Malformed::Opcode(_)) => {
            TftpCounters::count(&counters.stray);
            None
        }
    }
}

fn admit(
    shared: &Arc<Shared>,
    request: Request,
    path: BootPath,
    arrival: &Arrival,
) -> Option<Transfer> {
    let verdict = shared.floor.admit(arrival.source, &request, shared.now());
    match verdict {
        Verdict::Begin(seat) => {
            TftpCounters::count(&shared.counters.begun);
            Some(Transfer::new(
                Arc::clone(shared),
                seat,
                request,
                path,
                *arrival,
            ))
        }
        Verdict::Again => {
            TftpCounters::count(&shared.counters.repeated);
            None
        }
        Verdict::Turned(why) => {
            TftpCounters::count(shared.counters.turned(why));
            None
        }
    }
}

/// Whether there can be a client behind an address.
fn can_answer(source: SocketAddrV4) -> bool {
    let address = source.ip();
    source.port() != 0
        && !address.is_broadcast()
        && !address.is_multicast()
        && !address.is_unspecified()
}

impl Shared {
    /// Sends an ERROR from the port that was asked. It is dropped where the port has no room: a client asks again, and the port
    /// waits for nobody.
    fn refuse(&self, arrival: &Arrival, code: ErrorCode, why: &str) {
        let message = why.to_owned();
        let error = Packet::Error { code, message }.print();
        let departure = Departure {
            source: Some(arrival.destination),
            ifindex: None,
        };
        let sent = self
            .port
            .send(&error, arrival.source, departure)
            .now_or_never();
        if !matches!(sent, Some(Ok(()))) {
            TftpCounters::count(&self.counters.send_errors);
        }
    }
}
