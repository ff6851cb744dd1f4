//! Where a service is served, and how it does there.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use api::types::Served;
use api::{Certificate, Fingerprint, Sample};
use configgen::script::boot_root;
use model::Listening;
use tokio::time::Instant;

use crate::bound::Bound;
use crate::cards::Cards;
use crate::config::Config;

/// One service at one address.
#[derive(Clone, Debug)]
pub(super) struct Port {
    what: &'static str,
    address: String,
    listening: Listening,
    certificate: Option<Arc<Certificate>>,
}

impl Port {
    /// All that are bound; `web_root` is the root of the admin API by TCP, if it is open.
    pub(super) fn all(config: &Config, bound: &Bound, web_root: Option<&str>) -> Vec<Self> {
        let boot = config.boot;
        let own = bound.cards.first_address().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let card = &bound.cards.first.name;
        let shared = if bound.dhcp.shares_port() {
            ", beside the DHCP server of this host"
        } else {
            ""
        };
        let dhcp = format!(
            "udp {own}:{} and {}, card {card}{shared}",
            boot.dhcp_port, boot.pxe_port
        );
        let tftp = format!("udp {own}:{}", boot.tftp_port);
        let http = boot_root(own, boot.http_port);
        let mut all = vec![
            Self::new("ProxyDHCP", dhcp, bound.dhcp.listening()),
            Self::new("TFTP", tftp, bound.tftp.listening()),
            Self::new("boot HTTP", http, bound.http.listening()),
        ];
        if let Some(sink) = &bound.events {
            let address = format!("tcp {own}:{}", sink.local_addr().port());
            all.push(Self::new("Talos events", address, sink.listening()));
        }
        if let Some(log) = &bound.kernel_log {
            let address = format!("tcp and udp {own}:{}", log.local_addr().port());
            all.push(Self::new("kernel logs", address, log.listening()));
        }
        let socket = format!("unix {}", config.socket.display());
        all.push(Self::new("admin API", socket, bound.socket.listening()));
        if let (Some(admin), Some(listen), Some(root)) = (&bound.admin, config.admin, web_root) {
            let everywhere = if listen.ip().is_unspecified() {
                ", and at every other address of this host"
            } else {
                ""
            };
            let address = format!("{root}/{everywhere}");
            all.push(Self {
                certificate: bound.certificate.clone(),
                ..Self::new("web and API", address, admin.listening())
            });
        }
        all
    }

    fn new(what: &'static str, address: String, listening: Listening) -> Self {
        Self {
            what,
            address,
            listening,
            certificate: None,
        }
    }

    /// What is served where; the certificate may have changed since the start.
    pub(super) fn served(&self) -> Served {
        let mut address = self.address.clone();
        if let Some(certificate) = &self.certificate {
            let fingerprint = Fingerprint(certificate.fingerprint());
            address.push_str(&format!(", certificate SHA-256 {fingerprint}"));
        }
        Served {
            what: self.what.to_owned(),
            address,
            trouble: self.listening.trouble(Instant::now().into_std()),
        }
    }

    /// Why it is not served, in a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        let why = self.listening.trouble(Instant::now().into_std())?;
        let (what, address) = (self.what, &self.address);
        Some(format!("{what} is not served at {address}: {why}"))
    }

    /// How it does, as numbers.
    pub(super) fn samples(&self) -> [Sample; 2] {
        let labels = [("service", self.what)];
        let is_served = self.listening.is_served(Instant::now().into_std());
        [
            Sample::gauge(
                "ktizo_port_served",
                "Whether what comes to a port is taken",
                &labels,
                is_served.into(),
            ),
            Sample::counter(
                "ktizo_port_failures",
                "How often the system failed to hand out what came to a port",
                &labels,
                self.listening.failures(),
            ),
        ]
    }
}

/// The root of what listens at an address by TCP; one that listens everywhere is reached at the first card's.
pub(super) fn root(
    listen: SocketAddr,
    cards: &Cards,
    certificate: Option<&Arc<Certificate>>,
) -> String {
    let own = cards.first_address();
    let host = match own.filter(|_| listen.ip().is_unspecified()) {
        Some(own) => SocketAddr::new(own.into(), listen.port()),
        None => listen,
    };
    let scheme = if certificate.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{host}")
}
