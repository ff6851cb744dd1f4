//! The daemon on a host of the LAN, and its command line.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::admin::Admin;
use crate::clock::{now, poll};
use crate::disk::sha256;
use crate::kit::Kit;
use crate::lan::{CARD, Host};
use crate::process::{Process, on_host, output};
use crate::service::Notices;

/// The running daemon, killed when dropped.
#[derive(Debug)]
pub struct Ktizo {
    launch: Launch,
    process: Process,
    notices: Notices,
    /// How long it took from its last start to its word that it is ready.
    pub ready_after: Duration,
}

/// How a daemon is started: on which host, with which arguments and environment.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    host: Host,
    state: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
}

/// Longer than any start takes; the goal of 0.3 s is the benchmark's matter.
const PATIENCE: Duration = Duration::from_secs(30);

impl Launch {
    /// The daemon of this build on a host, with its state in `folder` and the kit's loaders.
    ///
    /// # Errors
    /// When the daemon was not built or a loader cannot be copied.
    pub fn new(kit: &Kit, host: &Host, folder: &Path) -> Result<Self> {
        let program = kit.ktizo();
        if !program.exists() {
            bail!(
                "{} is missing: build the workspace first",
                program.display()
            );
        }
        let state = folder.join("state");
        copy_loaders(&kit.loaders(), &state.join("loaders"))?;
        Ok(Self {
            program,
            host: host.clone(),
            state,
            // The address of a Unix socket has 107 characters: the build folder may be deeper than that.
            socket: PathBuf::from(format!("/run/{}.sock", host.netns)),
            log: folder.join("ktizo.log"),
            arguments: Vec::new(),
            environment: Vec::new(),
        })
    }

    /// The same with another argument for `ktizo serve`.
    #[must_use]
    pub fn with(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with another Unix socket.
    #[must_use]
    pub fn with_socket(mut self, socket: impl Into<PathBuf>) -> Self {
        self.socket = socket.into();
        self
    }

    fn serve(&self) -> Command {
        let mut serve = on_host(Some(&self.host.netns), &self.program);
        serve
            .args(["serve", "--interface", CARD, "--state-dir"])
            .arg(&self.state)
            .arg("--socket")
            .arg(&self.socket)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        serve
    }

    /// Starts the daemon and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready in time; the error carries its log.
    pub fn start(self) -> Result<Ktizo> {
        let notices = Notices::listen(&self.host.netns)?;
        let process = self.spawn(&notices)?;
        let mut ktizo = Ktizo {
            launch: self,
            process,
            notices,
            ready_after: Duration::ZERO,
        };
        ktizo.await_ready()?;
        Ok(ktizo)
    }

    fn spawn(&self, notices: &Notices) -> Result<Process> {
        let mut serve = self.serve();
        serve.env("NOTIFY_SOCKET", notices.path());
        Process::start("ktizo", &mut serve, &self.log)
    }

    /// Runs the daemon where it must refuse to start; gives how it ended and what it printed.
    ///
    /// # Errors
    /// When it does not end by itself.
    pub fn refused(&self) -> Result<Output> {
        let child = self
            .serve()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("ktizo could not be started")?;
        let (told, waited) = std::sync::mpsc::channel();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
        let waiter = std::thread::spawn(move || {
            let _ = told.send(child.wait_with_output());
        });
        let Ok(output) = waited.recv_timeout(PATIENCE) else {
            nix::sys::signal::kill(pid, Signal::SIGKILL)?;
            let _ = waiter.join();
            bail!("ktizo started where it should have refused to");
        };
        let _ = waiter.join();
        Ok(output?)
    }
}

impl Ktizo {
    /// Starts the daemon on a host, with its state in `folder`, and waits until it says that it is ready.
    ///
    /// # Errors
    /// As [`Launch::start`].
    pub fn start(kit: &Kit, host: &Host, folder: &Path) -> Result<Self> {
        Launch::new(kit, host, folder)?.start()
    }

    fn await_ready(&mut self) -> Result<()> {
        let started = now();
        let outcome = poll(PATIENCE, || {
            if let Some(at) = self.notices.first("READY=1") {
                return Some(Ok(at));
            }
            self.process.ended().map(Err)
        });
        match outcome {
            Some(Ok(at)) => {
                self.ready_after = at - started;
                Ok(())
            }
            Some(Err(status)) => bail!(
                "the daemon ended with {status} before it was ready; it said:\n{}",
                self.said()
            ),
            None => bail!(
                "the daemon was not ready after {PATIENCE:?}; it said:\n{}",
                self.said()
            ),
        }
    }

    /// Runs a command of the command line and gives what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        output(
            Command::new(&self.launch.program)
                .args(args)
                .arg("--socket")
                .arg(&self.launch.socket),
        )
    }

    /// Runs a command with its answer as JSON.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let printed = self.command(args.iter().copied().chain(["--output", "json"]))?;
        serde_json::from_str(&printed)
            .with_context(|| format!("`ktizo {}` printed no JSON: {printed}", args.join(" ")))
    }

    /// The admin API by its Unix socket.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.launch.socket)
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// What it told the service manager.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// How it was started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Where its state is.
    pub fn state(&self) -> &Path {
        &self.launch.state
    }

    /// The digest of the config that it compiled for a device, in lower-case hex.
    ///
    /// # Errors
    /// When there is none.
    pub fn compiled_sha256(&self, role: &str, mac: &str) -> Result<String> {
        sha256(&self.compiled(role, mac))
    }

    /// The file of a device's config.
    pub fn compiled(&self, role: &str, mac: &str) -> PathBuf {
        let folder = self.state().join("compiled/talos/configs");
        folder.join(format!("{role}-{}.yaml", mac.replace(':', "-")))
    }

    /// Asks it to end as systemd does, and waits; gives how long it took.
    ///
    /// # Errors
    /// When it takes longer than the limit or does not end well.
    pub fn stop(&mut self, limit: Duration) -> Result<Duration> {
        let asked = now();
        self.process.signal(Signal::SIGTERM)?;
        let status = self.process.wait(limit)?;
        if !status.success() {
            bail!("the daemon ended with {status}; it said:\n{}", self.said());
        }
        Ok(now() - asked)
    }

    /// Ends it as a loss of power does.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait(PATIENCE)
    }

    /// Starts it again as it was started, after it has ended, without waiting until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_again(&mut self) -> Result<()> {
        self.notices.forget();
        self.process = self.launch.spawn(&self.notices)?;
        Ok(())
    }

    /// Starts it again as it was started, after it has ended.
    ///
    /// # Errors
    /// As [`Launch::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.start_again()?;
        self.await_ready()
    }
}

fn copy_loaders(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{} could not be made", to.display()))?;
    for loader in fs::read_dir(from)? {
        let loader = loader?;
        fs::copy(loader.path(), to.join(loader.file_name()))
            .context("a loader could not be copied")?;
    }
    Ok(())
}
