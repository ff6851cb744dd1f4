//! What the daemon says of itself: on the first screen, and by API.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use api::Service;
use api::types::{LoaderStatus, Served, ServiceStatus};
use configgen::script::boot_root;
use model::Timestamp;
use netboot::director::Platform;
use netboot::net::dhcp::DhcpServer;
use netboot::net::interface::Interfaces;

use crate::cards::Cards;
use crate::config::Config;
use crate::loaders::Loaders;
use crate::privilege::Privilege;

/// What is served where, since when, and how the loaders are.
#[derive(Debug)]
pub(crate) struct Report {
    /// Where the state is.
    pub state_dir: PathBuf,
    /// The Unix socket.
    pub socket: PathBuf,
    /// The first network card that is served.
    pub cards: Cards,
    /// Whether root was given up.
    pub privilege: Privilege,
    serves: Vec<Served>,
    started_at: Timestamp,
    loaders: Arc<Loaders>,
    chosen: Vec<(Platform, String)>,
    http_port: u16,
}

impl Report {
    /// Takes note of what was bound.
    pub(crate) fn new(
        config: &Config,
        cards: &Cards,
        dhcp: &DhcpServer,
        started_at: Timestamp,
        loaders: Arc<Loaders>,
        privilege: Privilege,
    ) -> Self {
        let ports = config.boot;
        let own = cards
            .first
            .addresses
            .first()
            .map_or(Ipv4Addr::UNSPECIFIED, |own| own.address);
        let card = &cards.first.name;
        let shared = if dhcp.shares_port() {
            ", beside the DHCP server of this host"
        } else {
            ""
        };
        let served = |what: &str, address: String| Served {
            what: what.to_owned(),
            address,
        };
        let mut serves = vec![
            served(
                "ProxyDHCP",
                format!(
                    "udp {own}:{} and {}, card {card}{shared}",
                    ports.dhcp_port, ports.pxe_port
                ),
            ),
            served("TFTP", format!("udp {own}:{}", ports.tftp_port)),
            served("boot HTTP", boot_root(own, ports.http_port)),
            served("admin API", format!("unix {}", config.socket.display())),
        ];
        if let Some(address) = config.admin {
            serves.push(served(
                "admin API",
                format!(
                    "http://{address}/api/v1/ with the token in {}",
                    config.state_dir.join("admin.token").display()
                ),
            ));
        }
        Self {
            state_dir: config.state_dir.clone(),
            socket: config.socket.clone(),
            cards: cards.clone(),
            privilege,
            serves,
            started_at,
            loaders,
            chosen: config
                .loaders
                .iter()
                .map(|(platform, name)| (*platform, name.to_string()))
                .collect(),
            http_port: ports.http_port,
        }
    }

    /// The root of the boot HTTP server at the first address.
    pub(crate) fn base_url(&self) -> String {
        let own = self
            .cards
            .first
            .addresses
            .first()
            .map_or(Ipv4Addr::UNSPECIFIED, |own| own.address);
        boot_root(own, self.http_port)
    }
}

impl Service for Report {
    /// As they are now, for cards come and go; where they cannot be read, as they were at start.
    fn own_addresses(&self) -> Vec<Ipv4Addr> {
        let now = Interfaces::read().unwrap_or_else(|err| {
            tracing::warn!(%err, "the addresses of this host cannot be read");
            Interfaces::from_list(vec![self.cards.first.clone()])
        });
        now.iter()
            .filter(|card| !card.loopback)
            .flat_map(|card| card.addresses.iter().map(|own| own.address))
            .collect()
    }

    fn status(&self) -> ServiceStatus {
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
        ServiceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            state_dir: self.state_dir.display().to_string(),
            serves: self.serves.clone(),
            loaders,
            problems: self.loaders.complaints(),
        }
    }
}
