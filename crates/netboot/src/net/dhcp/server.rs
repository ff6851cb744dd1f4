//! Binding the two ports, and the loop that takes datagrams from them.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use model::Listening;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::counters::DhcpCounters;
use super::flight::{Airport, DhcpSocket};
use crate::Error;
use crate::core::answer::CLIENT_PORT;
use crate::core::classify::{Door, Ignored, Ingress, classify};
use crate::core::copies::CopyWatch;
use crate::core::dampen::{Dampener, RateLimit};
use crate::director::Director;
use crate::net::chains::Chains;
use crate::net::interface::{InterfaceTable, Served};
use crate::net::port::{Protocol, port_owner};
use crate::net::shared::SharedPort;
use crate::net::udp::{Arrival, UdpPort};

/// How a ProxyDHCP server is set up.
#[derive(Clone, Debug)]
pub struct DhcpConfig {
    /// The interfaces it serves.
    pub served: Served,
    /// Its ports.
    pub ports: DhcpPorts,
    /// What it does where port 67 is taken.
    pub sharing: Sharing,
    /// The port of the boot HTTP server, for the URLs in answers.
    pub http_port: u16,
    /// How often one machine is answered.
    pub limit: RateLimit,
    /// How many requests may be under way. One more, and the oldest is given up.
    pub in_flight: usize,
    /// How long the director may take.
    pub deadline: Duration,
}

impl Default for DhcpConfig {
    fn default() -> Self {
        Self {
            served: Served::All,
            ports: DhcpPorts::default(),
            sharing: Sharing::IfTaken,
            http_port: 80,
            limit: RateLimit::default(),
            in_flight: 512,
            deadline: Duration::from_millis(500),
        }
    }
}

/// The UDP ports of a ProxyDHCP server and its clients. Only tests have others than the default; 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpPorts {
    /// Where discovers come in, and where relays are answered.
    pub dhcp: u16,
    /// Where firmware asks a second time.
    pub proxy: u16,
    /// Where clients listen.
    pub client: u16,
}

impl Default for DhcpPorts {
    fn default() -> Self {
        Self {
            dhcp: Door::Dhcp.port(),
            proxy: Door::Proxy.port(),
            client: CLIENT_PORT,
        }
    }
}

/// What to do about another DHCP server on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Take port 67 if it is free, else listen beside whoever has it.
    IfTaken,
    /// Listen beside whoever has it, also if nobody has: the other server may start later.
    Always,
    /// Refuse to start if it is taken.
    Never,
}

/// How many machines the limits keep in mind.
const MACHINES: usize = 16_384;
/// Longer than any DHCP message that fits an Ethernet frame, and the IP and UDP headers that a shared port sees too.
const LARGEST: usize = 2048;
/// How long to rest after the system failed to hand out a datagram.
const REST: Duration = Duration::from_millis(50);

/// A ProxyDHCP server with its ports bound.
pub struct DhcpServer {
    airport: Arc<Airport>,
    interfaces: InterfaceTable,
    dampener: Dampener,
    copies: CopyWatch,
    in_flight: usize,
    shared: bool,
    logged: BTreeSet<u16>,
    listening: Listening,
}

impl DhcpServer {
    /// Binds both ports. Needs a tokio runtime around it.
    pub fn bind(config: DhcpConfig) -> Result<Self, Error> {
        let wildcard = |port| SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        let DhcpPorts {
            dhcp: dhcp_port,
            proxy: proxy_port,
            client,
        } = config.ports;
        let dhcp = match config.sharing {
            Sharing::Always => share(dhcp_port)?,
            Sharing::IfTaken | Sharing::Never => match UdpPort::bind(wildcard(dhcp_port)) {
                Ok(port) => DhcpSocket::Own(port),
                Err(err)
                    if err.kind() == io::ErrorKind::AddrInUse
                        && config.sharing == Sharing::IfTaken =>
                {
                    share(dhcp_port)?
                }
                Err(err) => return Err(Error::from_bind(Protocol::Udp, dhcp_port, err)),
            },
        };
        let proxy = UdpPort::bind(wildcard(proxy_port))
            .map_err(|err| Error::from_bind(Protocol::Udp, proxy_port, err))?;
        let bound = |port: &UdpPort, asked: u16| {
            port.local_addr()
                .map(|address| address.port())
                .map_err(|err| Error::from_bind(Protocol::Udp, asked, err))
        };
        let ports = DhcpPorts {
            dhcp: match &dhcp {
                DhcpSocket::Own(port) => bound(port, dhcp_port)?,
                DhcpSocket::Shared(_) => dhcp_port,
            },
            proxy: bound(&proxy, proxy_port)?,
            client,
        };
        let shared = matches!(dhcp, DhcpSocket::Shared(_));
        if shared {
            let owner = port_owner(Protocol::Udp, dhcp_port)
                .map_or_else(|| "another process".to_owned(), |owner| owner.to_string());
            info!("UDP port {dhcp_port} belongs to {owner}; listening beside it");
        }
        Ok(Self {
            airport: Arc::new(Airport {
                dhcp,
                proxy,
                ports,
                http_port: config.http_port,
                deadline: config.deadline,
                chains: Chains::new(MACHINES),
                counters: Arc::default(),
                began: Instant::now(),
            }),
            interfaces: InterfaceTable::new(config.served).map_err(Error::Interfaces)?,
            dampener: Dampener::new(config.limit, MACHINES),
            copies: CopyWatch::new(MACHINES),
            in_flight: config.in_flight.max(1),
            shared,
            logged: BTreeSet::new(),
            listening: Listening::default(),
        })
    }

    /// The ports it has.
    pub fn ports(&self) -> DhcpPorts {
        self.airport.ports
    }

    /// The address its first port is bound to: the wildcard, so that interfaces may come later.
    pub fn local_addr(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, self.airport.ports.dhcp)
    }

    /// Whether port 67 belongs to another DHCP server on this host.
    pub fn shares_port(&self) -> bool {
        self.shared
    }

    /// Its counters.
    pub fn counters(&self) -> Arc<DhcpCounters> {
        Arc::clone(&self.airport.counters)
    }

    /// Which machines load the same loader over and over, for the server that sees them come further.
    pub fn chains(&self) -> Chains {
        self.airport.chains.clone()
    }

    /// How it does at its ports.
    pub fn listening(&self) -> Listening {
        self.listening.clone()
    }

    /// Serves until `stop`; then finishes what is under way, which takes no longer than the deadline of a request.
    pub async fn serve(mut self, director: Arc<dyn Director>, stop: CancellationToken) {
        let serving = self.listening.begin();
        let airport = Arc::clone(&self.airport);
        let mut flights = Flights::default();
        let (mut at_dhcp, mut at_proxy) = ([0; LARGEST], [0; LARGEST]);
        loop {
            let arrived = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = flights.tasks.join_next() => continue,
                got = airport.dhcp.recv(&mut at_dhcp) => got.map(|got| (got, Door::Dhcp, &at_dhcp[..got.len])),
                got = airport.proxy.recv(&mut at_proxy) => got.map(|got| (got, Door::Proxy, &at_proxy[..got.len])),
            };
            match arrived {
                Ok((arrival, door, datagram)) => {
                    airport.counters.count_received();
                    if let Err(why) = self.take(&mut flights, &director, arrival, door, datagram) {
                        self.ignore(why, arrival);
                    }
                }
                Err(err) => {
                    warn!(%err, "cannot receive DHCP messages: {err}");
                    serving.failed(&err, Instant::now().into_std());
                    sleep(REST).await;
                }
            }
        }
        drop(serving);
        while flights.tasks.join_next().await.is_some() {}
    }

    /// Sends one datagram on its way to an answer, or says why it gets none.
    fn take(
        &mut self,
        flights: &mut Flights,
        director: &Arc<dyn Director>,
        arrival: Arrival,
        door: Door,
        datagram: &[u8],
    ) -> Result<(), Ignored> {
        let now = Instant::now();
        let local = self
            .interfaces
            .facing(
                now,
                arrival.ifindex,
                arrival.destination,
                *arrival.source.ip(),
            )
            .ok_or(Ignored::NotServed)?;
        let ingress = Ingress {
            door,
            ifindex: arrival.ifindex,
            local,
            source: arrival.source,
            shared: self.shared,
        };
        let query = classify(datagram, ingress)?;
        if self.copies.is_copy(&query, self.airport.at(now)) {
            return Err(Ignored::Copy);
        }
        if !self.dampener.admit(query.mac, self.airport.at(now)) {
            return Err(Ignored::RateLimited);
        }
        if flights.tasks.len() >= self.in_flight && flights.give_up_oldest() {
            self.airport.counters.count_ignored(Ignored::Overloaded);
        }
        let flight = Arc::clone(&self.airport).fly(Arc::clone(director), query, now);
        flights.start(flight);
        Ok(())
    }

    fn ignore(&mut self, why: Ignored, arrival: Arrival) {
        self.airport.counters.count_ignored(why);
        let source = arrival.source;
        match why {
            Ignored::UnknownArch(arch) if self.logged.insert(arch.0) => {
                warn!(peer = %source, "there is no loader for machines of architecture {} (option 93); they are not answered", arch.0);
            }
            _ => debug!(peer = %source, why = why.word(), "no answer to {source}: {}", why.word()),
        }
    }
}

/// The requests under way, in the order they came.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Flights {
    fn start(&mut self, flight: impl Future<Output = ()> + Send + 'static) {
        while self.order.front().is_some_and(AbortHandle::is_finished) {
            self.order.pop_front();
        }
        // A slow one at the front must not keep the finished ones behind it.
        if self.order.len() > 2 * self.tasks.len() + 64 {
            self.order.retain(|handle| !handle.is_finished());
        }
        self.order.push_back(self.tasks.spawn(flight));
    }

    /// Ends the one that has been under way the longest; `false` if all have ended by themselves.
    fn give_up_oldest(&mut self) -> bool {
        while let Some(oldest) = self.order.pop_front() {
            if !oldest.is_finished() {
                oldest.abort();
                return true;
            }
        }
        false
    }
}

fn share(port: u16) -> Result<DhcpSocket, Error> {
    SharedPort::open(port)
        .map(DhcpSocket::Shared)
        .map_err(|source| Error::PortNotShared {
            port,
            owner: port_owner(Protocol::Udp, port),
            source,
        })
}
