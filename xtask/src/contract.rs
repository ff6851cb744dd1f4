//! The API held to its own OpenAPI document by a stranger: schemathesis asks a daemon of this build, on loopback, thousands of things.
//! Before and after, its metrics are read by Prometheus's own parser.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::command::{run, say};
use crate::dirs::Dirs;

/// The version whose findings the configuration in `tests/data/schemathesis.toml` answers to.
const SCHEMATHESIS: &str = "4.32.5";
/// The parser of what Prometheus reads.
const PROMETHEUS: &str = "0.26.0";
/// It stops after so many seconds; it has asked everything once after half of them.
const BUDGET: &str = "75";
/// The same requests each time.
const SEED: &str = "1";

/// Installs schemathesis and the parser beside the build, if they are not there.
pub(crate) fn install(dirs: &Dirs) -> Result<()> {
    let folder = folder(dirs);
    let done = folder.join("installed");
    if done.exists() {
        return Ok(());
    }
    say(format_args!(
        "setup: installing schemathesis {SCHEMATHESIS} and prometheus-client {PROMETHEUS} from PyPI"
    ));
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(folder.join("bin/pip")).args([
        "--quiet",
        "--disable-pip-version-check",
        "install",
        &format!("schemathesis=={SCHEMATHESIS}"),
        &format!("prometheus-client=={PROMETHEUS}"),
    ]))?;
    fs::write(&done, "").with_context(|| format!("write {}", done.display()))
}

fn folder(dirs: &Dirs) -> PathBuf {
    // Another version is another folder, so that an older one is not taken for it.
    dirs.dev
        .join(format!("contract-{SCHEMATHESIS}-{PROMETHEUS}"))
}

fn tool(dirs: &Dirs) -> PathBuf {
    folder(dirs).join("bin/schemathesis")
}

/// Asks; an error is a finding.
pub(crate) fn check(dirs: &Dirs) -> Result<()> {
    let home = dirs.dev.join("contract");
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("remove {}", home.display()))?;
    }
    fs::create_dir_all(&home).with_context(|| format!("make {}", home.display()))?;
    let daemon = Daemon::start(dirs, &home)?;
    let mut asking = Command::new(tool(dirs));
    asking
        .arg("--config-file")
        .arg(dirs.root.join("tests/data/schemathesis.toml"))
        .args(["run", &format!("{}/api/v1/openapi.json", daemon.url)])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", daemon.token),
        ])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "10"])
        .args([
            "--seed",
            SEED,
            "--max-time",
            BUDGET,
            "--request-timeout",
            "60",
        ])
        .args(["--workers", "2", "--continue-on-failure"])
        .args(["--no-color", "--warnings", "off"])
        // It keeps its own memory of examples in the folder it is started in.
        .current_dir(&home);
    read_metrics(dirs, &daemon, &home)?;
    run(&mut asking)?;
    read_metrics(dirs, &daemon, &home)
}

/// Reads the metrics as Prometheus does; what was read before is in the folder.
fn read_metrics(dirs: &Dirs, daemon: &Daemon, home: &Path) -> Result<()> {
    run(Command::new(folder(dirs).join("bin/python"))
        .arg(dirs.root.join("tests/data/metrics.py"))
        .arg(&daemon.url)
        .arg(home.join("metrics"))
        .env("KTIZO_TOKEN", &daemon.token))
}

/// A daemon that ends with its guard.
struct Daemon {
    process: Child,
    url: String,
    token: String,
}

impl Daemon {
    fn start(dirs: &Dirs, home: &Path) -> Result<Self> {
        let [dhcp, pxe, tftp, http, admin] = free_ports()?;
        let (state, socket) = (home.join("state"), home.join("socket"));
        let config = format!(
            "state_dir: {state:?}\nsocket: {socket:?}\ninterfaces: [lo]\nuser: null\n\
             boot: {{ dhcp_port: {dhcp}, pxe_port: {pxe}, tftp_port: {tftp}, http_port: {http}, share_dhcp_port: never }}\n\
             admin: {{ listen: \"127.0.0.1:{admin}\" }}\nlog: error\n"
        );
        let file = home.join("ktizo.yaml");
        fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
        let said = fs::File::create(home.join("log")).context("make the daemon's log")?;
        let mut process = Command::new(dirs.binary("ktizo"))
            .args(["serve", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("start the daemon")?;
        for _ in 0..300 {
            let asked = Command::new(dirs.binary("ktizo"))
                .args(["status", "--socket"])
                .arg(&socket)
                .output()
                .context("ask the daemon")?;
            if asked.status.success() {
                let token = fs::read_to_string(state.join("admin.token"))
                    .context("read the daemon's token")?;
                return Ok(Self {
                    process,
                    url: format!("http://127.0.0.1:{admin}"),
                    token: token.trim().to_owned(),
                });
            }
            if process.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        // It may have ended already.
        let _ = process.kill();
        let _ = process.wait();
        let said = fs::read_to_string(home.join("log")).unwrap_or_default();
        bail!("the daemon did not become ready; it said:\n{said}")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ports that nobody has, below those that the kernel gives to connections.
fn free_ports() -> Result<[u16; 5]> {
    let first = 18_000 + u16::try_from(std::process::id() % 100 * 20)?;
    let is_free = |port: &u16| {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()
            && TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()
    };
    let free: Vec<u16> = (first..).filter(is_free).take(5).collect();
    free.try_into()
        .map_err(|found| anyhow!("no five ports are free: {found:?}"))
}
