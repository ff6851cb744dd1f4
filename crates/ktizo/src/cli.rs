//! The command line: one file per noun.

mod admin;
mod assets;
mod backup;
mod check_config;
mod cluster;
mod device;
mod events;
mod files;
mod generate;
mod login;
mod machineconfig;
mod network;
mod output;
mod patch;
mod progress;
mod prompt;
mod refusal;
mod remote;
mod serve;
mod status;
mod token;
mod user;
mod value;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use output::Output;
pub use remote::{Failure, Remote};

/// Turns bare machines into Talos Linux nodes over the network.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule (the message names the field), 4 not found, 5 the daemon cannot be
/// reached or does not let you in.
#[derive(Debug, Parser)]
#[command(name = "ktizo", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: ProxyDHCP, TFTP, boot HTTP and the admin API
    Serve(serve::Serve),
    /// Say whether a config file is right
    CheckConfig {
        /// The file; without one, /etc/ktizo/ktizo.yaml if it exists
        file: Option<PathBuf>,
    },
    /// Show what is served where, and what is missing
    Status(Remote),
    /// Machines: who is let in, and what their boots do
    Device(device::DeviceArgs),
    /// What every boot on this network gets
    Network(network::NetworkArgs),
    /// Kernels and initramfs files
    Assets(assets::AssetsArgs),
    /// The cluster that machines join: init, show, set, generate, import, export, secrets, talosconfig
    Cluster(cluster::ClusterArgs),
    /// Patches of machines' configs
    Patch(patch::PatchArgs),
    /// Make secrets and configs without a daemon, as `talosctl gen` does
    #[command(subcommand)]
    Gen(generate::Gen),
    /// Patch and check configs without a daemon, as `talosctl machineconfig` does
    #[command(subcommand, name = "machineconfig", visible_alias = "mc")]
    MachineConfig(machineconfig::MachineConfigCommand),
    /// What happened, newest last
    Events(events::EventsArgs),
    /// People who may sign in
    User(user::UserArgs),
    /// API tokens: list, add, revoke
    Token(token::TokenArgs),
    /// Getting in when nobody can: reset
    Admin(admin::AdminArgs),
    /// Reach a daemon on another host with an API token
    Login(login::LoginArgs),
    /// Forget the daemon on another host
    Logout,
    /// Write all that lasts into one file, while the daemon runs
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the state
    Restore(backup::RestoreArgs),
    /// Print the completion script for a shell
    Completion {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let mut command = without_empty(Cli::command());
    let cli = Cli::from_arg_matches(&command.get_matches_mut())
        .unwrap_or_else(|err| err.format(&mut command).exit());
    let done = match cli.command {
        Command::Serve(serve) => return serve.run(),
        Command::CheckConfig { file } => return check_config::run(file.as_deref()),
        Command::Completion { shell } => {
            // Whole before it is printed: the generator panics at a reader that went away.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ktizo", &mut script);
            output::say(String::from_utf8_lossy(&script).trim_end())
        }
        Command::Status(remote) => block_on(status::run(remote)),
        Command::Device(args) => block_on(args.run()),
        Command::Network(args) => block_on(args.run()),
        Command::Assets(args) => block_on(args.run()),
        Command::Cluster(args) => block_on(args.run()),
        Command::Patch(args) => block_on(args.run()),
        Command::Gen(command) => command.run(),
        Command::MachineConfig(command) => command.run(),
        Command::Events(args) => block_on(args.run()),
        Command::User(args) => block_on(args.run()),
        Command::Token(args) => block_on(args.run()),
        Command::Admin(args) => block_on(args.run()),
        Command::Login(args) => block_on(args.run()),
        Command::Logout => login::logout(),
        Command::Backup(args) => block_on(args.run()),
        Command::Restore(args) => args.run(),
    };
    match done {
        Ok(()) | Err(Failure::Unread) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// Takes an environment variable that is empty for one that is not set.
fn without_empty(command: clap::Command) -> clap::Command {
    let set = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os);
    command
        .mut_args(|arg| match set(&arg) {
            Some(value) if value.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        })
        .mut_subcommands(without_empty)
}

/// Runs a command of the client; it needs no more than one thread.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|err| Failure::Local(format!("no event loop: {err}")))?
        .block_on(command)
}

/// An error and what led to it, in one line. Many tell their cause in their own words already.
fn told(err: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in err.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.ends_with(&cause) {
            told.push_str(&format!(": {cause}"));
        }
    }
    told
}

/// Says on the terminal what went wrong.
fn complain(what: &str) {
    // Where not even this can be written there is nobody to tell.
    let _ = writeln!(io::stderr(), "ktizo: {what}");
}

/// Asks a question that `y` says yes to; without a terminal the answer is no.
fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut err = io::stderr();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks a question, unless `yes` says yes to it already. Anything but a yes is a failure; `otherwise` says what did not happen, such
/// as `nothing was deleted`.
fn confirmed(question: &str, yes: bool, otherwise: &str) -> Result<(), Failure> {
    if yes || confirm(question)? {
        return Ok(());
    }
    Err(Failure::Local(if io::stdin().is_terminal() {
        otherwise.to_owned()
    } else {
        format!("{otherwise}: there is no terminal to ask \"{question}\" at; --yes says yes to it")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cause_is_told_once() {
        let missing = std::path::Path::new("/nowhere/tls.crt");
        let err = api::Certificate::read(missing, missing).unwrap_err();
        let err = anyhow::Error::new(err).context("the admin API cannot speak TLS");
        assert_eq!(
            told(&err),
            "the admin API cannot speak TLS: /nowhere/tls.crt: No such file or directory (os error 2)"
        );
        let plain = anyhow::anyhow!("below").context("above");
        assert_eq!(told(&plain), "above: below");
    }
}
