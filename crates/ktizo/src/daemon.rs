//! The composition root: bind, announce, serve, drain. Nothing runs that is not started here.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::{
    Access, Api, AssetFolder, BindError, Certificate, Fingerprint, Gate, Live, Pages, Progress,
    TcpServer, Token, UnixServer, router,
};
use configgen::script::{ReportPorts, Scripts};
use model::{Clock, SystemClock};
use netboot::Director;
use netboot::net::dhcp::{DhcpConfig, DhcpPorts, DhcpServer};
use netboot::net::event_sink::EventSinkServer;
use netboot::net::http::BootHttpServer;
use netboot::net::interface::InterfaceTable;
use netboot::net::kernel_log::KernelLogServer;
use netboot::net::port::Protocol;
use netboot::net::taker::EventTaker;
use netboot::net::tftp::TftpServer;
use store::{Lane, Store};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cards::{self, Cards};
use crate::compiled::Compiled;
use crate::config::{Config, Tls};
use crate::deadlines;
use crate::director::{Office, Preview};
use crate::loaders::Loaders;
use crate::notify;
use crate::privilege::become_user;
use crate::report::{Counters, Ports, Report};
use crate::screen;
use crate::state::{StateDir, seed_settings};
use crate::witness::Witness;

/// The servers with their ports bound. All are bound before anything is started, so that a port in use is one sentence and nothing
/// else has happened.
struct Bound {
    cards: Cards,
    dhcp: DhcpServer,
    tftp: TftpServer,
    http: BootHttpServer,
    events: Option<EventSinkServer>,
    kernel_log: Option<KernelLogServer>,
    socket: UnixServer,
    admin: Option<TcpServer>,
    certificate: Option<Arc<Certificate>>,
}

impl Bound {
    /// Where Talos is told to report.
    fn reports(&self) -> ReportPorts {
        ReportPorts {
            events: self.events.as_ref().map(|sink| sink.local_addr().port()),
            kernel_log: self.kernel_log.as_ref().map(|log| log.local_addr().port()),
        }
    }

    /// How the servers do.
    fn ports(&self) -> Ports {
        Ports {
            dhcp: self.dhcp.listening(),
            tftp: self.tftp.listening(),
            http: self.http.listening(),
            events: self.events.as_ref().map(EventSinkServer::listening),
            kernel_log: self.kernel_log.as_ref().map(KernelLogServer::listening),
            socket: self.socket.listening(),
            admin: self.admin.as_ref().map(TcpServer::listening),
        }
    }
}

/// How often the loader folders and the certificate are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Runs the daemon until it is told to end; the admin plane runs on `admin_threads`.
pub async fn run(config: Config, admin_threads: &Handle) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let scripts = Arc::new(Scripts::new(&own_templates(
        config.templates.as_deref(),
        "ipxe",
    )?)?);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (bound, state) = bind(&config, &clock).await?;
    let privilege = become_user(config.user.as_deref(), &[state.path()])?;

    let options = store::Options {
        undecided_devices: u64::from(config.never_approved_limit),
        takes_events: bound.events.is_some(),
        takes_kernel_logs: bound.kernel_log.is_some(),
        ..store::Options::default()
    };
    let store = Store::open_with(&state.database(), Arc::clone(&clock), options)?;
    seed_settings(&store, &bound.cards.first, bound.cards.gateway).await?;
    let imported = store.read(Lane::Admin, |reader| reader.assets()).await?;
    let assets = AssetFolder::open(state.assets(), &imported)
        .with_context(|| format!("open {}", state.assets().display()))?;
    let loaders = Arc::new(Loaders::read(
        config.loader_folders.clone(),
        config.loaders.clone(),
    ));

    let report = Arc::new(Report::new(
        &config,
        &bound.cards,
        &bound.dhcp,
        clock.now(),
        Arc::clone(&loaders),
        privilege,
        bound.reports(),
        bound.certificate.clone(),
        bound.ports(),
        Counters {
            dhcp: bound.dhcp.counters(),
            tftp: bound.tftp.counters(),
            http: bound.http.counters(),
            events: bound.events.as_ref().map(EventSinkServer::counters),
            kernel_log: bound.kernel_log.as_ref().map(KernelLogServer::counters),
            witness: Arc::default(),
        },
    ));
    screen::show(&report, &store).await?;
    if bound.admin.is_some() {
        screen::first_link(&report, &Gate::new(store.clone(), Arc::clone(&clock))).await?;
    }
    serve(
        &config,
        bound,
        state,
        store,
        scripts,
        assets,
        loaders,
        report,
        clock,
        admin_threads,
    )
    .await
}

/// Binds every port and locks the state folder.
async fn bind(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<(Bound, StateDir)> {
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

/// Starts every task, waits until one ends or the daemon is told to, and drains the others.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of the daemon, each of which is used once"
)]
async fn serve(
    config: &Config,
    bound: Bound,
    state: StateDir,
    store: Store,
    scripts: Arc<Scripts>,
    assets: AssetFolder,
    loaders: Arc<Loaders>,
    report: Arc<Report>,
    clock: Arc<dyn Clock>,
    admin_threads: &Handle,
) -> anyhow::Result<()> {
    // The servers stop first; what follows the store stops after them, so that it sees all they did.
    let (stop, quiet) = (CancellationToken::new(), CancellationToken::new());
    let (mut servers, mut followers) = (Tasks::default(), Tasks::default());

    let base_url = report.base_url();
    let compiled = Compiled::new(
        store.clone(),
        Arc::clone(&scripts),
        state.path(),
        base_url,
        Arc::clone(&clock),
    );
    followers.start("compiled files", compiled.follow(quiet.clone()));
    let probe = store.clone();
    let alive = move || {
        let probe = probe.clone();
        async move {
            probe
                .read(Lane::Boot, |reader| reader.revision())
                .await
                .is_ok()
        }
    };
    followers.start("watchdog", notify::watchdog(alive, quiet.clone()));
    followers.start(
        "deadlines",
        deadlines::watch(
            store.clone(),
            Arc::clone(&clock),
            bound.reports().is_any(),
            quiet.clone(),
        ),
    );
    followers.start(
        "boot loaders",
        look_for_loaders(Arc::clone(&loaders), quiet.clone()),
    );

    if let Some(certificate) = &bound.certificate {
        let look = look_at_certificate(Arc::clone(certificate), quiet.clone());
        followers.start("certificate", look);
    }

    let office = Office::new(
        store.clone(),
        scripts,
        loaders,
        assets.clone(),
        Arc::clone(&clock),
        stop.clone(),
    )
    .with_reports(bound.reports());
    let office = Arc::new(office);
    let (witness, keeper) = Witness::new(store.clone(), office.peers(), report.witness());
    followers.start("witness", keeper.run(quiet.clone()));
    let witness: Arc<dyn EventTaker> = Arc::new(witness);
    if let Some(sink) = bound.events {
        servers.start(
            "Talos events",
            sink.serve(Arc::clone(&witness), stop.clone()),
        );
    }
    if let Some(log) = bound.kernel_log {
        servers.start("kernel logs", log.serve(witness, stop.clone()));
    }
    let (address, port) = report.boot_http();
    let next_boot = Arc::new(Preview::new(Arc::clone(&office), address, port));
    let director: Arc<dyn Director> = office;
    servers.start(
        "ProxyDHCP",
        bound.dhcp.serve(Arc::clone(&director), stop.clone()),
    );
    servers.start(
        "TFTP",
        bound.tftp.serve(Arc::clone(&director), stop.clone()),
    );
    servers.start("boot HTTP", bound.http.serve(director, stop.clone()));
    let gate = Gate::new(store.clone(), Arc::clone(&clock));
    let live = Live::new(store.clone(), stop.clone());
    servers.start_on(admin_threads, "live news", live.clone().follow());
    let app = router(Api {
        store: store.clone(),
        gate,
        live,
        pages: Pages::new(&own_templates(config.templates.as_deref(), "html")?)?,
        assets,
        state_dir: state.path().to_owned(),
        base_folder: state.path().join("base"),
        service: report,
        next_boot,
        clock,
        progress: Progress::default(),
    });
    if let Some(admin) = bound.admin {
        let serve = admin.serve(app.clone(), stop.clone());
        servers.start_on(admin_threads, "admin API by TCP", serve);
    }
    servers.start_on(
        admin_threads,
        "admin API by Unix socket",
        bound.socket.serve(app, stop.clone()),
    );

    notify::ready(&format!("serves machines on {}", bound.cards.first.name));
    tracing::info!(socket = %config.socket.display(), "ktizo {} is ready", env!("CARGO_PKG_VERSION"));
    let ended = tokio::select! {
        signal = told_to_end() => signal.map(|name| tracing::info!("{name}: draining")),
        name = servers.first_end() => Err(anyhow::anyhow!("{name} ended by itself; the log above says why")),
        name = followers.first_end() => Err(anyhow::anyhow!("{name} ended by itself; the log above says why")),
    };
    notify::stopping();
    stop.cancel();
    servers.drain(notify::DRAIN).await;
    quiet.cancel();
    followers.drain(notify::DRAIN / 4).await;
    store.close();
    drop(state);
    ended
}

/// Waits for SIGTERM or SIGINT.
async fn told_to_end() -> anyhow::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Notices loaders that come, go or change.
async fn look_for_loaders(loaders: Arc<Loaders>, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(LOOK_AGAIN))
        .await
        .is_some()
    {
        let loaders = Arc::clone(&loaders);
        if tokio::task::spawn_blocking(move || loaders.refresh())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Notices a certificate that was renewed.
async fn look_at_certificate(certificate: Arc<Certificate>, stop: CancellationToken) {
    let mut told = String::new();
    while stop
        .run_until_cancelled(tokio::time::sleep(LOOK_AGAIN))
        .await
        .is_some()
    {
        let own = Arc::clone(&certificate);
        match tokio::task::spawn_blocking(move || own.refresh()).await {
            Ok(Ok(false)) => told.clear(),
            Ok(Ok(true)) => {
                let fingerprint = Fingerprint(certificate.fingerprint());
                tracing::info!(%fingerprint, "the admin API shows its new certificate");
            }
            Ok(Err(err)) => {
                // Said once, not every time it is looked at.
                let why = err.to_string();
                if told != why {
                    tracing::warn!(%why, "the certificate changed and cannot be used; the old one stays");
                    told = why;
                }
            }
            Err(_) => return,
        }
    }
}

/// Reads an operator's own templates of a kind, by the ending of their names; without a folder there are none.
fn own_templates(folder: Option<&Path>, kind: &str) -> anyhow::Result<Vec<(String, String)>> {
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    let mut own = Vec::new();
    for entry in std::fs::read_dir(folder)
        .with_context(|| format!("read the templates in {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == kind) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("read the template {}", path.display()))?;
            own.push((name, text));
        }
    }
    own.sort();
    Ok(own)
}

/// Tasks that are named, so that one that ends can be.
#[derive(Debug, Default)]
struct Tasks(JoinSet<&'static str>);

impl Tasks {
    fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start_on(&Handle::current(), name, task);
    }

    /// Starts it on other threads than those of the caller.
    fn start_on(
        &mut self,
        runtime: &Handle,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let named = async move {
            task.await;
            name
        };
        self.0.spawn_on(named, runtime);
    }

    /// Waits until one of them ends, which none does before it is told to, and names it.
    async fn first_end(&mut self) -> String {
        match self.0.join_next().await {
            Some(Ok(name)) => name.to_owned(),
            Some(Err(err)) => format!("a task ({err})"),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, but no longer than `grace`; what is left then is cut off, and named in number.
    async fn drain(mut self, grace: Duration) {
        let all = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(
                "{} tasks did not end within {grace:?} and are cut off",
                self.0.len()
            );
            self.0.abort_all();
        }
    }
}
