//! The developer's commands: `cargo xtask setup | run | test | demo | bench | contract | tidy`.
//!
//! Every automation of the project is one of these, so that whatever fails elsewhere fails at the desk first.

mod bench;
mod command;
mod contract;
mod demo;
mod dirs;
mod packages;
mod run;
mod setup;
mod test;
mod tidy;
mod unpack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::dirs::Dirs;

/// The developer's commands of ktizo.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true
)]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what ktizo and its tests need on this machine; quick and quiet when all is there
    Setup {
        /// Only what `run` needs: the network boot loaders
        #[arg(long)]
        runtime: bool,
    },
    /// Start the daemon with its built-in defaults; arguments after `--` go to `ktizo serve`
    Run {
        /// Passed to `ktizo serve` as they are, such as `--interface eth1`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        serve: Vec<String>,
    },
    /// Run every check and test: format, lints, licences, tidy, unit, integration, end to end
    Test {
        /// Leave out the end-to-end boots
        #[arg(long)]
        quick: bool,
    },
    /// Show the product without hardware: a machine appears, waits, is approved, and boots
    Demo {
        /// Approve the machine without asking
        #[arg(long)]
        yes: bool,
        /// Network boot the machine through UEFI instead of BIOS
        #[arg(long)]
        uefi: bool,
    },
    /// Measure the daemon as it is released: start, memory, answers with ten thousand devices
    Bench,
    /// Hold the API of the built daemon to its OpenAPI document with schemathesis
    Contract,
    /// Check the rules of the house that no compiler knows
    Tidy,
}

fn main() -> ExitCode {
    let task = Xtask::parse().task;
    let outcome = Dirs::find().and_then(|dirs| match task {
        Task::Setup { runtime: true } => setup::runtime(&dirs),
        Task::Setup { runtime: false } => setup::everything(&dirs),
        Task::Run { serve } => run::run(&dirs, &serve),
        Task::Test { quick } => test::test(&dirs, quick),
        Task::Demo { yes, uefi } => demo::demo(&dirs, yes, uefi),
        Task::Bench => bench::bench(&dirs),
        Task::Contract => contract::install(&dirs).and_then(|()| contract::check(&dirs)),
        Task::Tidy => tidy::tidy(&dirs),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            command::say(format_args!("xtask: {err:#}"));
            ExitCode::FAILURE
        }
    }
}
