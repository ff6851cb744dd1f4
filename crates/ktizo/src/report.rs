//! What the daemon says of itself: on the first screen, and by API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::types::{LoaderStatus, Served, ServiceStatus};
use api::{Certificate, Fingerprint, Sample, Service};
use configgen::script::{ReportPorts, boot_root};
use model::{Listening, Timestamp};
use netboot::director::Platform;
use netboot::net::dhcp::{DhcpCounters, DhcpServer};
use netboot::net::event_sink::EventSinkCounters;
use netboot::net::http::{BootHttpCounters, HttpKind, STATUSES};
use netboot::net::interface::Interfaces;
use netboot::net::kernel_log::KernelLogCounters;
use netboot::net::tftp::TftpCounters;

use crate::cards::Cards;
use crate::config::Config;
use crate::loaders::Loaders;
use crate::privilege::Privilege;
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
    admin: Option<SocketAddr>,
    certificate: Option<Arc<Certificate>>,
    warnings: Vec<String>,
    counters: Counters,
}

/// One service at one address.
#[derive(Clone, Debug)]
struct Port {
    what: &'static str,
    address: String,
    listening: Listening,
}

/// How the servers do at their ports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    /// ProxyDHCP.
    pub dhcp: Listening,
    /// TFTP.
    pub tftp: Listening,
    /// Boot HTTP.
    pub http: Listening,
    /// The receiver of events, if there is one.
    pub events: Option<Listening>,
    /// The receiver of kernel logs, if there is one.
    pub kernel_log: Option<Listening>,
    /// The admin API by Unix socket.
    pub socket: Listening,
    /// The admin API by TCP, if it is open.
    pub admin: Option<Listening>,
}

/// What the servers of the boot plane have counted.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    /// ProxyDHCP.
    pub dhcp: Arc<DhcpCounters>,
    /// TFTP.
    pub tftp: Arc<TftpCounters>,
    /// Boot HTTP.
    pub http: Arc<BootHttpCounters>,
    /// The receiver of events, if there is one.
    pub events: Option<Arc<EventSinkCounters>>,
    /// The receiver of kernel logs, if there is one.
    pub kernel_log: Option<Arc<KernelLogCounters>>,
    /// The witness.
    pub witness: Arc<WitnessCounters>,
}

/// Less free space than this is a problem, in bytes: SQLite and the compiled files need room to write.
const LEAST_FREE: u64 = 64 << 20;
/// A disk with less than this is called full.
const FULL: u64 = 1 << 20;

impl Report {
    /// Takes note of what was bound.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that the daemon says of itself, gathered once"
    )]
    pub(crate) fn new(
        config: &Config,
        cards: &Cards,
        dhcp: &DhcpServer,
        started_at: Timestamp,
        loaders: Arc<Loaders>,
        privilege: Privilege,
        reports: ReportPorts,
        certificate: Option<Arc<Certificate>>,
        ports: Ports,
        counters: Counters,
    ) -> Self {
        let boot = config.boot;
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
        let port = |what, address: String, listening| Port {
            what,
            address,
            listening,
        };
        let mut open = vec![
            port(
                "ProxyDHCP",
                format!(
                    "udp {own}:{} and {}, card {card}{shared}",
                    boot.dhcp_port, boot.pxe_port
                ),
                ports.dhcp,
            ),
            port("TFTP", format!("udp {own}:{}", boot.tftp_port), ports.tftp),
            port("boot HTTP", boot_root(own, boot.http_port), ports.http),
        ];
        if let (Some(number), Some(listening)) = (reports.events, ports.events) {
            open.push(port(
                "Talos events",
                format!("tcp {own}:{number}"),
                listening,
            ));
        }
        if let (Some(number), Some(listening)) = (reports.kernel_log, ports.kernel_log) {
            let address = format!("tcp and udp {own}:{number}");
            open.push(port("kernel logs", address, listening));
        }
        open.push(port(
            "admin API",
            format!("unix {}", config.socket.display()),
            ports.socket,
        ));
        if let (Some(address), Some(listening)) = (config.admin, ports.admin) {
            let url = reached_at(address, cards, certificate.as_ref());
            let everywhere = if address.ip().is_unspecified() {
                ", and at every other address of this host"
            } else {
                ""
            };
            open.push(port(
                "web and API",
                format!("{url}/{everywhere}"),
                listening,
            ));
        }
        Self {
            state_dir: config.state_dir.clone(),
            socket: config.socket.clone(),
            cards: cards.clone(),
            privilege,
            ports: open,
            started_at,
            loaders,
            chosen: config
                .loaders
                .iter()
                .map(|(platform, name)| (*platform, name.to_string()))
                .collect(),
            http_port: boot.http_port,
            admin: config.admin,
            certificate,
            warnings: config.warnings(),
            counters,
        }
    }

    /// The root of the admin API by TCP, if it is open; one that listens everywhere is reached at the first card's address.
    pub(crate) fn admin_url(&self) -> Option<String> {
        let address = self.admin?;
        Some(reached_at(address, &self.cards, self.certificate.as_ref()))
    }

    /// The first address and the port of the boot HTTP server.
    pub(crate) fn boot_http(&self) -> (Ipv4Addr, u16) {
        let own = self.cards.first.addresses.first();
        let own = own.map_or(Ipv4Addr::UNSPECIFIED, |own| own.address);
        (own, self.http_port)
    }

    /// The root of the boot HTTP server at the first address.
    pub(crate) fn base_url(&self) -> String {
        let (own, port) = self.boot_http();
        boot_root(own, port)
    }
}

impl Report {
    /// What is served where; the certificate may have changed since the start.
    fn serves(&self) -> Vec<Served> {
        let served = |port: &Port| Served {
            what: port.what.to_owned(),
            address: port.address.clone(),
            trouble: port.listening.trouble(),
        };
        let mut serves: Vec<Served> = self.ports.iter().map(served).collect();
        if let (Some(certificate), Some(last)) = (&self.certificate, serves.last_mut()) {
            let fingerprint = Fingerprint(certificate.fingerprint());
            last.address
                .push_str(&format!(", certificate SHA-256 {fingerprint}"));
        }
        serves
    }

    /// Why a machine may not be served, in sentences.
    fn problems(&self) -> Vec<String> {
        let not_served = |port: &Port| {
            let why = port.listening.trouble()?;
            Some(format!(
                "{} is not served at {}: {why}",
                port.what, port.address
            ))
        };
        let mut problems: Vec<String> = self.ports.iter().filter_map(not_served).collect();
        match Interfaces::read() {
            Ok(there) => problems.extend(self.cards.not_served(&there)),
            Err(err) => problems.push(format!("the network cards cannot be listed: {err}")),
        }
        problems.extend(self.loaders.missing());
        problems.extend(room(&self.state_dir).err());
        problems
    }

    /// How each port does, as numbers.
    fn port_samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for port in &self.ports {
            let labels = [("service", port.what)];
            samples.push(Sample::gauge(
                "ktizo_port_served",
                "Whether what comes to a port is taken",
                &labels,
                port.listening.is_served().into(),
            ));
            samples.push(Sample::counter(
                "ktizo_port_failures",
                "How often the system failed to hand out what came to a port",
                &labels,
                port.listening.failures(),
            ));
        }
        samples
    }
}

/// Whether there is room to write in a folder; the error is a sentence.
fn room(folder: &Path) -> Result<(), String> {
    let called = folder.display();
    let disk =
        nix::sys::statvfs::statvfs(folder).map_err(|err| format!("the disk of {called}: {err}"))?;
    let free = disk.blocks_available() * disk.fragment_size();
    // A file system that makes its file records as they are needed says that it has none.
    let out_of_files = disk.files() > 0 && disk.files_available() == 0;
    if free >= LEAST_FREE && !out_of_files {
        return Ok(());
    }
    let how = if out_of_files || free < FULL {
        "full"
    } else {
        "nearly full"
    };
    let left = if out_of_files {
        "no file can be made".to_owned()
    } else {
        format!("{} MiB are free", free >> 20)
    };
    Err(format!(
        "the disk of {called} is {how}: {left}; free some space"
    ))
}

impl Report {
    /// Where the witness counts.
    pub(crate) fn witness(&self) -> Arc<WitnessCounters> {
        Arc::clone(&self.counters.witness)
    }
}

/// The root of what listens at an address by TCP; one that listens everywhere is reached at the first card's.
fn reached_at(
    address: SocketAddr,
    cards: &Cards,
    certificate: Option<&Arc<Certificate>>,
) -> String {
    let own = cards.first.addresses.first();
    let host = match own.filter(|_| address.ip().is_unspecified()) {
        Some(own) => SocketAddr::new(own.address.into(), address.port()),
        None => address,
    };
    format!("{}://{host}", scheme(certificate))
}

/// The scheme of the admin API's URLs.
const fn scheme(certificate: Option<&Arc<Certificate>>) -> &'static str {
    if certificate.is_some() {
        "https"
    } else {
        "http"
    }
}

impl Counters {
    /// Of the receivers of what Talos tells.
    fn report_samples(&self) -> Vec<Sample> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut samples = self.witness.samples();
        if let Some(events) = &self.events {
            for (outcome, count) in [
                ("taken", &events.taken),
                ("strange", &events.strange),
                ("unavailable", &events.unavailable),
                ("stranger", &events.strangers),
                ("delayed", &events.delayed),
                ("malformed", &events.malformed),
                ("too_long", &events.too_long),
                ("unimplemented", &events.unimplemented),
            ] {
                samples.push(Sample::counter(
                    "ktizo_event_sink_calls",
                    "Calls of the receiver of Talos events, by outcome; strange ones are taken too",
                    &[("outcome", outcome)],
                    read(count),
                ));
            }
            for (outcome, count) in [
                ("taken", &events.connections),
                ("made_way", &events.made_way),
                ("silent", &events.silent),
                ("broken", &events.broken),
            ] {
                samples.push(Sample::counter(
                    "ktizo_event_sink_connections",
                    "Connections of the receiver of Talos events, by what became of them",
                    &[("outcome", outcome)],
                    read(count),
                ));
            }
        }
        if let Some(log) = &self.kernel_log {
            for (outcome, count) in [
                ("taken", &log.lines),
                ("not_taken", &log.not_taken),
                ("malformed", &log.malformed),
                ("too_long", &log.too_long),
                ("dropped", &log.dropped),
            ] {
                samples.push(Sample::counter(
                    "ktizo_kernel_log_lines",
                    "Lines of the receiver of kernel logs, by outcome",
                    &[("outcome", outcome)],
                    read(count),
                ));
            }
            for (outcome, count) in [
                ("taken", &log.connections),
                ("made_way", &log.made_way),
                ("silent", &log.silent),
                ("delayed", &log.delayed),
            ] {
                samples.push(Sample::counter(
                    "ktizo_kernel_log_connections",
                    "Connections of the receiver of kernel logs, by what became of them",
                    &[("outcome", outcome)],
                    read(count),
                ));
            }
        }
        samples
    }

    fn samples(&self) -> Vec<Sample> {
        let mut samples = self.report_samples();
        let dhcp = "DHCP datagrams by outcome, and by what asked or why it was left";
        samples.push(Sample::counter(
            "ktizo_dhcp_received",
            "DHCP datagrams that came",
            &[],
            self.dhcp.received(),
        ));
        for (outcome, detail, count) in self.dhcp.rows() {
            let labels = [("outcome", outcome), ("detail", detail)];
            samples.push(Sample::counter(
                "ktizo_dhcp_datagrams",
                dhcp,
                &labels,
                count,
            ));
        }
        let tftp = &self.tftp;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        for (outcome, count) in [
            ("done", &tftp.done),
            ("size_probe", &tftp.size_probes),
            ("aborted", &tftp.aborted),
            ("silent", &tftp.silent),
            ("never_answered", &tftp.never_answered),
            ("displaced", &tftp.displaced),
            ("broken", &tftp.broken),
        ] {
            let help = "TFTP sessions that ended, by outcome";
            samples.push(Sample::counter(
                "ktizo_tftp_sessions",
                help,
                &[("outcome", outcome)],
                read(count),
            ));
        }
        for (reason, count) in [
            ("stray", &tftp.stray),
            ("malformed", &tftp.malformed),
            ("write", &tftp.writes),
            ("unknown_name", &tftp.unknown_names),
            ("missing", &tftp.missing),
            ("too_often", &tftp.too_often),
            ("address_full", &tftp.address_full),
            ("full", &tftp.full),
            ("repeated", &tftp.repeated),
        ] {
            let help = "TFTP requests that opened no session, by reason";
            samples.push(Sample::counter(
                "ktizo_tftp_refused",
                help,
                &[("reason", reason)],
                read(count),
            ));
        }
        for (name, help, count) in [
            (
                "ktizo_tftp_bytes",
                "Bytes of content that TFTP clients have",
                &tftp.bytes,
            ),
            (
                "ktizo_tftp_retries",
                "TFTP packets sent again",
                &tftp.retries,
            ),
            (
                "ktizo_http_bytes",
                "Bytes of content handed out by boot HTTP",
                &self.http.bytes,
            ),
            (
                "ktizo_http_connections",
                "Connections taken by boot HTTP",
                &self.http.connections,
            ),
        ] {
            samples.push(Sample::counter(name, help, &[], read(count)));
        }
        for kind in HttpKind::ALL {
            for status in STATUSES {
                let count = self.http.answers(kind, status);
                let status = status.to_string();
                let labels = [("kind", kind.as_str()), ("status", status.as_str())];
                let help = "Answers of boot HTTP, by what was asked for and status";
                samples.push(Sample::counter("ktizo_http_answers", help, &labels, count));
            }
        }
        for (reason, count) in [
            ("turned_away", &self.http.turned_away),
            ("made_way", &self.http.made_way),
            ("slow_head", &self.http.slow_heads),
            ("stalled", &self.http.stalled),
            ("unanswered", &self.http.unanswered),
            ("malformed", &self.http.malformed),
        ] {
            let help = "Connections that boot HTTP closed, by reason";
            samples.push(Sample::counter(
                "ktizo_http_closed",
                help,
                &[("reason", reason)],
                read(count),
            ));
        }
        samples
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
            serves: self.serves(),
            web_root: self.admin_url(),
            loaders,
            problems: self.problems(),
            warnings: [self.warnings.clone(), self.loaders.doubts()].concat(),
        }
    }

    fn samples(&self) -> Vec<Sample> {
        [self.port_samples(), self.counters.samples()].concat()
    }
}
