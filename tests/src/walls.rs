//! The lab's walls: it lives in mount, process and network namespaces of its own.
//!
//! Nothing of the lab is visible to the host and nothing of it can stay behind. Its first process is the others'
//! init: however it ends (a panic, a kill, Ctrl-C), the kernel ends them too, and with the last of them go bridge,
//! taps and named namespaces.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::run;

/// Says to the second start of this program that it is inside.
const INSIDE: &str = "KTIZO_LAB_INSIDE";

/// Starts this program again inside the walls. Outside it does not return: it waits there and ends as the inner one
/// did. Must be the first call of `main`.
///
/// # Errors
/// Without root's powers, or where namespaces are not allowed.
pub fn enter() -> Result<()> {
    if env::var_os(INSIDE).is_some() {
        return settle();
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("the lab makes network namespaces, which needs root");
    }
    let probe = Command::new("unshare")
        .args(["--mount", "--pid", "--net", "--fork", "true"])
        .output();
    let probe = probe.context("unshare (package util-linux) could not be started")?;
    if !probe.status.success() {
        bail!(
            "namespaces are not allowed here: {}",
            String::from_utf8_lossy(&probe.stderr).trim_end()
        );
    }
    let program = env::current_exe().context("this program's own path is not known")?;
    // `unshare` itself is deaf to all but SIGKILL: it is to end when this process does, and its child with it.
    let status = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--net",
            "--fork",
            "--kill-child=KILL",
        ])
        .args(["--mount-proc", "--propagation", "private"])
        .arg(program)
        .args(env::args_os().skip(1))
        .env(INSIDE, "yes")
        .status()
        .context("the lab could not be started inside its walls")?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Furnishes the inside: an empty `/run` of our own, where `ip netns` keeps its names.
fn settle() -> Result<()> {
    run("mount", &["-t", "tmpfs", "-o", "mode=0755", "lab", "/run"])?;
    run("mkdir", &["-p", "/run/netns"])?;
    run("ip", &["link", "set", "lo", "up"])?;
    Ok(())
}
