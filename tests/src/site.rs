//! The site's own DHCP server: plain leases, nothing about booting.

use std::path::Path;

use anyhow::Result;

use crate::lan::{CARD, Host};
use crate::process::{Process, on_host};

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
        Self::start_with(host, folder, &[])
    }

    /// The same with further options of dnsmasq.
    ///
    /// # Errors
    /// When dnsmasq cannot be started.
    pub fn start_with(host: &Host, folder: &Path, options: &[&str]) -> Result<Self> {
        let mut dnsmasq = dnsmasq(host);
        dnsmasq
            .arg("--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h")
            .arg(format!("--dhcp-option=option:router,{}", host.address))
            .arg("--dhcp-authoritative")
            .arg(format!("--dhcp-range=::,constructor:{CARD},ra-only"))
            .arg("--enable-ra")
            .arg(format!(
                "--dhcp-leasefile={}",
                folder.join("leases").display()
            ))
            .args(options);
        Ok(Self {
            process: Process::start("the site's dnsmasq", &mut dnsmasq, &folder.join("site.log"))?,
        })
    }

    /// What the server logged: every DHCP exchange.
    pub fn said(&self) -> String {
        self.process.said()
    }
}

/// dnsmasq in the foreground, reading nothing of the host, without DNS.
pub(crate) fn dnsmasq(host: &Host) -> std::process::Command {
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
