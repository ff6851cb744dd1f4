//! The daemon shares its host with a DHCP server, and takes nothing from it: a client's renewal, sent to that
//! server alone, still reaches it.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ktizo_tests::asker::{Asker, discover};
use ktizo_tests::clock::{now, poll};
use ktizo_tests::daemon::Launch;
use ktizo_tests::frame::{ACK, Mac, REQUEST, Sighting};
use ktizo_tests::lan::{CARD, Host, Lan};
use ktizo_tests::process::{Process, on_host, run};
use ktizo_tests::site::Site;
use ktizo_tests::wiretap::{Seen, Wiretap};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::Signal;

use crate::runner::{Lab, folder};

/// Takes the lease as its own address, which a renewal is sent from, and notes each call.
const LEASE: &str = r#"#!/bin/sh
case "$1" in bound | renew)
	ip -4 address flush dev "$interface"
	ip address add "$ip/24" dev "$interface"
	echo "$1" >>"$NOTES"
esac
"#;

/// Longer than an exchange between the two takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(20);
/// A machine that boots from the network meanwhile.
const MACHINE: Mac = [0x52, 0x54, 0, 0x77, 0, 0x40];

/// Who starts first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum First {
    Server,
    Ktizo,
}

pub(crate) fn beside_a_server_that_was_first(lab: &Lab) -> Result<()> {
    renews(lab, "renewal_server_first", First::Server)
}

pub(crate) fn beside_a_server_that_came_later(lab: &Lab) -> Result<()> {
    renews(lab, "renewal_ktizo_first", First::Ktizo)
}

/// Told not to share, it names the process that has the port.
pub(crate) fn not_beside_a_server_where_that_is_forbidden(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "renewal_forbidden")?;
    let mut lan = Lan::new()?;
    let both = lan.host("both", 2)?;
    let site = Site::start(&both, &folder)?;
    let refused = launch(lab, &both, &folder, "never")?.refused()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let owner = format!("UDP port 67 is in use by dnsmasq (process {})", site.pid());
    ensure!(
        refused.status.code() == Some(1) && said.contains(&owner),
        "{}: {said}",
        refused.status
    );
    Ok(())
}

fn launch(lab: &Lab, host: &Host, folder: &Path, share: &str) -> Result<Launch> {
    let file = folder.join("ktizo.yaml");
    fs::write(&file, format!("boot:\n  share_dhcp_port: {share}\n"))?;
    let launch = Launch::new(&lab.kit, host, folder)?;
    Ok(launch.with("--config").with(&file))
}

fn renews(lab: &Lab, name: &str, first: First) -> Result<()> {
    let folder = folder(lab, name)?;
    let (_lan, both, client) = Lan::cable(("both", 2), ("client", 9))?;
    let (site, mut ktizo) = match first {
        First::Server => (Site::start(&both, &folder)?, None),
        First::Ktizo => {
            let ktizo = launch(lab, &both, &folder, "always")?.start()?;
            (Site::start(&both, &folder)?, Some(ktizo))
        }
    };
    let renewal = Renewal {
        tap: Wiretap::open(&both, &folder.join("wire.pcap"))?,
        udhcpc: udhcpc(lab, &client, &folder)?,
        site,
        notes: folder.join("notes"),
    };
    apart(&renewal.site, &renewal.udhcpc)?;
    // The tap sees the lease's last word, too, before the first renewal is looked for there.
    let leased = || renewal.noted("bound") == 1 && renewal.acknowledgements() > 0;
    poll(PATIENCE, || leased().then_some(()))
        .with_context(|| format!("no lease: {}", renewal.udhcpc.said()))?;

    renewal.succeeds(2, "as it was")?;
    match &mut ktizo {
        Some(ktizo) => {
            ktizo.stop(Duration::from_secs(10))?;
            renewal.succeeds(2, "after ktizo ended")?;
            ktizo.restart()?;
        }
        None => ktizo = Some(launch(lab, &both, &folder, "if_taken")?.start()?),
    }
    let mut ktizo = ktizo.context("ktizo runs")?;
    renewal.succeeds(3, "after ktizo started")?;

    // And ktizo still hears and answers what is meant for it.
    let asker = Asker::open(&client, CARD, 6868)?;
    let xid = 0x77;
    asker.send(&discover(MACHINE, xid), (Ipv4Addr::BROADCAST, 67))?;
    let offers = || {
        let own = |seen: &Seen| matches!(&seen.what, Sighting::Answered(dhcp) if dhcp.xid == xid && dhcp.given == [0; 4]);
        renewal.tap.seen().iter().filter(|seen| own(seen)).count()
    };
    poll(PATIENCE, || (offers() > 0).then_some(())).with_context(|| {
        format!(
            "no proxy offer beside the server; ktizo said:\n{}",
            ktizo.said()
        )
    })?;
    renewal.succeeds(1, "after ktizo answered a network boot")?;
    ensure!(offers() == 1, "{} proxy offers to one question", offers());
    ktizo.stop(Duration::from_secs(10))?;
    renewal.succeeds(2, "after ktizo ended at last")
}

/// A client with a lease, the server that gave it, and what passes between them.
struct Renewal {
    site: Site,
    udhcpc: Process,
    tap: Wiretap,
    /// The client's own word: a line for each lease it took.
    notes: PathBuf,
}

impl Renewal {
    /// How often the client noted a word.
    fn noted(&self, word: &str) -> usize {
        let text = fs::read_to_string(&self.notes).unwrap_or_default();
        text.lines().filter(|line| *line == word).count()
    }

    /// Lets the client renew some times: each time it asks its server alone, once, is answered alone, and takes the answer.
    fn succeeds(&self, times: usize, when: &str) -> Result<()> {
        for _ in 0..times {
            let (asked, before) = (now(), self.noted("renew"));
            let acknowledged = self.acknowledged();
            self.udhcpc.signal(Signal::SIGUSR1)?;
            let renewed = poll(PATIENCE, || {
                let done = self.noted("renew") > before
                    && self.acknowledged() > acknowledged
                    && self.exchanged(asked).len() > 1;
                done.then_some(())
            });
            let exchange = self.exchanged(asked);
            ensure!(
                renewed.is_some()
                    && exchange == [(REQUEST, true), (ACK, true)]
                    && self.acknowledged() == acknowledged + 1,
                "{when}: no renewal by unicast: {exchange:?}; the client said:\n{}\nthe server said:\n{}",
                self.udhcpc.said(),
                self.site.said()
            );
        }
        Ok(())
    }

    /// What passed on the wire from a moment on: its kind, and whether it was for one host alone.
    fn exchanged(&self, from: Instant) -> Vec<(u8, bool)> {
        let seen = self.tap.seen().into_iter().filter(|seen| seen.at >= from);
        seen.filter_map(|seen| match seen.what {
            Sighting::Asked(dhcp) | Sighting::Answered(dhcp) if dhcp.client != MACHINE => {
                Some((dhcp.kind, dhcp.unicast))
            }
            _ => None,
        })
        .collect()
    }

    /// How many leases were acknowledged on the wire.
    fn acknowledgements(&self) -> usize {
        let seen = self.tap.seen();
        let is = |seen: &&Seen| matches!(&seen.what, Sighting::Answered(dhcp) if dhcp.kind == ACK && dhcp.client != MACHINE);
        seen.iter().filter(is).count()
    }

    /// How many leases the server says it has acknowledged.
    fn acknowledged(&self) -> usize {
        self.site.said().matches("DHCPACK(").count()
    }
}

/// Gives the two what the length of a real cable does. udhcpc asks by a socket that it closes at once, and an answer that comes before
/// that is lost with it: between two processors of one machine that happens, with ktizo and without. On one processor, which the client
/// does not give up before it waits, its socket is closed before the server reads.
fn apart(site: &Site, udhcpc: &Process) -> Result<()> {
    let mut processor = CpuSet::new();
    processor.set(0)?;
    for pid in [site.pid(), udhcpc.pid()] {
        sched_setaffinity(pid, &processor)?;
    }
    run("chrt", &["--fifo", "--pid", "1", &udhcpc.pid().to_string()]).map(drop)
}

fn udhcpc(lab: &Lab, client: &Host, folder: &Path) -> Result<Process> {
    let script = folder.join("lease");
    fs::write(&script, LEASE)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut udhcpc = on_host(Some(&client.netns), lab.kit.busybox());
    udhcpc
        .args(["udhcpc", "-f", "-i", CARD, "-T", "1", "-s"])
        .arg(script)
        .env("NOTES", folder.join("notes"));
    Process::start("udhcpc", &mut udhcpc, &folder.join("udhcpc.log"))
}
