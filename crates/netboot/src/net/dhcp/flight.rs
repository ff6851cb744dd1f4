//! One request under way: asked of the director, answered, sent, told.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use model::{BootStage, StageOutcome, Timestamp};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::counters::DhcpCounters;
use super::server::DhcpPorts;
use crate::core::answer::{CLIENT_PORT, Reply, ServerIdentity, answer, describe};
use crate::core::classify::{AnswerKind, BootQuery, Door};
use crate::director::{BootClient, Director, Observation, Program};
use crate::net::chains::Chains;
use crate::net::shared::SharedPort;
use crate::net::udp::{Arrival, Departure, UdpPort};

/// What all requests under way share.
pub(super) struct Airport {
    pub(super) dhcp: DhcpSocket,
    pub(super) proxy: UdpPort,
    pub(super) ports: DhcpPorts,
    pub(super) http_port: u16,
    pub(super) deadline: Duration,
    pub(super) chains: Chains,
    pub(super) counters: Arc<DhcpCounters>,
    /// When the server began; times of day may jump, this does not.
    pub(super) began: Instant,
}

/// Port 67, alone or beside another server.
#[derive(Debug)]
pub(super) enum DhcpSocket {
    Own(UdpPort),
    Shared(SharedPort),
}

impl DhcpSocket {
    pub(super) async fn recv(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        match self {
            Self::Own(port) => port.recv(buffer).await,
            Self::Shared(port) => port.recv(buffer).await,
        }
    }

    async fn send(&self, bytes: &[u8], to: SocketAddrV4, departure: Departure) -> io::Result<()> {
        match self {
            Self::Own(port) => port.send(bytes, to, departure).await,
            Self::Shared(port) => port.send(bytes, to, departure).await,
        }
    }
}

impl Airport {
    /// The time that the limits count by.
    pub(super) fn at(&self, now: Instant) -> Timestamp {
        let micros = now.saturating_duration_since(self.began).as_micros();
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Answers one request within the deadline, or not at all: a later answer would only confuse firmware that has gone on.
    pub(super) async fn fly(
        self: Arc<Self>,
        director: Arc<dyn Director>,
        query: BootQuery,
        received: Instant,
    ) {
        let ask = query.ask();
        let due = received + self.deadline;
        let Ok(mut offer) = timeout_at(due, director.offer(&ask)).await else {
            self.counters.count_late();
            warn!(mac = %query.mac, "no decision for {} within {:?}, so it is not answered", query.mac, self.deadline);
            let detail = format!("no decision within {} ms", self.deadline.as_millis());
            director.observe(observation(&query, received, StageOutcome::Failed, detail));
            return;
        };
        let server = ServerIdentity {
            address: query.ingress.local,
            http_port: self.http_port,
        };
        let (taken_for, looped) = self.out_of_loop(&query, &mut offer.program, received);
        let answered = BootQuery {
            client: taken_for,
            ..query.clone()
        };
        let Some(reply) = answer(&answered, &offer, &server) else {
            self.counters.count_nothing();
            let detail = match &offer.program {
                Program::Nothing(_) => describe(query.client, &offer.program),
                _ => "nothing offered: it cannot load what it was to get".to_owned(),
            };
            debug!(mac = %query.mac, "{}: {detail}", query.mac);
            director.observe(observation(&query, received, StageOutcome::Refused, detail));
            return;
        };
        let sent = timeout_at(due, self.send(&reply))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let seen = match sent {
            Ok(()) => {
                self.counters.count_answered(query.client, query.answer);
                let detail = match looped {
                    Some(count) => format!(
                        "{}: it asked {count} times in a row for a loader that leads nowhere",
                        reply.detail
                    ),
                    None => reply.detail,
                };
                debug!(mac = %query.mac, peer = %reply.destination, "{}: {detail}", query.mac);
                observation(&query, received, StageOutcome::Done, detail)
            }
            Err(err) => {
                self.counters.count_unsent();
                warn!(mac = %query.mac, peer = %reply.destination, %err, "the answer to {} was not sent: {err}", query.mac);
                let detail = format!("the answer was not sent: {err}");
                observation(&query, received, StageOutcome::Failed, detail)
            }
        };
        director.observe(seen);
    }

    async fn send(&self, reply: &Reply) -> io::Result<()> {
        let departure = Departure {
            source: Some(reply.source),
            ifindex: reply.ifindex,
        };
        if reply.source_port == Door::Proxy.port() {
            return self
                .proxy
                .send(&reply.bytes, reply.destination, departure)
                .await;
        }
        let port = match reply.destination.port() {
            CLIENT_PORT => self.ports.client,
            _ => self.ports.dhcp,
        };
        let destination = SocketAddrV4::new(*reply.destination.ip(), port);
        self.dhcp.send(&reply.bytes, destination, departure).await
    }

    /// What a machine is taken for, and how often it asked for its loader where that leads nowhere: it may be an iPXE that does not say
    /// so, and gets its script. Firmware cannot load that, and goes on to its next boot entry, which breaks the loop too.
    fn out_of_loop(
        &self,
        query: &BootQuery,
        program: &mut Program,
        received: Instant,
    ) -> (BootClient, Option<u32>) {
        let looped = match (&*program, query.answer) {
            (Program::Loader(name), AnswerKind::Offer) => {
                self.chains.sent(query.mac, name, self.at(received))
            }
            // Firmware that asks at 4011 as well is on its way to the loader of its offer.
            (Program::Loader(name), AnswerKind::Ack) => self.chains.goes_on(query.mac, name),
            (Program::Script, _) => {
                self.chains.passed(query.mac);
                None
            }
            (Program::NotFound | Program::Nothing(_), _) => None,
        };
        let taken_for = match (looped, query.client) {
            (Some(_), BootClient::Pxe(platform)) => {
                *program = Program::Script;
                BootClient::Ipxe {
                    platform,
                    http: true,
                }
            }
            (Some(_), BootClient::Http(_)) => {
                *program = Program::NotFound;
                query.client
            }
            (_, client) => client,
        };
        (taken_for, looped)
    }
}

fn observation(
    query: &BootQuery,
    received: Instant,
    outcome: StageOutcome,
    detail: String,
) -> Observation {
    let stage = match (query.answer, query.client) {
        (AnswerKind::Ack, _) => BootStage::ProxyRequest,
        (AnswerKind::Offer, BootClient::Ipxe { .. }) => BootStage::Ipxe,
        (AnswerKind::Offer, _) => BootStage::Discover,
    };
    let packet = &query.request.packet;
    let source = *query.ingress.source.ip();
    let peer = match (packet.ciaddr, packet.giaddr) {
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED) => source,
        (own, _) => own,
    };
    Observation {
        mac: Some(query.mac),
        peer: IpAddr::V4(peer),
        stage,
        duration: Some(received.elapsed()),
        bytes: None,
        retries: None,
        outcome,
        detail,
    }
}
