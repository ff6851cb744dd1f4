//! The composition root: bind, announce, serve, drain. Nothing runs that is not started here.

mod looks;
mod parts;
mod tasks;

use std::sync::Arc;

use api::{Api, Live, Progress, router};
use model::{Clock, SystemClock};
use netboot::Director;
use netboot::net::taker::EventTaker;
use store::Lane;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::parts::Parts;
use self::tasks::Tasks;
use crate::bound::{Bound, bind};
use crate::compiled::Compiled;
use crate::config::Config;
use crate::director::{Office, Preview};
use crate::privilege::become_user;
use crate::uptime::Uptime;
use crate::witness::{Keeper, Witness};
use crate::{deadlines, notify, screen, templates};

/// Runs the daemon until it is told to end; the admin plane runs on `admin_threads`.
pub async fn run(config: Config, admin_threads: &Handle) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let scripts = Arc::new(templates::scripts(config.templates.as_deref())?);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (bound, state) = bind(&config, &clock).await?;
    let privilege = become_user(config.user.as_deref(), &[state.path()])?;
    let parts = Parts::open(&config, clock, scripts, &bound, state, privilege).await?;
    announce(&parts, &bound).await?;
    serve(parts, bound, admin_threads).await
}

/// Prints the first screen and, where it is of use, the link that makes the first account.
async fn announce(parts: &Parts, bound: &Bound) -> anyhow::Result<()> {
    screen::show(&parts.report, &parts.store, &parts.assets).await?;
    if bound.admin.is_some() {
        screen::first_link(&parts.report, &parts.gate()).await?;
    }
    Ok(())
}

/// Starts every task, waits until one ends or the daemon is told to, and drains the others.
async fn serve(parts: Parts, bound: Bound, admin_threads: &Handle) -> anyhow::Result<()> {
    let mut signals = Signals::caught()?;
    // The servers stop first; what follows the store stops after them, so that it sees all they did.
    let (mut servers, mut followers) = (Tasks::default(), Tasks::default());
    let office = Office::new(
        parts.store.clone(),
        Arc::clone(&parts.scripts),
        Arc::clone(&parts.loaders),
        parts.assets.clone(),
        Arc::clone(&parts.clock),
        servers.stop(),
    );
    let office = office
        .with_reports(bound.reports())
        .with_holds_by(Arc::new(Uptime));
    let office = Arc::new(office);
    let (witness, keeper) =
        Witness::new(parts.store.clone(), office.peers(), parts.report.witness());
    // Kept until the end: a keeper that nobody can tell anything any more would end by itself.
    let witness: Arc<dyn EventTaker> = Arc::new(witness);
    follow(&parts, &bound, keeper, &mut followers);
    let card = bound.cards.first.name.clone();
    serve_all(
        &parts,
        bound,
        &witness,
        &office,
        admin_threads,
        &mut servers,
    );

    notify::ready(&format!("serves machines on {card}"));
    let socket = parts.report.socket.display();
    tracing::info!(%socket, "ktizo {} is ready", env!("CARGO_PKG_VERSION"));
    let by_itself = |name| anyhow::anyhow!("{name} ended by itself; the log above says why");
    let ended = tokio::select! {
        name = signals.told_to_end() => {
            tracing::info!("{name}: draining");
            Ok(())
        }
        name = servers.first_end() => Err(by_itself(name)),
        name = followers.first_end() => Err(by_itself(name)),
    };
    notify::stopping();
    servers.drain(notify::DRAIN).await;
    followers.drain(notify::DRAIN / 4).await;
    parts.store.close();
    drop(parts.state);
    ended
}

/// Starts what follows the store and the clock.
fn follow(parts: &Parts, bound: &Bound, keeper: Keeper, followers: &mut Tasks) {
    let compiled = Compiled::new(
        parts.store.clone(),
        Arc::clone(&parts.scripts),
        parts.state.path(),
        Arc::clone(&parts.report),
        Arc::clone(&parts.clock),
    );
    followers.start("compiled files", |stop| compiled.follow(stop));
    let store = parts.store.clone();
    let alive = move || {
        let store = store.clone();
        async move {
            let revision = store.read(Lane::Boot, |reader| reader.revision());
            revision.await.is_ok()
        }
    };
    followers.start("watchdog", |stop| notify::watchdog(alive, stop));
    let (store, clock) = (parts.store.clone(), Arc::clone(&parts.clock));
    let heard = bound.reports().is_any();
    followers.start("deadlines", |stop| {
        deadlines::watch(store, clock, heard, stop)
    });
    let loaders = Arc::clone(&parts.loaders);
    followers.start("boot loaders", |stop| {
        looks::look_for_loaders(loaders, stop)
    });
    let (assets, store) = (parts.assets.clone(), parts.store.clone());
    followers.start("assets", |stop| looks::look_at_assets(assets, store, stop));
    if let Some(certificate) = bound.certificate.clone() {
        followers.start("certificate", |stop| {
            looks::look_at_certificate(certificate, stop)
        });
    }
    followers.start("witness", |stop| keeper.run(stop));
}

/// Starts the servers: those for machines on the threads of the caller, the admin plane on `admin_threads`.
fn serve_all(
    parts: &Parts,
    bound: Bound,
    witness: &Arc<dyn EventTaker>,
    office: &Arc<Office>,
    admin_threads: &Handle,
    servers: &mut Tasks,
) {
    if let Some(sink) = bound.events {
        let witness = Arc::clone(witness);
        servers.start("Talos events", |stop| sink.serve(witness, stop));
    }
    if let Some(log) = bound.kernel_log {
        let witness = Arc::clone(witness);
        servers.start("kernel logs", |stop| log.serve(witness, stop));
    }
    let director = || -> Arc<dyn Director> { office.clone() };
    servers.start("ProxyDHCP", |stop| bound.dhcp.serve(director(), stop));
    servers.start("TFTP", |stop| bound.tftp.serve(director(), stop));
    servers.start("boot HTTP", |stop| bound.http.serve(director(), stop));

    let live = Live::new(parts.store.clone(), servers.stop());
    servers.start_on(admin_threads, "live news", |_| live.clone().follow());
    let app = router(api(parts, live, office));
    if let Some(admin) = bound.admin {
        let app = app.clone();
        servers.start_on(admin_threads, "admin API by TCP", |stop| {
            admin.serve(app, stop)
        });
    }
    let socket = bound.socket;
    servers.start_on(admin_threads, "admin API by Unix socket", |stop| {
        socket.serve(app, stop)
    });
}

/// What the admin API works with.
fn api(parts: &Parts, live: Live, office: &Arc<Office>) -> Api {
    let report = Arc::clone(&parts.report);
    Api {
        store: parts.store.clone(),
        gate: parts.gate(),
        live,
        pages: parts.pages.clone(),
        assets: parts.assets.clone(),
        state_dir: parts.state.path().to_owned(),
        base_folder: parts.state.path().join("base"),
        service: parts.report.clone(),
        next_boot: Arc::new(Preview::new(Arc::clone(office), move || report.boot_http())),
        clock: Arc::clone(&parts.clock),
        progress: Progress::default(),
    }
}

/// What tells the daemon to end. A signal that comes after this was made is not lost, also before somebody waits for it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn caught() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for SIGTERM or SIGINT, and names it.
    async fn told_to_end(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
