//! The site's own DHCP server: plain leases, nothing about booting.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::poll;
use crate::lan::{CARD, Host};
use crate::process::{Process, on_host};

/// Longer than dnsmasq takes to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The running server.
#[derive(Debug)]
pub struct Site {
    process: Process,
}

impl Site {
    /// Starts dnsmasq as the LAN's router: leases from 10.77.0.100 on, and IPv6 router advertisements, because
    /// an iPXE of 2019 waits 16 s where there are none.
    ///
    /// # Errors
    /// When dnsmasq cannot be started.
    pub fn start(host: &Host, folder: &Path) -> Result<Self> {
        let mut dnsmasq = leases(host, folder);
        dnsmasq
            .arg(format!("--dhcp-range=::,constructor:{CARD},ra-only"))
            .arg("--enable-ra");
        Self::run(dnsmasq, folder)
    }

    /// The same without router advertisements: a LAN of IPv4 alone.
    ///
    /// # Errors
    /// When dnsmasq cannot be started.
    pub fn start_without_routers(host: &Host, folder: &Path) -> Result<Self> {
        Self::run(leases(host, folder), folder)
    }

    fn run(mut dnsmasq: Command, folder: &Path) -> Result<Self> {
        let log = folder.join("site.log");
        let process = Process::start("the site's dnsmasq", &mut dnsmasq, &log)?;
        serves(&process)?;
        Ok(Self { process })
    }

    /// Its process id.
    pub fn pid(&self) -> nix::unistd::Pid {
        self.process.pid()
    }

    /// What the server logged: every DHCP exchange.
    pub fn said(&self) -> String {
        self.process.said()
    }
}

/// dnsmasq with plain leases.
fn leases(host: &Host, folder: &Path) -> Command {
    let mut dnsmasq = dnsmasq(host);
    dnsmasq
        .arg("--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h")
        .arg(format!("--dhcp-option=option:router,{}", host.address))
        .arg("--dhcp-authoritative")
        .arg(format!(
            "--dhcp-leasefile={}",
            folder.join("leases").display()
        ));
    dnsmasq
}

/// Waits until a dnsmasq has its ports.
pub(crate) fn serves(dnsmasq: &Process) -> Result<()> {
    poll(PATIENCE, || {
        dnsmasq.said().contains("started").then_some(())
    })
    .with_context(|| format!("dnsmasq does not start; it said:\n{}", dnsmasq.said()))
}

/// dnsmasq in the foreground, reading nothing of the host, without DNS.
pub(crate) fn dnsmasq(host: &Host) -> Command {
    let mut dnsmasq = on_host(Some(&host.netns), "dnsmasq");
    dnsmasq
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-hosts",
            "--no-resolv",
            "--no-ping",
            "--port=0",
        ])
        .args([
            "--user=root",
            "--group=root",
            "--pid-file=",
            "--log-dhcp",
            "--log-facility=-",
        ])
        .arg(format!("--interface={CARD}"));
    dnsmasq
}
