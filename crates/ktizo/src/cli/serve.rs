//! `ktizo serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{complain, told};
use crate::config::Config;
use crate::{daemon, logging};

/// Threads that draw pages and answer the API; whatever waits there waits for the store.
const ADMIN_THREADS: usize = 2;

/// Arguments of `ktizo serve`; each takes the place of a key of the config file.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Read this file instead of /etc/ktizo/ktizo.yaml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve this network card; may be given several times
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,
    /// Keep the database, assets and compiled files here
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Open the Unix socket of the command line here
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> ExitCode {
        match self.serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(err) => {
                complain(&told(&err));
                ExitCode::FAILURE
            }
        }
    }

    fn serve(self) -> anyhow::Result<()> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(state_dir) = self.state_dir {
            config.set_state_dir(std::path::absolute(state_dir)?);
        }
        if let Some(socket) = self.socket {
            config.socket = std::path::absolute(socket)?;
        }
        if !self.interface.is_empty() {
            config.interfaces = self.interface;
        }
        logging::start(&config.log)?;
        raise_descriptors();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        // The admin plane has threads of its own: the system gives a machine that boots its turn, however many people look.
        let admin = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ADMIN_THREADS)
            .thread_name("ktizo-admin")
            .enable_all()
            .build()?;
        let ended = runtime.block_on(daemon::run(config, admin.handle()));
        // What is still running after the drain is cut off here.
        let rest = std::time::Duration::from_millis(500);
        admin.shutdown_timeout(rest);
        runtime.shutdown_timeout(rest);
        ended
    }
}

/// Takes as many file descriptors as the system allows, for each transfer and connection needs one. Under systemd the unit says how
/// many, and this is not permitted.
fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Err(err) = setrlimit(
            Resource::RLIMIT_NOFILE,
            hard.min(DESCRIPTORS).max(soft),
            hard,
        )
    {
        tracing::debug!(%err, "the number of file descriptors stays at {soft}");
    }
}

/// More than this is of no use.
const DESCRIPTORS: u64 = 65_536;
