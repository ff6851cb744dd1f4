//! Many people look while many machines boot: nobody who looks slows a boot, whether they read or not.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ktizo_tests::clock::now;
use ktizo_tests::daemon::Ktizo;
use ktizo_tests::flood::Flood;
use ktizo_tests::lan::Lan;
use ktizo_tests::ledger::{say, within};
use ktizo_tests::listeners::{Changes, Listeners};

use crate::runner::{Lab, folder};

/// Where the admin plane is, on the host of the daemon.
const ADMIN: &str = "127.0.0.1:8000";
/// People who look at a page.
const READING: u32 = 150;
/// People whose browser reads nothing any more.
const SILENT: u32 = 50;
/// Machines that boot meanwhile.
const BOOTS: Flood = Flood {
    machines: 400,
    per_second: 100,
    patience: Duration::from_secs(5),
};
/// What the daemon may need for all of them, in bytes: 200 connections and the news that they share.
const MEMORY: u64 = 64 << 20;

pub(crate) fn no_listener_costs_a_boot_its_answer(lab: &Lab) -> Result<()> {
    let mut lan = Lan::new()?;
    let (server, client) = (lan.host("ktizo", 2)?, lan.host("client", 3)?);
    let folder = folder(lab, "crowd")?;
    let mut ktizo = Ktizo::start(&lab.kit, &server, &folder)?;
    ktizo.command(["device", "add", "52:54:00:99:00:01"])?;
    // Known to the daemon from here on, so that both measurements ask the same of it.
    BOOTS.run(&client, &server)?;
    let changes = Changes::start(&ktizo)?;
    let alone = BOOTS.run(&client, &server)?;
    let before = resident(&mut ktizo)?;
    let token = fs::read_to_string(ktizo.state().join("admin.token"))?;
    let listeners = Listeners::start(&server, ADMIN, token.trim(), READING, SILENT)?;
    let beside = BOOTS.run(&client, &server)?;
    let asked = now();
    let page = ktizo.admin().get("/devices?limit=50")?;
    let took = asked.elapsed();
    ensure!(page.status == 200, "the list is refused: {}", page.text());
    within(
        "first page of devices beside listeners",
        took,
        Duration::from_millis(100),
    )?;
    say(format_args!(
        "  {READING} listeners and {SILENT} silent ones: {}",
        listeners.told()
    ));
    let more = resident(&mut ktizo)?.saturating_sub(before);
    ensure!(more < MEMORY, "200 listeners cost {more} bytes");
    changes.end()?;
    listeners.end()?;

    for (what, report) in [("alone", &alone), ("beside listeners", &beside)] {
        ensure!(
            report.answered == report.sent && report.surplus == 0,
            "{what}: {} of {} answered, {} more than once",
            report.answered,
            report.sent,
            report.surplus
        );
    }
    // Where even a lonely answer takes longer than its goal, the host is busy with something else.
    let goal = Duration::from_millis(5).max(alone.percentile(99));
    within(
        "99 of 100 ProxyDHCP answers beside listeners",
        beside.percentile(99),
        goal,
    )
}

/// The memory of the daemon that is not mapped from files, in bytes.
fn resident(ktizo: &mut Ktizo) -> Result<u64> {
    let pid = ktizo.process().pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line
        .context("RssAnon")?
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()?;
    Ok(kilobytes * 1024)
}
