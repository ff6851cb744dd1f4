//! A daemon on loopback, with ports of its own and what an operator would have set up.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ktizo_tests::admin::Admin;
use ktizo_tests::clock::poll;
use ktizo_tests::process::{Process, output};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;

/// Longer than a start takes, and than what was seen takes to be written down.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) admin_port: u16,
    pub(crate) boot_port: u16,
    pub(crate) tftp_port: u16,
    pub(crate) log_port: u16,
    socket: PathBuf,
    program: PathBuf,
    process: Option<Process>,
    folder: TempDir,
    /// Held as long as the daemon is there: the ports around it are not another's.
    _claim: TcpListener,
}

fn serve(program: &Path, folder: &Path) -> Result<Process> {
    let mut serve = Command::new(program);
    serve
        .args(["serve", "--config"])
        .arg(folder.join("ktizo.yaml"));
    Process::start("ktizo", &mut serve, &folder.join("log"))
}

impl Daemon {
    /// Starts one on ports above `base`, with a subnet, base configs and a kernel to boot.
    pub(crate) fn start(base: u16) -> Result<Self> {
        let daemon = Self::bare(base)?;
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/base");
        let text = |role: &str| std::fs::read_to_string(data.join(format!("{role}.yaml")));
        let bases = json!({"controlplane": text("controlplane")?, "worker": text("worker")?});
        daemon.ask("POST", "/cluster/base", &bases)?;
        Ok(daemon)
    }

    /// Starts one on ports above `base`, with a subnet and a kernel to boot, and no cluster.
    pub(crate) fn bare(base: u16) -> Result<Self> {
        // Where these tests run twice on one host, the others have the first ones.
        let claim = |base: u16| {
            let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 9));
            claim.ok().map(|claim| (base, claim))
        };
        let claimed = (base..base + 100).step_by(10).find_map(claim);
        let (base, claim) = claimed.with_context(|| format!("no ports are left above {base}"))?;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let group = output(Command::new("id").arg("-gn"))?;
        let config = json!({
            "state_dir": path("state"),
            "socket": path("ktizo.sock"),
            "interfaces": ["lo"],
            "user": null,
            "group": group.trim(),
            "boot": {"dhcp_port": base, "pxe_port": base + 1, "tftp_port": base + 2, "http_port": base + 3, "events_port": base + 5, "kernel_log_port": base + 6},
            "admin": {"listen": format!("127.0.0.1:{}", base + 4)},
        });
        // JSON is YAML.
        std::fs::write(path("ktizo.yaml"), config.to_string())?;
        std::fs::create_dir(path("state"))?;
        let program = build()?.join("ktizo");
        let daemon = Self {
            admin_port: base + 4,
            boot_port: base + 3,
            tftp_port: base + 2,
            log_port: base + 6,
            socket: path("ktizo.sock"),
            process: Some(serve(&program, folder.path())?),
            program,
            folder,
            _claim: claim,
        };
        daemon.await_ready()?;
        daemon.furnish()?;
        Ok(daemon)
    }

    /// Stops it, and starts it again with what it has kept.
    pub(crate) fn restart(&mut self) -> Result<()> {
        // The program ends with its guard.
        self.process = None;
        self.process = Some(serve(&self.program, self.folder.path())?);
        self.await_ready()
    }

    fn await_ready(&self) -> Result<()> {
        let ready = poll(PATIENCE, || {
            http::ask(self.admin_port, "GET", "/healthz", &[], "").ok()
        });
        if ready.is_none() {
            let said = self.process.as_ref().map(Process::said);
            bail!(
                "the daemon did not become ready; it said:\n{}",
                said.unwrap_or_default()
            );
        }
        Ok(())
    }

    fn furnish(&self) -> Result<()> {
        // Its machines ask from the loopback interface, which has no neighbours.
        let subnet = json!({
            "node_subnet": "10.20.0.0/24", "gateway": "10.20.0.1", "menu_seconds": 0, "config_release": "mac",
        });
        self.ask("PUT", "/network/settings", &subnet)?;
        let assets = self.folder.path().join("v1.13.0");
        std::fs::create_dir(&assets)?;
        for (name, begin, length) in [
            ("vmlinuz-amd64", &b"MZ"[..], 3 << 20),
            ("initramfs-amd64.xz", b"070701", 8 << 20),
        ] {
            let mut content = begin.to_vec();
            content.resize(length, 7);
            std::fs::write(assets.join(name), content)?;
        }
        output(
            Command::new(&self.program)
                .args(["assets", "import", "--version", "v1.13.0", "--socket"])
                .args([&self.socket, &assets]),
        )?;
        Ok(())
    }

    /// Asks the API by its Unix socket, as the command line does.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = Admin::new(&self.socket).ask(method, path, Some(body))?;
        if answer.status >= 300 {
            bail!("{method} {path}: {} {}", answer.status, answer.text());
        }
        Ok(answer.json())
    }

    /// Waits until it has written down that there is a device of that number.
    pub(crate) fn await_device(&self, number: u32) -> Result<()> {
        let path = format!("/devices/{number}");
        let known = poll(PATIENCE, || self.ask("GET", &path, &Value::Null).ok());
        known
            .map(drop)
            .with_context(|| format!("there is no device {number}"))
    }

    /// The path of a new one-time set-up link.
    pub(crate) fn set_up_link(&self) -> Result<String> {
        let link = self.ask("POST", "/set-up-link", &json!({}))?;
        let path = link["path"].as_str().context("the answer has no path")?;
        Ok(path.to_owned())
    }

    /// Adds a user.
    pub(crate) fn user(&self, name: &str, authority: &str) -> Result<()> {
        let user = json!({"name": name, "authority": authority, "password": PASSWORD});
        self.ask("POST", "/users", &user).map(drop)
    }
}

/// The folder of this build: a test's own program is in its `deps`.
pub(crate) fn build() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let build = program
        .ancestors()
        .nth(2)
        .context("this program is not in a build folder")?;
    Ok(build.to_path_buf())
}

/// The folder of what development needs and makes, beside the builds.
pub(crate) fn dev() -> Result<PathBuf> {
    let build = build()?;
    let target = build
        .parent()
        .context("this program is not in a build folder")?;
    Ok(target.join("ktizo-dev"))
}

/// The password of every user here.
pub(crate) const PASSWORD: &str = "stones upon stones";
