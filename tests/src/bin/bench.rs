//! The daemon measured: how soon it is ready, how much memory it holds, how fast it answers with ten thousand devices.
//!
//! Figures are printed, not asserted: machines are shared and noisy, so compare figures of one run with each other.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use configgen::{ClusterInput, DeviceConfigInput, SecretsBundle, base_config, device_config};
use ktizo_tests::clock::now;
use ktizo_tests::daemon::{Ktizo, Launch};
use ktizo_tests::kit::Kit;
use ktizo_tests::lan::{Host, Lan, inside};
use ktizo_tests::ledger::say;
use ktizo_tests::walls;
use model::{Clock as _, Role, SystemClock, TalosVersion};
use netboot::director::Platform;
use netboot::sim::load::{Load, LoadReport};
use netboot::sim::machine::Software;
use serde_json::{Value, json};

/// How many approved devices the store has.
const DEVICES: u32 = 10_000;
/// How many machines ask by DHCP, at this rate.
const MACHINES: u32 = 10_000;
const PER_SECOND: u32 = 1_000;
/// How many requests of each kind go over each of this many connections.
const REQUESTS: usize = 1_000;
const CONNECTIONS: usize = 16;

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

    let report = discovers(&client, &server)?;
    let spread = |report: &LoadReport| {
        format!(
            "p50 {}  p99 {}",
            millis(report.percentile(50)),
            millis(report.percentile(99))
        )
    };
    row(
        &format!("ProxyDHCP, {PER_SECOND} discovers/s"),
        &spread(&report),
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
    let facts = "facts=1&platform=efi&buildarch=x86_64&version=1.21.1%2Bgit-20250501&serial=S";
    for (what, path) in [
        ("first script", "/boot/{mac}".to_owned()),
        (
            "script of an approved machine",
            format!("/boot/{{mac}}?{facts}"),
        ),
        ("config", "/talos/configs/{mac}.yaml".to_owned()),
    ] {
        let one = requests(&client, &server, &path, 1)?;
        let many = requests(&client, &server, &path, CONNECTIONS)?;
        row(&format!("{what}, one at a time"), &one.0, "p99 under 5 ms");
        row(
            &format!("{what}, {CONNECTIONS} connections"),
            &many.0,
            &format!("{:.0} requests/s", many.1),
        );
    }
    row("memory after all that", &resident(&mut ktizo)?, "");
    configs()
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

fn row(what: &str, figure: &str, goal: &str) {
    say(format_args!("{what:44} {figure:34} {goal}"));
}

fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
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

fn discovers(client: &Host, server: &Host) -> Result<LoadReport> {
    let server: Ipv4Addr = server.address.parse()?;
    let own: Ipv4Addr = client.address.parse()?;
    let load = Load {
        server: SocketAddrV4::new(server, 67),
        client: SocketAddrV4::new(own, 68),
        unicast: true,
        software: Software::Edk2Pxe(Platform::EfiX64),
        machines: MACHINES,
        per_second: PER_SECOND,
        patience: Duration::from_secs(3),
    };
    let report = inside(client, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(load.run())
    })?;
    Ok(report)
}

/// Sends requests over keep-alive connections; gives the spread of the times, and the requests a second.
fn requests(client: &Host, server: &Host, path: &str, connections: usize) -> Result<(String, f64)> {
    let address = format!("{}:80", server.address);
    let began = now();
    let times = inside(client, || {
        thread::scope(|scope| {
            // A thread begins in the namespace of the one that starts it.
            let hands: Vec<_> = (0..connections)
                .map(|hand| {
                    let address = &address;
                    scope.spawn(move || -> std::io::Result<Vec<Duration>> {
                        let mut stream = TcpStream::connect(address)?;
                        stream.set_nodelay(true)?;
                        let mut reader = BufReader::new(stream.try_clone()?);
                        let mut times = Vec::with_capacity(REQUESTS);
                        for number in 0..REQUESTS {
                            let number =
                                u32::try_from(hand * REQUESTS + number).unwrap_or(0) % DEVICES;
                            let path = path.replace("{mac}", &mac(number));
                            let asked = now();
                            write!(stream, "GET {path} HTTP/1.1\r\nHost: ktizo\r\n\r\n")?;
                            answer(&mut reader)?;
                            times.push(asked.elapsed());
                        }
                        Ok(times)
                    })
                })
                .collect();
            let mut all = Vec::new();
            for hand in hands {
                all.extend(hand.join().expect("a benchmark thread does not panic")?);
            }
            Ok(all)
        })
    })?;
    let spent = began.elapsed();
    let mut times = times;
    times.sort_unstable();
    let at = |percent: usize| millis(times[(times.len() * percent / 100).min(times.len() - 1)]);
    Ok((
        format!("p50 {}  p99 {}", at(50), at(99)),
        times.len() as f64 / spent.as_secs_f64(),
    ))
}

/// Reads one answer whole; anything but a 200 is an error.
fn answer(reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(std::io::Error::other(format!("answered {}", line.trim())));
    }
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let head = line.trim().to_ascii_lowercase();
        if head.is_empty() {
            break;
        }
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    Ok(())
}
