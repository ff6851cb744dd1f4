//! Where a service is served, and how it does there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use api::types::Served;
use api::{Certificate, Fingerprint, Sample};
use configgen::script::boot_root;
use model::Listening;
use tokio::time::Instant;

use crate::bound::Bound;
use crate::config::Config;

/// One service, at one address or at each of the served cards.
#[derive(Clone, Debug)]
pub(super) struct Port {
    what: &'static str,
    place: Place,
    listening: Listening,
    certificate: Option<Arc<Certificate>>,
}

/// Where a service is.
#[derive(Clone, Debug)]
enum Place {
    /// By UDP on these ports at each address of the served cards, with a word on who else has the first of them.
    Dhcp(u16, u16, &'static str),
    /// By such protocols on this port at each address of the served cards.
    Cards(&'static str, u16),
    /// The boot HTTP server, on this port at each address of the served cards.
    BootHttp(u16),
    /// The admin API by TCP.
    Admin(SocketAddr, bool),
    /// The admin API by Unix socket.
    Socket(PathBuf),
}

impl Place {
    /// Its addresses, where the served cards have `own`.
    fn addresses(&self, own: &[(String, Ipv4Addr)]) -> Vec<String> {
        let each = |told: &dyn Fn(&str, Ipv4Addr) -> String| {
            own.iter()
                .map(|(card, address)| told(card, *address))
                .collect()
        };
        match self {
            Self::Dhcp(dhcp, pxe, shared) => {
                each(&|card, own| format!("udp {own}:{dhcp} and {pxe}, card {card}{shared}"))
            }
            Self::Cards(by, port) => each(&|_, own| format!("{by} {own}:{port}")),
            Self::BootHttp(port) => each(&|_, own| boot_root(own, *port)),
            Self::Admin(listen, tls) => {
                let everywhere = if listen.ip().is_unspecified() {
                    ", and at every other address of this host"
                } else {
                    ""
                };
                vec![format!("{}/{everywhere}", root(*listen, own, *tls))]
            }
            Self::Socket(path) => vec![format!("unix {}", path.display())],
        }
    }
}

impl Port {
    /// All that are bound.
    pub(super) fn all(config: &Config, bound: &Bound) -> Vec<Self> {
        let boot = config.boot;
        let shared = if bound.dhcp.shares_port() {
            ", beside the DHCP server of this host"
        } else {
            ""
        };
        let dhcp = Place::Dhcp(boot.dhcp_port, boot.pxe_port, shared);
        let tftp = Place::Cards("udp", boot.tftp_port);
        let http = Place::BootHttp(boot.http_port);
        let mut all = vec![
            Self::new("ProxyDHCP", dhcp, bound.dhcp.listening()),
            Self::new("TFTP", tftp, bound.tftp.listening()),
            Self::new("boot HTTP", http, bound.http.listening()),
        ];
        if let Some(sink) = &bound.events {
            let place = Place::Cards("tcp", sink.local_addr().port());
            all.push(Self::new("Talos events", place, sink.listening()));
        }
        if let Some(log) = &bound.kernel_log {
            let place = Place::Cards("tcp and udp", log.local_addr().port());
            all.push(Self::new("kernel logs", place, log.listening()));
        }
        let socket = Place::Socket(config.socket.clone());
        all.push(Self::new("admin API", socket, bound.socket.listening()));
        if let (Some(admin), Some(listen)) = (&bound.admin, config.admin) {
            let place = Place::Admin(listen, bound.certificate.is_some());
            all.push(Self {
                certificate: bound.certificate.clone(),
                ..Self::new("web and API", place, admin.listening())
            });
        }
        all
    }

    fn new(what: &'static str, place: Place, listening: Listening) -> Self {
        Self {
            what,
            place,
            listening,
            certificate: None,
        }
    }

    /// What is served at each address, where the served cards have `own`; the certificate may have changed since the start.
    pub(super) fn served(&self, own: &[(String, Ipv4Addr)]) -> Vec<Served> {
        let certificate = self.certificate.as_ref().map_or_else(String::new, |it| {
            let fingerprint = Fingerprint(it.fingerprint());
            format!(", certificate SHA-256 {fingerprint}")
        });
        let trouble = self.listening.trouble(Instant::now().into_std());
        let served = |address: String| Served {
            what: self.what.to_owned(),
            address: format!("{address}{certificate}"),
            trouble: trouble.clone(),
        };
        self.place.addresses(own).into_iter().map(served).collect()
    }

    /// Why it is not served, in a sentence.
    pub(super) fn problem(&self, own: &[(String, Ipv4Addr)]) -> Option<String> {
        let why = self.listening.trouble(Instant::now().into_std())?;
        let (what, at) = (self.what, self.place.addresses(own).join(", "));
        Some(format!("{what} is not served at {at}: {why}"))
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

/// The root of what listens at an address by TCP; one that listens everywhere is reached at the first of the served cards' addresses.
pub(super) fn root(listen: SocketAddr, own: &[(String, Ipv4Addr)], tls: bool) -> String {
    let first = own.first().filter(|_| listen.ip().is_unspecified());
    let host = match first {
        Some((_, own)) => SocketAddr::new((*own).into(), listen.port()),
        None => listen,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{host}")
}
