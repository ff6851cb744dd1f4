//! The daemon is killed at a hundred seeded points, while changes are made. What it acknowledged is there afterwards, and the compiled
//! files are what the database says.

mod ledger;
mod wipes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ktizo_tests::admin::{Admin, by_tcp};
use ktizo_tests::clock::{now, poll};
use ktizo_tests::daemon::Ktizo;
use ktizo_tests::dice::Dice;
use ktizo_tests::lan::{Host, Lan};
use ktizo_tests::ledger::say;

use crate::runner::{Lab, folder};
use ledger::{Change, Ledger, Outcome};
pub(crate) use wipes::a_wipe_is_sent_once_whenever_it_is_killed;

/// Kills in one run.
const POINTS: u64 = 100;
/// A kill comes inside this time after the daemon was ready; every fifth one after it was started.
const SPAN: Duration = Duration::from_millis(150);
/// How long the compiled files may take to follow after a start.
const FOLLOWS: Duration = Duration::from_secs(5);

pub(crate) fn a_hundred_kills_lose_nothing(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "a_hundred_kills")?;
    let mut lan = Lan::new()?;
    let (host, client) = (lan.host("ktizo", 2)?, lan.host("client", 9)?);
    let mut ktizo = Ktizo::start(&lab.kit, &host, &folder)?;
    ktizo.command(["cluster", "import", &base(&folder)?])?;
    ktizo.command([
        "network",
        "set",
        "--node-subnet",
        "10.77.0.0/16",
        "--config-release",
        "mac",
    ])?;
    let mut run = Run {
        admin: ktizo.admin(),
        client,
        ledger: Ledger::default(),
        acknowledged: 0,
        cut_off: 0,
    };
    let started = now();
    for point in 0..POINTS {
        let at = || {
            format!(
                "kill {point} of {POINTS}; the log is in {}",
                folder.display()
            )
        };
        let mut dice = Dice::seeded(point);
        run.work_until_killed(&mut ktizo, &mut dice)
            .with_context(at)?;
        if point % 5 == 4 {
            // Dead again before it was ready, mostly: a start is a point like any other.
            ktizo.start_again()?;
            std::thread::sleep(dice.time(SPAN));
            ktizo.kill()?;
        }
        ktizo.restart().with_context(at)?;
        run.settles(&ktizo).with_context(at)?;
    }
    say(format_args!(
        "  {POINTS} kills in {:.1} s: {} changes acknowledged, {} cut off, {} devices in the end",
        (now() - started).as_secs_f64(),
        run.acknowledged,
        run.cut_off,
        run.ledger.devices.len()
    ));
    ensure!(
        run.acknowledged > POINTS && run.cut_off > POINTS / 10,
        "the kills did not hit work under way"
    );
    Ok(())
}

/// The lab's base configs with an endpoint that is a name: any control plane may have any address then.
fn base(folder: &Path) -> Result<String> {
    let target = folder.join("base");
    fs::create_dir(&target)?;
    for name in ["controlplane.yaml", "worker.yaml"] {
        let text = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("data/base")
                .join(name),
        )?;
        let named = text.replace("https://10.77.0.50:6443", "https://lab.example:6443");
        ensure!(named != text, "{name} has another endpoint");
        fs::write(target.join(name), named)?;
    }
    Ok(target.to_string_lossy().into_owned())
}

struct Run {
    admin: Admin,
    client: Host,
    ledger: Ledger,
    acknowledged: u64,
    cut_off: u64,
}

impl Run {
    /// Makes one change after the other until the daemon, which another thread kills, is gone.
    fn work_until_killed(&mut self, ktizo: &mut Ktizo, dice: &mut Dice) -> Result<()> {
        let fuse = dice.time(SPAN);
        std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                std::thread::sleep(fuse);
                ktizo.kill()
            });
            let work = self.work(dice);
            let killed = killer
                .join()
                .unwrap_or_else(|_| bail!("the killing thread panicked"));
            work?;
            killed.map(drop)
        })
    }

    fn work(&mut self, dice: &mut Dice) -> Result<()> {
        loop {
            let change = self.ledger.next_change(dice);
            match self.make(&change) {
                Outcome::Done(id) => {
                    self.acknowledged += 1;
                    self.ledger.done(&change, id);
                }
                Outcome::Refused(why) => bail!("{change:?} was refused: {why}"),
                Outcome::CutOff => {
                    self.cut_off += 1;
                    self.ledger.cut_off(change);
                    return Ok(());
                }
            }
        }
    }

    fn make(&self, change: &Change) -> Outcome {
        let answer = match change {
            Change::Fetch { mac } => {
                let path = format!("/talos/configs/{mac}.yaml");
                by_tcp(&self.client, ("10.77.0.2", 80), "GET", &path, &[])
            }
            _ => {
                let (method, path, body) = self.ledger.request(change);
                self.admin.ask(method, &path, body.as_ref())
            }
        };
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                Outcome::Done(answer.json()["id"].as_i64())
            }
            Ok(answer) => Outcome::Refused(format!("{} {}", answer.status, answer.text())),
            Err(_) => Outcome::CutOff,
        }
    }

    /// After a restart: what was acknowledged is there, what was cut off is there whole or not at all, and the files follow.
    fn settles(&mut self, ktizo: &Ktizo) -> Result<()> {
        let devices = self.admin.get("/devices?limit=1000")?.json();
        let settings = self.admin.get("/network/settings")?.json();
        self.ledger.compare(&devices, &settings)?;
        let mut wanted = BTreeMap::new();
        for (mac, device) in &self.ledger.devices {
            let Some(role) = device.role.filter(|_| device.status == "approved") else {
                continue;
            };
            let config = self.admin.get(&format!("/devices/{}/config", device.id))?;
            ensure!(config.status == 200, "{mac} is approved and has no config");
            let text = config.text();
            let hostname = device.hostname.as_deref().unwrap_or_default();
            ensure!(
                text.contains(&format!("hostname: {hostname}"))
                    && text.contains(&device.notes_mark()),
                "the config of {mac} is not the one of {device:?}:\n{text}"
            );
            wanted.insert(format!("{role}-{}.yaml", mac.replace(':', "-")), text);
        }
        let compiled = ktizo.state().join("compiled");
        let difference = || differs(&compiled, &wanted, &self.ledger);
        if poll(FOLLOWS, || difference().is_none().then_some(())).is_none() {
            bail!("{}", difference().unwrap_or_default());
        }
        self.no_second_install()
    }

    /// A config that went out before the kill is not forgotten: the next boot of that machine gets the menu.
    fn no_second_install(&self) -> Result<()> {
        let fetched = self
            .ledger
            .devices
            .iter()
            .filter(|(_, device)| device.fetched && device.status == "approved");
        for (mac, device) in fetched {
            let shown = self.admin.get(&format!("/devices/{}", device.id))?.json();
            ensure!(
                !shown["config_released_at"].is_null(),
                "{mac} got its config, and it was forgotten: {shown}"
            );
        }
        Ok(())
    }
}

/// What is different between the compiled files and what they should be.
fn differs(compiled: &Path, wanted: &BTreeMap<String, String>, ledger: &Ledger) -> Option<String> {
    let configs = compiled.join("talos/configs");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&configs).ok()? {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_string_lossy().into_owned();
        found.insert(name, fs::read_to_string(&path).unwrap_or_default());
    }
    if found != *wanted {
        let names =
            |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>().join(" ");
        let other = wanted
            .iter()
            .find(|(name, text)| found.get(*name).is_some_and(|found| found != *text));
        return Some(format!(
            "the compiled configs are [{}], they should be [{}]; of other content: {:?}",
            names(&found),
            names(wanted),
            other.map(|(name, _)| name)
        ));
    }
    let table = fs::read_to_string(compiled.join("pxe/boot.ipxe")).unwrap_or_default();
    let lines: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("iseq ${mac} "))
        .map(str::to_owned)
        .collect();
    let mut listed = lines.clone();
    listed.sort();
    let mut expected = ledger.table_lines();
    expected.sort();
    (listed != expected).then(|| format!("boot.ipxe has {listed:?}, it should have {expected:?}"))
}
