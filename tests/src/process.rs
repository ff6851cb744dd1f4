//! Programs that the lab starts: each ends when its guard is dropped, and with the lab at the latest.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::poll;

/// A running program, its output in a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program. Its standard output and error go to the end of `log`: one that is started again goes on there.
    ///
    /// # Errors
    /// When the program or the file cannot be opened.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .open(log)
            .with_context(|| format!("{} could not be made", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn();
        let child = child.with_context(|| format!("{name} could not be started"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// What it has printed so far.
    pub fn said(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The process's id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(
            i32::try_from(self.child.id()).expect("the kernel's process ids are below 2^22"),
        )
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it still runs after the limit.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        match poll(limit, || self.ended()) {
            Some(status) => Ok(status),
            None => bail!("{} still runs after {limit:?}", self.name),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("{} could not be signalled", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs on one of the lab's hosts, or beside the bridge when there is no name.
pub fn on_host(netns: Option<&str>, program: impl AsRef<OsStr>) -> Command {
    match netns {
        // `ip netns exec` becomes the program: the child's id is the program's own.
        Some(netns) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", netns]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// When it fails; the error carries what it said.
pub fn run(program: &str, args: &[&str]) -> Result<String> {
    output(Command::new(program).args(args))
}

/// Runs a command to its end and gives what it printed.
///
/// # Errors
/// When it fails; the error carries what it said.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{shown} could not be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed ({}): {}", output.status, said.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
