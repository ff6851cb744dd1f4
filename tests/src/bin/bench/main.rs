//! The daemon measured: how soon it is ready, how much memory it holds, how fast it answers with ten thousand devices.
//!
//! Figures are printed, not asserted: machines are shared and noisy, so compare figures of one run with each other.

mod admin;
mod boot;
mod figures;
mod http;

use std::fs;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use configgen::{ClusterInput, DeviceConfigInput, SecretsBundle, base_config, device_config};
use ktizo_tests::clock::now;
use ktizo_tests::daemon::{Ktizo, Launch};
use ktizo_tests::kit::Kit;
use ktizo_tests::lan::{Host, Lan};
use ktizo_tests::ledger::say;
use ktizo_tests::listeners::{Changes, Listeners};
use ktizo_tests::walls;
use model::{Clock as _, Role, SystemClock, TalosVersion};
use serde_json::{Value, json};

use admin::Door;
use boot::{FACTS, PER_SECOND, Showing};
use figures::{millis, row};

/// How many approved devices the store has.
const DEVICES: u32 = 10_000;
/// Over how many connections machines ask at once.
const CONNECTIONS: usize = 16;
/// How many people look at the pages.
const LISTENERS: u32 = 200;
/// How many of them never read what they are told.
const SILENT: u32 = 50;

fn main() -> ExitCode {
    match walls::enter().and_then(|()| bench()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            say(format_args!("bench: {err:#}"));
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<()> {
    let kit = Kit::find()?;
    let mut lan = Lan::new()?;
    let server = lan.host("ktizo", 2)?;
    let client = lan.host("client", 3)?;
    let folder = kit.folder("bench")?;
    let mut ktizo = Launch::new(&kit, &server, &folder)?.start()?;
    row("start to ready, empty", &millis(ktizo.ready_after), "");
    thread::sleep(Duration::from_secs(2));
    row("idle memory, empty", &resident(&mut ktizo)?, "under 40 MB");

    let filled = fill(&ktizo)?;
    row(
        &format!("{DEVICES} devices added and approved by API"),
        &format!("{:.1} s", filled.as_secs_f64()),
        "",
    );
    let began = now();
    ktizo.admin().ask("POST", "/devices/regenerate", None)?;
    row(
        "all their configs made anew",
        &format!("{:.2} s", began.elapsed().as_secs_f64()),
        "under 10 s",
    );
    ktizo.stop(Duration::from_secs(15))?;
    ktizo.restart()?;
    row(
        &format!("start to ready, {DEVICES} devices"),
        &millis(ktizo.ready_after),
        "under 300 ms",
    );
    thread::sleep(Duration::from_secs(3));
    row(
        &format!("idle memory, {DEVICES} devices"),
        &resident(&mut ktizo)?,
        "under 40 MB",
    );

    let door = Door::open(&ktizo, &server)?;
    say(format_args!("{DEVICES} devices, nobody listens"));
    door.pages(&server)?;
    beside_listeners(&ktizo, &server, &door, LISTENERS, 0, || door.pages(&server))?;

    let report = boot::discovers(&client, &server)?;
    row(
        &format!("ProxyDHCP, {PER_SECOND} discovers/s, machines never seen"),
        &format!(
            "p50 {}  p99 {}",
            millis(report.percentile(50)),
            millis(report.percentile(99))
        ),
        "p99 under 5 ms",
    );
    row(
        "  answered",
        &format!(
            "{} of {}, {} more than one each",
            report.answered, report.sent, report.surplus
        ),
        "",
    );
    scripts(&client, &server)?;
    crowded(&mut ktizo, &client, &server, &door)?;
    row("memory after all that", &resident(&mut ktizo)?, "");
    configs()
}

/// Scripts and configs, over one connection and over many.
fn scripts(client: &Host, server: &Host) -> Result<()> {
    for (what, path) in [
        ("first script", "/boot/{mac}".to_owned()),
        (
            "script of an approved machine",
            format!("/boot/{{mac}}?{FACTS}"),
        ),
        ("config", "/talos/configs/{mac}.yaml".to_owned()),
    ] {
        let of = |number: usize| {
            path.replace("{mac}", &mac(u32::try_from(number).unwrap_or(0) % DEVICES))
        };
        let (one, _) = boot::asking(client, server, 1).run(of)?;
        let (many, rate) = boot::asking(client, server, CONNECTIONS).run(of)?;
        row(
            &format!("{what}, one at a time"),
            &one.spread(),
            "p99 under 5 ms",
        );
        row(
            &format!("{what}, {CONNECTIONS} connections"),
            &many.spread(),
            &format!("{rate:.0} requests/s"),
        );
    }
    Ok(())
}

/// The boot plane while somebody changes devices: with nobody listening, with many listeners, with some that never read, and once
/// more with nobody, which tells how much is noise.
fn crowded(ktizo: &mut Ktizo, client: &Host, server: &Host, door: &Door) -> Result<()> {
    let quiet = |ktizo: &Ktizo| {
        let changes = Changes::start(ktizo)?;
        let showing = Showing::of(client, server)?;
        changes.end()?;
        Ok::<_, anyhow::Error>(showing)
    };
    say(format_args!(
        "the boot plane while devices change, nobody listens"
    ));
    let alone = quiet(ktizo)?;
    alone.tell(None);
    for silent in [0, SILENT] {
        let reading = LISTENERS - silent;
        beside_listeners(ktizo, server, door, reading, silent, || {
            Showing::of(client, server)?.tell(Some(&alone));
            Ok(())
        })?;
        row("    memory", &resident(ktizo)?, "");
    }
    say(format_args!(
        "the boot plane while devices change, nobody listens again"
    ));
    quiet(ktizo)?.tell(Some(&alone));
    row("    memory", &resident(ktizo)?, "");
    Ok(())
}

/// Does something while listeners are told of changes.
fn beside_listeners(
    ktizo: &Ktizo,
    server: &Host,
    door: &Door,
    reading: u32,
    silent: u32,
    measure: impl FnOnce() -> Result<()>,
) -> Result<()> {
    say(format_args!(
        "{reading} listeners, and {silent} that never read, while devices change"
    ));
    let listeners = Listeners::start(server, admin::AT, &door.token, reading, silent)?;
    let changes = Changes::start(ktizo)?;
    measure()?;
    row("    meanwhile", &listeners.told(), "");
    changes.end()?;
    listeners.end()
}

/// What configs and secrets cost, without a daemon around them.
fn configs() -> Result<()> {
    let version: TalosVersion = "v1.13.9".parse()?;
    let began = now();
    let secrets = SecretsBundle::generate(SystemClock.now())?;
    row(
        "a new secrets bundle, with its RSA key",
        &millis(began.elapsed()),
        "under 1 s",
    );
    let cluster = ClusterInput::new("bench", "https://10.77.0.10:6443", version);
    let base = base_config(Role::Worker, &cluster, &secrets)?;
    let mut times = Vec::new();
    for number in 0..1000 {
        let hostname = format!("node-{number}").parse()?;
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 16, 0)) + number);
        let device =
            DeviceConfigInput::new(Role::Worker, mac(number).parse()?, hostname, address, 16);
        let began = now();
        device_config(&base, &device)?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    row(
        "one device config",
        &format!("p50 {}  p99 {}", millis(times[500]), millis(times[990])),
        "p50 under 1 ms",
    );
    Ok(())
}

/// The resident memory of the daemon, and the part of it that is not mapped from files.
fn resident(ktizo: &mut Ktizo) -> Result<String> {
    let pid = ktizo.process().pid();
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("the daemon's memory")?;
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default();
        line.trim()
            .trim_end_matches(" kB")
            .parse::<f64>()
            .unwrap_or(0.0)
            / 1000.0
    };
    Ok(format!(
        "{:.1} MB resident, {:.1} MB its own",
        field("VmRSS:"),
        field("RssAnon:")
    ))
}

fn mac(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("52-54-01-{a:02x}-{b:02x}-{c:02x}")
}

/// Adds and approves the devices over several connections, as a script of somebody with many machines would.
fn fill(ktizo: &Ktizo) -> Result<Duration> {
    let admin = ktizo.admin();
    let call = |method: &str, path: &str, body: &Value| -> Result<()> {
        let answer = admin.ask(method, path, Some(body))?;
        ensure!(answer.status < 300, "{method} {path}: {}", answer.text());
        Ok(())
    };
    call(
        "PUT",
        "/network/settings",
        &json!({"node_subnet": "10.77.0.0/16", "gateway": "10.77.0.1", "config_release": "mac"}),
    )?;
    // With an endpoint that is a name, any control plane may have any address.
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/base");
    let text = |role: &str| -> Result<String> {
        let text = fs::read_to_string(data.join(format!("{role}.yaml")))?;
        Ok(text.replace("https://10.77.0.50:6443", "https://lab.example:6443"))
    };
    call(
        "POST",
        "/cluster/base",
        &json!({"controlplane": text("controlplane")?, "worker": text("worker")?}),
    )?;
    let began = now();
    let approve = |number: u32| -> Result<()> {
        let role = if number < 3 { "controlplane" } else { "worker" };
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 16, 0)) + number);
        let mac = mac(number);
        call("POST", "/devices", &json!({"mac_address": mac}))?;
        let body =
            json!({"hostname": format!("node-{number}"), "ip_address": address, "role": role});
        call("POST", &format!("/devices/{mac}/approve"), &body)
    };
    (0..3).try_for_each(approve)?;
    thread::scope(|scope| {
        let hands: Vec<_> = (0..8)
            .map(|hand| scope.spawn(move || (3 + hand..DEVICES).step_by(8).try_for_each(approve)))
            .collect();
        hands
            .into_iter()
            .try_for_each(|hand| hand.join().expect("a benchmark thread does not panic"))
    })?;
    Ok(began.elapsed())
}
