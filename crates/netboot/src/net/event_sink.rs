//! The receiver of Talos's events (`talos.events.sink`): one unary gRPC call over HTTP/2 without TLS, with prior knowledge.
//!
//! An answer says that an event is kept. A machine sends its events one after the other and each until it is taken, so nothing is
//! refused that will not be better the next time.

mod answer;
mod connection;
mod counters;
mod limits;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use model::{Clock, Listening};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::counters::EventSinkCounters;
pub use self::limits::EventSinkLimits;

use self::answer::Desk;
use self::connection::Connection;
use self::counters::count;
use super::places::{ACCEPT_PAUSE, Places};
use super::port::Protocol;
use super::taker::EventTaker;
use crate::core::allowance::Allowances;
use crate::error::Error;

/// The receiver of events, bound and not yet serving.
pub struct EventSinkServer {
    listener: TcpListener,
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    limits: EventSinkLimits,
    counters: Arc<EventSinkCounters>,
    listening: Listening,
}

impl EventSinkServer {
    /// Binds `address`; port 0 takes a free one. Events are given the time of `clock`.
    pub async fn bind(address: SocketAddr, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let refused = |source| Error::from_bind(Protocol::Tcp, address.port(), source);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        Ok(Self {
            address: listener.local_addr().map_err(refused)?,
            listener,
            clock,
            limits: EventSinkLimits::default(),
            counters: Arc::default(),
            listening: Listening::default(),
        })
    }

    /// Takes other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: EventSinkLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The address it is bound to, with the port it really has.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<EventSinkCounters> {
        Arc::clone(&self.counters)
    }

    /// How it does at its port.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop` is cancelled; then takes no more connections and calls, and returns when those under way are answered. To
    /// wait no longer for these, drop the future.
    pub async fn serve(self, taker: Arc<dyn EventTaker>, stop: CancellationToken) {
        let serving = self.listening.begin();
        let limits = self.limits;
        let places = Places::new(limits.connections);
        let desk = Arc::new(Desk {
            taker,
            clock: self.clock,
            counters: self.counters,
            allowances: Mutex::new(Allowances::new(limits.events, PEERS)),
            limits,
        });
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
                Some(ended) = connections.join_next() => {
                    if let Err(err) = ended {
                        tracing::error!(%err, "an event connection broke");
                    }
                    continue;
                }
            };
            let (stream, peer) = match accepted {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(err) => {
                    // Out of descriptors, mostly: they come back when connections end, not by asking again at once.
                    tracing::warn!(%err, "cannot accept an event connection");
                    serving.failed(&err, Instant::now().into_std());
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (place, made_way) = places.take(peer, Instant::now());
            count(&desk.counters.connections);
            if made_way {
                count(&desk.counters.made_way);
            }
            let connection = Connection {
                desk: Arc::clone(&desk),
                place: Arc::new(place),
                peer,
                stop: stop.clone(),
            };
            connections.spawn(connection.run(stream));
        }
        drop((self.listener, serving));
        while connections.join_next().await.is_some() {}
    }
}

/// How many addresses the limits keep in mind.
const PEERS: usize = 8192;
