//! The boot HTTP server: hyper on one port, for firmware, iPXE and Talos.
//!
//! GET and HEAD, a length on every answer, ranges, keep-alive; no redirects, no chunks, no compression, for UEFI's HTTP boot
//! takes none of these. Each connection is one task with one clock: it ends when it waits too long in any one phase, whatever
//! it waits for, so that no client can hold a place for nothing.

mod answer;
mod body;
mod counters;
mod limits;
mod line;
mod receipt;
mod seats;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::Listening;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::counters::{BootHttpCounters, HttpKind, STATUSES};
pub use self::limits::Limits;

use self::answer::{Exchange, Shared};
use self::counters::count;
use self::line::{Line, Phase, Wire};
use self::seats::Seats;
use crate::Director;
use crate::error::Error;
use crate::net::chains::Chains;
use crate::net::interface::InterfaceTable;
use crate::net::port::Protocol;

/// The boot HTTP server, bound and not yet serving.
#[derive(Debug)]
pub struct BootHttpServer {
    listener: TcpListener,
    address: SocketAddrV4,
    limits: Limits,
    interfaces: Option<InterfaceTable>,
    chains: Option<Chains>,
    counters: Arc<BootHttpCounters>,
    listening: Listening,
}

impl BootHttpServer {
    /// Binds `address`; port 0 takes a free one.
    pub async fn bind(address: SocketAddrV4) -> Result<Self, Error> {
        let refused = |source| Error::from_bind(Protocol::Tcp, address.port(), source);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        Ok(Self {
            address: SocketAddrV4::new(*address.ip(), bound.port()),
            listener,
            limits: Limits::default(),
            interfaces: None,
            chains: None,
            counters: Arc::default(),
            listening: Listening::default(),
        })
    }

    /// Takes only connections to an address of these interfaces; without this, to any address.
    #[must_use]
    pub fn on_interfaces(mut self, interfaces: InterfaceTable) -> Self {
        self.interfaces = Some(interfaces);
        self
    }

    /// Notes there which machines came as far as their script.
    #[must_use]
    pub fn with_chains(mut self, chains: Chains) -> Self {
        self.chains = Some(chains);
        self
    }

    /// Takes other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address it is bound to, with the port it really has.
    pub fn local_addr(&self) -> SocketAddrV4 {
        self.address
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<BootHttpCounters> {
        Arc::clone(&self.counters)
    }

    /// How it does at its port.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop` is cancelled; then takes no more connections, closes those without a request, and returns when the
    /// answers under way have gone out. To wait no longer for these, drop the future.
    pub async fn serve(mut self, director: Arc<dyn Director>, stop: CancellationToken) {
        let serving = self.listening.begin();
        let shared = Arc::new(Shared {
            director,
            chains: self.chains.clone(),
            counters: Arc::clone(&self.counters),
            readers: Arc::new(AtomicUsize::new(0)),
            http_port: self.address.port(),
        });
        let mut seats = Seats::new(self.limits);
        let mut connections = JoinSet::new();
        let mut seat_of = HashMap::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
                Some(ended) = connections.join_next_with_id() => {
                    let task = match ended {
                        Ok((task, ())) => task,
                        Err(err) => {
                            tracing::error!(%err, "a boot HTTP connection broke");
                            err.id()
                        }
                    };
                    seat_of.remove(&task).map(|seat| seats.leave(seat));
                    continue;
                }
            };
            let (stream, peer) = match accepted {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(err) => {
                    // Out of descriptors, mostly: they come back when connections end, not by asking again at once.
                    tracing::warn!(%err, "cannot accept a boot HTTP connection");
                    serving.failed(&err, Instant::now().into_std());
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if !self.is_served(&stream) {
                count(&shared.counters.turned_away);
                continue;
            }
            let line = Arc::new(Line::new());
            let Some(admitted) = seats.admit(peer, &line, Instant::now()) else {
                count(&shared.counters.turned_away);
                continue;
            };
            count(&shared.counters.connections);
            if admitted.made_way {
                count(&shared.counters.made_way);
            }
            let connection = Connection {
                shared: Arc::clone(&shared),
                line,
                limits: self.limits,
                leave: admitted.leave,
                stop: stop.clone(),
            };
            let task = connections.spawn(connection.run(stream, peer));
            seat_of.insert(task.id(), admitted.seat);
        }
        drop((self.listener, serving));
        while connections.join_next().await.is_some() {}
    }

    fn is_served(&mut self, stream: &TcpStream) -> bool {
        let Some(interfaces) = &mut self.interfaces else {
            return true;
        };
        match stream
            .local_addr()
            .map(|address| address.ip().to_canonical())
        {
            Ok(IpAddr::V4(address)) => interfaces.serves(Instant::now(), address),
            _ => false,
        }
    }
}

/// How long to wait after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One connection and its clock.
struct Connection {
    shared: Arc<Shared>,
    line: Arc<Line>,
    limits: Limits,
    leave: CancellationToken,
    stop: CancellationToken,
}

/// How a connection ended.
enum Ended {
    Closed(hyper::Result<()>),
    TooSlow(Phase),
}

impl Connection {
    async fn run(self, stream: TcpStream, peer: IpAddr) {
        let Ok(SocketAddr::V4(local)) = stream.local_addr() else {
            return;
        };
        // Answers go out in whole writes; waiting to fill segments only delays their ends.
        if let Err(err) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %err, "no TCP_NODELAY");
        }
        let exchange = Exchange {
            shared: Arc::clone(&self.shared),
            line: Arc::clone(&self.line),
            server: *local.ip(),
            peer,
        };
        let service = service_fn(move |request| {
            let exchange = exchange.clone();
            async move { Ok::<_, Infallible>(exchange.answer(request).await) }
        });
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&self.line)));
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(self.limits.head_bytes)
            .serve_connection(wire, service);
        let mut connection = pin!(connection);
        let mut alarm = pin!(tokio::time::sleep_until(self.line.deadline(&self.limits)));
        let mut draining = false;
        let ended = loop {
            // All that moves the deadline happens inside of the connection's poll, so that it is looked at right after it.
            let next = poll_fn(|cx| {
                if let Poll::Ready(closed) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Ended::Closed(closed));
                }
                let deadline = self.line.deadline(&self.limits);
                if alarm.deadline() != deadline {
                    alarm.as_mut().reset(deadline);
                }
                alarm
                    .as_mut()
                    .poll(cx)
                    .map(|()| Ended::TooSlow(self.line.waits().0))
            });
            tokio::select! {
                ended = next => break ended,
                () = self.leave.cancelled() => return,
                () = self.stop.cancelled(), if !draining => {
                    if self.line.vacant_for(Instant::now()).is_some() {
                        return;
                    }
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        self.note(&ended, peer);
    }

    fn note(&self, ended: &Ended, peer: IpAddr) {
        let counters = &self.shared.counters;
        match ended {
            Ended::Closed(Ok(())) => {}
            Ended::Closed(Err(err)) => {
                if err.is_parse() || err.is_parse_too_large() {
                    count(&counters.malformed);
                }
                tracing::debug!(%peer, %err, "boot HTTP connection broke off");
            }
            Ended::TooSlow(phase) => {
                match phase {
                    Phase::Heading => count(&counters.slow_heads),
                    Phase::Sending => count(&counters.stalled),
                    Phase::Answering => count(&counters.unanswered),
                    // The end of a kept connection is how it should be.
                    Phase::Idle => {}
                }
                tracing::debug!(%peer, ?phase, "boot HTTP connection closed after waiting too long");
            }
        }
    }
}
