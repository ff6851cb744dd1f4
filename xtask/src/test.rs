//! `cargo xtask test`: every check and test, in the order of what they cost, with the time each took.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::command::{is_installed, root_runner, run, say};
use crate::dirs::Dirs;
use crate::{command, contract, setup, tidy};

/// The licence and ban checker, in the version its file is written for.
const CARGO_DENY: &str = "0.20.2";

/// Runs everything; `quick` leaves out the boots.
pub(crate) fn test(dirs: &Dirs, quick: bool) -> Result<()> {
    let mut steps = Steps::default();
    steps.take("setup", || setup::everything(dirs))?;
    steps.take("format", || run(&mut cargo(dirs, &["fmt", "--check"])))?;
    steps.take("tidy", || tidy::tidy(dirs))?;
    steps.take("licences and bans", || {
        install_cargo_deny(dirs)?;
        run(&mut cargo(
            dirs,
            &[
                "deny",
                "--log-level",
                "error",
                "check",
                "bans",
                "licenses",
                "sources",
            ],
        ))
    })?;
    steps.take("lints", || {
        let deny = ["--", "-D", "warnings"];
        run(cargo(dirs, &["clippy", "--quiet", "--workspace", "--all-targets"]).args(deny))?;
        // Not among all targets, because a plain `cargo test` must not boot machines.
        run(cargo(
            dirs,
            &[
                "clippy",
                "--quiet",
                "--workspace",
                "--test",
                "e2e",
                "--test",
                "browser",
            ],
        )
        .args(deny))
    })?;
    // Always the whole workspace with all its tests, so that nothing is compiled a second time with other features.
    steps.take("build", || {
        run(&mut cargo(
            dirs,
            &["build", "--quiet", "--workspace", "--all-targets"],
        ))
    })?;
    steps.take("unit and integration tests", || {
        run(&mut golden(dirs, cargo(dirs, &["test", "--workspace"])))
    })?;
    steps.take("API by its document", || contract::check(dirs))?;
    if quick {
        say("test: the boots were left out (--quick)");
    } else {
        steps.take("end-to-end tests", || {
            run(&mut golden(dirs, end_to_end(dirs)?))
        })?;
    }
    steps.take("browser tests", || {
        run(&mut cargo(
            dirs,
            &["test", "--workspace", "--test", "browser"],
        ))
    })?;
    steps.report();
    Ok(())
}

fn cargo(dirs: &Dirs, args: &[&str]) -> Command {
    let mut cargo = command::cargo();
    cargo.args(args).current_dir(&dirs.root);
    cargo
}

/// The boots need root, the build does not: cargo starts the built tests through sudo where that is needed.
fn end_to_end(dirs: &Dirs) -> Result<Command> {
    let mut cargo = cargo(dirs, &["test"]);
    if let Some(runner) = root_runner()? {
        cargo
            .arg("--config")
            .arg(format!("target.'cfg(unix)'.runner = {runner:?}"));
    }
    cargo.args(["--workspace", "--test", "e2e"]);
    Ok(cargo)
}

/// Shows the tests where recorded packets and reference configs are, when they lie beside the checkout.
fn golden(dirs: &Dirs, mut command: Command) -> Command {
    let beside = dirs.root.join("../shared/golden");
    if std::env::var_os("KTIZO_GOLDEN_DIR").is_none() && beside.is_dir() {
        command.env("KTIZO_GOLDEN_DIR", beside.canonicalize().unwrap_or(beside));
    }
    command
}

fn install_cargo_deny(dirs: &Dirs) -> Result<()> {
    if is_installed("cargo-deny")
        || cargo(dirs, &["deny", "--version"])
            .output()
            .is_ok_and(|out| out.status.success())
    {
        return Ok(());
    }
    say(format_args!(
        "test: installing cargo-deny {CARGO_DENY}; this takes some minutes, once"
    ));
    run(&mut cargo(
        dirs,
        &[
            "install",
            "--quiet",
            "--locked",
            "cargo-deny",
            "--version",
            CARGO_DENY,
        ],
    ))
    .context("cargo-deny is needed to check licences")
}

/// The steps taken so far, with their times.
#[derive(Default)]
struct Steps(Vec<(&'static str, f64)>);

impl Steps {
    fn take(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        say(format_args!("\n== {name}"));
        let started = now();
        let outcome = step().with_context(|| format!("{name} failed"));
        let took = started.elapsed().as_secs_f64();
        say(format_args!(
            "== {name}: {} in {took:.1} s",
            if outcome.is_ok() { "done" } else { "failed" }
        ));
        self.0.push((name, took));
        if outcome.is_err() {
            self.report();
        }
        outcome
    }

    fn report(&self) {
        say("");
        for (name, took) in &self.0 {
            say(format_args!("{took:8.1} s  {name}"));
        }
        say(format_args!(
            "{:8.1} s  in all",
            self.0.iter().map(|(_, took)| took).sum::<f64>()
        ));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the steps of a developer's command take real time"
)]
fn now() -> Instant {
    Instant::now()
}
