//! The daemon is killed while a machine that is to be wiped asks for its script: the order is spent before the script leaves, or stands.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ktizo_tests::admin::by_tcp;
use ktizo_tests::clock::now;
use ktizo_tests::daemon::Ktizo;
use ktizo_tests::dice::Dice;
use ktizo_tests::lan::Host;
use ktizo_tests::ledger::say;
use ktizo_tests::scene::Scene;

use crate::runner::{Lab, folder};

/// Kills in one run.
const POINTS: u64 = 30;
const MAC: &str = "52:54:00:77:00:10";
const SCRIPT: &str = "/boot/52-54-00-77-00-10?facts=1&buildarch=x86_64&platform=pcbios";

/// How many scripts that wipe went out before a kill, and how often it came too early or too late for that.
#[derive(Debug, Default)]
struct Score {
    sent: u64,
    spent_unsent: u64,
    kept: u64,
}

pub(crate) fn a_wipe_is_sent_once_whenever_it_is_killed(lab: &Lab) -> Result<()> {
    let mut scene = Scene::set(&lab.kit, &lab.assets, folder(lab, "wipes_and_kills")?)?;
    let machine = scene.lan.host("machine", 9)?;
    let ktizo = &mut scene.ktizo;
    ktizo.command(["network", "set", "--config-release", "mac"])?;
    ktizo.command(["device", "add", MAC])?;
    let approval = ["--hostname", "cp-1", "--address", "10.77.0.50"];
    let words = ["device", "approve", MAC, "--role", "controlplane"];
    ktizo.command(words.iter().chain(&approval))?;
    let (started, mut score) = (now(), Score::default());
    // Goes to and fro about the moment in which a script leaves, however fast the host is.
    let mut span = Duration::from_millis(10);
    for point in 0..POINTS {
        let at = || format!("kill {point} of {POINTS}");
        let fuse = span / 2 + Dice::seeded(point).time(span);
        let sent = one_kill(ktizo, &machine, fuse, &mut score).with_context(at)?;
        span = if sent { span * 2 / 3 } else { span * 3 / 2 };
    }
    say(format_args!(
        "  {POINTS} kills in {:.1} s: {score:?}",
        (now() - started).as_secs_f64()
    ));
    ensure!(
        score.sent > 0 && score.kept + score.spent_unsent > 0,
        "the kills did not hit the moment: {score:?}"
    );
    Ok(())
}

/// Orders a wipe, and kills while the machine asks. Before and after, it gets one script that wipes at most. Says whether it got it
/// before.
fn one_kill(ktizo: &mut Ktizo, machine: &Host, fuse: Duration, score: &mut Score) -> Result<bool> {
    ktizo.command(["device", "wipe", MAC, "--confirm", "cp-1", "--then", "menu"])?;
    let before = std::thread::scope(|scope| -> Result<u64> {
        let asking = scope.spawn(|| {
            let mut wiping = 0;
            while let Some(wipes) = asks(machine) {
                wiping += u64::from(wipes);
            }
            wiping
        });
        std::thread::sleep(fuse);
        ktizo.kill()?;
        asking.join().or_else(|_| bail!("the machine panicked"))
    })?;
    ktizo.restart()?;
    let shown = ktizo.json(&["device", "show", MAC])?;
    let state = shown["wipe"]["state"].as_str().unwrap_or_default();
    let mut after = 0;
    for _ in 0..3 {
        after += u64::from(asks(machine).context("no answer after the restart")?);
    }
    match (before, state, after) {
        (1, "spent", 0) => score.sent += 1,
        // The kill took the script with it. It may have been sent, so it is not sent again.
        (0, "spent", 0) => score.spent_unsent += 1,
        (0, "ordered", 1) => score.kept += 1,
        _ => bail!(
            "{before} scripts that wipe came before the kill, {after} after it, when the order was {state:?}"
        ),
    }
    ktizo.command(["device", "wiped", MAC])?;
    Ok(before > 0)
}

/// Whether the machine's script wipes; nothing if none came whole.
fn asks(machine: &Host) -> Option<bool> {
    let answer = by_tcp(machine, ("10.77.0.2", 80), "GET", SCRIPT, &[]).ok()?;
    Some(answer.text().contains("talos.experimental.wipe"))
}
