//! The servers with their ports bound.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use anyhow::Context as _;
use api::{Access, BindError, Certificate, TcpServer, Token, UnixServer};
use configgen::script::ReportPorts;
use model::{Clock, SystemClock};
use netboot::net::dhcp::{DhcpConfig, DhcpPorts, DhcpServer};
use netboot::net::event_sink::EventSinkServer;
use netboot::net::http::BootHttpServer;
use netboot::net::interface::InterfaceTable;
use netboot::net::kernel_log::KernelLogServer;
use netboot::net::port::Protocol;
use netboot::net::tftp::TftpServer;

use crate::cards::{self, Cards};
use crate::config::{Config, Tls};
use crate::restore::check_whole;
use crate::state::StateDir;

/// The servers with their ports bound. All are bound before anything is started, so that a port in use is one sentence and nothing
/// else has happened.
pub(crate) struct Bound {
    /// The network cards that are served.
    pub cards: Cards,
    /// ProxyDHCP.
    pub dhcp: DhcpServer,
    /// TFTP.
    pub tftp: TftpServer,
    /// Boot HTTP.
    pub http: BootHttpServer,
    /// The receiver of events, if there is one.
    pub events: Option<EventSinkServer>,
    /// The receiver of kernel logs, if there is one.
    pub kernel_log: Option<KernelLogServer>,
    /// The admin API by Unix socket.
    pub socket: UnixServer,
    /// The admin API by TCP, if it is open.
    pub admin: Option<TcpServer>,
    /// What it shows, if it speaks TLS.
    pub certificate: Option<Arc<Certificate>>,
}

impl Bound {
    /// Where Talos is told to report.
    pub(crate) fn reports(&self) -> ReportPorts {
        ReportPorts {
            events: self.events.as_ref().map(|sink| sink.local_addr().port()),
            kernel_log: self.kernel_log.as_ref().map(|log| log.local_addr().port()),
        }
    }
}

/// Binds every port and locks the state folder.
pub(crate) async fn bind(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Bound, StateDir)> {
    let cards = cards::choose_here(&config.interfaces)?;
    let ports = config.boot;
    let everywhere = |port| SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    let table = || InterfaceTable::new(cards.served.clone()).context("list the network cards");
    let http = BootHttpServer::bind(everywhere(ports.http_port))
        .await?
        .on_interfaces(table()?);
    let http_port = http.local_addr().port();
    let dhcp = DhcpServer::bind(DhcpConfig {
        served: cards.served.clone(),
        ports: DhcpPorts {
            dhcp: ports.dhcp_port,
            proxy: ports.pxe_port,
            ..DhcpPorts::default()
        },
        http_port,
        sharing: ports.share_dhcp_port.into(),
        ..DhcpConfig::default()
    })?;
    let http = http.with_chains(dhcp.chains());
    let tftp = TftpServer::bind(everywhere(ports.tftp_port), http_port)?.on_interfaces(table()?);
    let receiver = |port| SocketAddr::from(everywhere(port));
    let events = match ports.events_port {
        Some(port) => Some(EventSinkServer::bind(receiver(port), Arc::clone(clock)).await?),
        None => None,
    };
    let kernel_log = match ports.kernel_log_port {
        Some(port) => Some(KernelLogServer::bind(receiver(port), Arc::clone(clock)).await?),
        None => None,
    };
    if let Some(folder) = config.socket.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("make {} for the socket", folder.display()))?;
    }
    let socket = UnixServer::bind(
        &config.socket,
        Access {
            group: config.group.clone(),
        },
    )
    .await?;
    let state = StateDir::lock(&config.state_dir)?;
    check_whole(&state)?;
    let certificate = certificate(config, &cards, &state)?;
    let admin = match config.admin {
        Some(address) => {
            let token = Token::read_or_make(&state.token_file())?;
            let server = TcpServer::bind(address, token).await.map_err(with_owner)?;
            Some(match &certificate {
                Some(certificate) => server.with_tls(Arc::clone(certificate))?,
                None => server,
            })
        }
        None => None,
    };
    Ok((
        Bound {
            cards,
            dhcp,
            tftp,
            http,
            events,
            kernel_log,
            socket,
            admin,
            certificate,
        },
        state,
    ))
}

/// The certificate of the admin API, if it speaks TLS.
fn certificate(
    config: &Config,
    cards: &Cards,
    state: &StateDir,
) -> anyhow::Result<Option<Arc<Certificate>>> {
    let certificate = match config.tls.as_ref().filter(|_| config.admin.is_some()) {
        None => return Ok(None),
        Some(Tls::Own { cert, key }) => Certificate::read(cert, key),
        Some(Tls::SelfMade) => {
            let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            names.extend(
                nix::unistd::gethostname()
                    .ok()
                    .and_then(|name| name.into_string().ok()),
            );
            let own = cards.first.addresses.iter();
            names.extend(own.map(|own| own.address.to_string()));
            Certificate::read_or_make(state.path(), names, SystemClock.now())
        }
    };
    let certificate = certificate.context("the admin API cannot speak TLS")?;
    Ok(Some(Arc::new(certificate)))
}

/// Names the process that has the admin API's port, as the boot servers do for theirs.
fn with_owner(err: BindError) -> anyhow::Error {
    match err {
        BindError::PortInUse { port } => {
            let in_use = std::io::ErrorKind::AddrInUse.into();
            let named = netboot::Error::from_bind(Protocol::Tcp, port, in_use);
            anyhow::Error::new(named).context("the admin API cannot listen")
        }
        err => err.into(),
    }
}
