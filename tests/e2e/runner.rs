//! Runs the end-to-end tests one after another and counts their boots.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow};
use ktizo_tests::accel::Accel;
use ktizo_tests::clock::now;
use ktizo_tests::guest;
use ktizo_tests::kit::Kit;
use ktizo_tests::ledger::say;
use ktizo_tests::walls;

/// What every test is given.
pub(crate) struct Lab {
    /// Binaries, loaders, firmware.
    pub(crate) kit: Kit,
    /// The guest's kernel and initramfs.
    pub(crate) assets: PathBuf,
    begun: AtomicU32,
    completed: AtomicU32,
}

impl Lab {
    fn open() -> Result<Self> {
        walls::enter()?;
        let kit = Kit::find()?;
        let assets = guest::assets(&kit)?;
        Ok(Self {
            kit,
            assets,
            begun: AtomicU32::new(0),
            completed: AtomicU32::new(0),
        })
    }

    /// Counts a boot that begins.
    pub(crate) fn boot_begins(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a boot that did all it should.
    pub(crate) fn boot_completed(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }
}

/// One test: its name and what it does.
pub(crate) type Case = (&'static str, fn(&Lab) -> Result<()>);

/// Runs the tests whose names contain one of the arguments, or all.
pub(crate) fn main(cases: &[Case]) -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        cases
            .iter()
            .for_each(|(name, _)| say(format_args!("{name}: test")));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = words
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let chosen: Vec<_> = cases
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|word| name.contains(*word)))
        .collect();
    let lab = match Lab::open() {
        Ok(lab) => lab,
        Err(err) => return skip(&chosen, &err),
    };
    let started = now();
    say(format_args!("\nrunning {} end-to-end tests", chosen.len()));
    match lab.kit.folder("probe") {
        Ok(folder) => say(format_args!(
            "machines run on {}",
            Accel::probed(&folder).name()
        )),
        Err(err) => say(format_args!("the probe for KVM has no folder: {err:#}")),
    }
    let failed: Vec<_> = chosen
        .iter()
        .filter(|(name, test)| !run(&lab, name, *test))
        .map(|(name, _)| *name)
        .collect();
    let (begun, completed) = (
        lab.begun.load(Ordering::Relaxed),
        lab.completed.load(Ordering::Relaxed),
    );
    failed
        .iter()
        .for_each(|name| say(format_args!("failed: {name}")));
    say(format_args!("\n{completed} of {begun} boots"));
    say(format_args!(
        "test result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failed.len(),
        failed.len(),
        cases.len() - chosen.len(),
        (now() - started).as_secs_f64()
    ));
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(lab: &Lab, name: &str, test: fn(&Lab) -> Result<()>) -> bool {
    let started = now();
    // Guards inside the test clean up while the panic passes them.
    let outcome = catch_unwind(AssertUnwindSafe(|| test(lab)))
        .unwrap_or_else(|_| Err(anyhow!("it panicked")));
    let took = (now() - started).as_secs_f64();
    match outcome {
        Ok(()) => say(format_args!("test {name} ... ok ({took:.1} s)")),
        Err(ref err) => say(format_args!(
            "test {name} ... FAILED ({took:.1} s)\n{err:#}\n"
        )),
    }
    outcome.is_ok()
}

/// Where the lab cannot be built nothing was proven: that passes at a desk, and fails where proof is asked for.
fn skip(chosen: &[&Case], reason: &anyhow::Error) -> ExitCode {
    for (name, _) in chosen {
        say(format_args!("test {name} ... skipped: {reason:#}"));
    }
    let asked = env::var("CI").is_ok_and(|value| value == "true");
    say(format_args!(
        "\n0 of 0 boots\ntest result: {}. 0 passed; 0 failed; {} ignored; 0 measured; 0 filtered out\n",
        if asked { "FAILED" } else { "ok" },
        chosen.len()
    ));
    if asked {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// A folder for one test, by the test's name.
pub(crate) fn folder(lab: &Lab, name: &str) -> Result<PathBuf> {
    lab.kit
        .folder(&name.replace("::", "-"))
        .context("the test has no folder")
}
