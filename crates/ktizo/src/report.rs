//! What the daemon says of itself: on the first screen, and by API.

mod counters;
mod port;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use api::types::{LoaderStatus, ServiceStatus};
use api::{Sample, Service};
use configgen::script::boot_root;
use model::Timestamp;
use netboot::director::Platform;
use netboot::net::interface::Interfaces;

use self::counters::Counters;
use self::port::Port;
use crate::bound::Bound;
use crate::cards::Cards;
use crate::config::Config;
use crate::loaders::Loaders;
use crate::privilege::Privilege;
use crate::state;
use crate::witness::WitnessCounters;

/// What is served where, since when, and how the loaders are.
#[derive(Debug)]
pub(crate) struct Report {
    /// Where the state is.
    pub state_dir: PathBuf,
    /// The Unix socket.
    pub socket: PathBuf,
    /// The network cards that are served.
    pub cards: Cards,
    /// Whether root was given up.
    pub privilege: Privilege,
    ports: Vec<Port>,
    started_at: Timestamp,
    loaders: Arc<Loaders>,
    chosen: Vec<(Platform, String)>,
    http_port: u16,
    /// Where the admin API listens by TCP, and whether it speaks TLS there.
    admin: Option<(SocketAddr, bool)>,
    warnings: Vec<String>,
    counters: Counters,
}

impl Report {
    /// Takes note of what was bound.
    pub(crate) fn new(
        config: &Config,
        bound: &Bound,
        started_at: Timestamp,
        loaders: Arc<Loaders>,
        privilege: Privilege,
    ) -> Self {
        Self {
            state_dir: config.state_dir.clone(),
            socket: config.socket.clone(),
            cards: bound.cards.clone(),
            privilege,
            ports: Port::all(config, bound),
            started_at,
            loaders,
            chosen: config
                .loaders
                .iter()
                .map(|(platform, name)| (*platform, name.to_string()))
                .collect(),
            http_port: config.boot.http_port,
            admin: config
                .admin
                .map(|listen| (listen, bound.certificate.is_some())),
            warnings: config.warnings(),
            counters: Counters::new(bound),
        }
    }

    /// The cards of the host as they are now, for they come and go; where they cannot be read, the first as it was at start.
    fn host(&self) -> Interfaces {
        Interfaces::read().unwrap_or_else(|err| {
            tracing::warn!(%err, "the addresses of this host cannot be read");
            Interfaces::from_list(vec![self.cards.first.clone()])
        })
    }

    /// The addresses of the served cards at this moment.
    fn addresses(&self) -> Vec<(String, Ipv4Addr)> {
        self.cards.addresses(&self.host())
    }

    /// The root of the admin API by TCP, if it is open; one that listens everywhere is reached at the first card's address.
    pub(crate) fn admin_url(&self) -> Option<String> {
        let (listen, tls) = self.admin?;
        Some(port::root(listen, &self.addresses(), tls))
    }

    /// The first address of the served cards at this moment, or at start if they have none, and the port of the boot HTTP server.
    pub(crate) fn boot_http(&self) -> (Ipv4Addr, u16) {
        let own = self.addresses().first().map(|(_, own)| *own);
        let own = own.or_else(|| self.cards.first_address());
        (own.unwrap_or(Ipv4Addr::UNSPECIFIED), self.http_port)
    }

    /// The root of the boot HTTP server at the first address.
    pub(crate) fn base_url(&self) -> String {
        let (own, port) = self.boot_http();
        boot_root(own, port)
    }

    /// Where the witness counts.
    pub(crate) fn witness(&self) -> Arc<WitnessCounters> {
        Arc::clone(&self.counters.witness)
    }

    /// Why a machine may not be served, in sentences.
    fn problems(&self) -> Vec<String> {
        let own = self.addresses();
        let of_ports = self.ports.iter().filter_map(|port| port.problem(&own));
        let mut problems: Vec<String> = of_ports.collect();
        match Interfaces::read() {
            Ok(there) => problems.extend(self.cards.not_served(&there)),
            Err(err) => problems.push(format!("the network cards cannot be listed: {err}")),
        }
        problems.extend(self.loaders.missing());
        problems.extend(state::no_room(&self.state_dir));
        problems
    }

    /// The loaders that are there, and after them those that are chosen and missing.
    fn loaders(&self) -> Vec<LoaderStatus> {
        let found = self.loaders.all();
        let of_kind = |name: &str| {
            self.chosen
                .iter()
                .find(|(_, chosen)| chosen == name)
                .map(|(platform, _)| platform.to_string())
        };
        let mut loaders: Vec<LoaderStatus> = found
            .iter()
            .map(|(name, loader)| LoaderStatus {
                name: name.to_string(),
                platform: of_kind(name.as_str()),
                path: Some(loader.path.display().to_string()),
                complaint: loader.warning.clone(),
            })
            .collect();
        for (platform, name) in &self.chosen {
            if !found.keys().any(|known| known.as_str() == name) {
                loaders.push(LoaderStatus {
                    name: name.clone(),
                    platform: Some(platform.to_string()),
                    path: None,
                    complaint: Some("missing".to_owned()),
                });
            }
        }
        loaders
    }
}

impl Service for Report {
    fn own_addresses(&self) -> Vec<Ipv4Addr> {
        self.host()
            .iter()
            .filter(|card| !card.loopback)
            .flat_map(|card| card.addresses.iter().map(|own| own.address))
            .collect()
    }

    fn status(&self) -> ServiceStatus {
        let own = self.addresses();
        ServiceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            state_dir: self.state_dir.display().to_string(),
            serves: self
                .ports
                .iter()
                .flat_map(|port| port.served(&own))
                .collect(),
            web_root: self.admin_url(),
            loaders: self.loaders(),
            problems: self.problems(),
            warnings: [self.warnings.clone(), self.loaders.doubts()].concat(),
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let of_ports = self.ports.iter().flat_map(Port::samples);
        of_ports.chain(self.counters.samples()).collect()
    }
}
