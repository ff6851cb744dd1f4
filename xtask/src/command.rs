//! Running other programs, and saying what happens.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Says one line to the developer. Standard error, because some commands' output is data.
pub(crate) fn say(line: impl Display) {
    // A closed terminal is no reason to stop working.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a program to its end; an error names it with its arguments.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a program and gives what it printed; its errors are shown only when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("could not start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}\n{}",
            shown(command),
            output.status,
            said.trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", shown(command)))
}

/// Becomes another program; returns only if that is not possible.
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    let err = command.exec();
    Err(err).with_context(|| format!("could not start {}", shown(command)))
}

/// Sudo, with what the lab and the tests are told by environment.
const SUDO: &[&str] = &[
    "sudo",
    "--preserve-env=CI,PATH,KTIZO_GOLDEN_DIR,RUST_BACKTRACE,RUST_LOG",
];

/// What other programs must be started through to have root's powers; nothing for root.
pub(crate) fn root_runner() -> Result<Option<Vec<&'static str>>> {
    if nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    if !is_installed("sudo") {
        bail!("this needs root: start it as root, or install sudo");
    }
    Ok(Some(SUDO.to_vec()))
}

/// A program that needs root's powers: as it is for root, else through sudo.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Result<Command> {
    let Some(runner) = root_runner()? else {
        return Ok(Command::new(program));
    };
    let mut command = Command::new(runner[0]);
    command.args(&runner[1..]).arg(program);
    Ok(command)
}

/// Whether a program of that name is on the search path or among the administrator's programs.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path)
        .chain(administrators)
        .any(|dir| is_file(&dir.join(program)))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file())
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}
