//! The daemon shares its host with a DHCP server, and takes nothing from it: a client's renewal, sent to that
//! server alone, still reaches it.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::asker::{Asker, discover};
use ktizo_tests::clock::{now, poll};
use ktizo_tests::daemon::Launch;
use ktizo_tests::frame::{ACK, REQUEST, Sighting};
use ktizo_tests::lan::{CARD, Host, Lan};
use ktizo_tests::process::{Process, on_host};
use ktizo_tests::site::Site;
use ktizo_tests::wiretap::Wiretap;
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
    let site = serving(&both, &folder)?;
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

/// The site's server, once it has its port.
fn serving(host: &Host, folder: &Path) -> Result<Site> {
    let site = Site::start(host, folder)?;
    poll(Duration::from_secs(5), || {
        site.said().contains("started").then_some(())
    })
    .with_context(|| format!("no dnsmasq: {}", site.said()))?;
    Ok(site)
}

fn renews(lab: &Lab, name: &str, first: First) -> Result<()> {
    let folder = folder(lab, name)?;
    let mut lan = Lan::new()?;
    let (both, client) = (lan.host("both", 2)?, lan.host("client", 9)?);
    let (site, ktizo) = match first {
        First::Server => {
            let site = serving(&both, &folder)?;
            (site, launch(lab, &both, &folder, "if_taken")?.start()?)
        }
        First::Ktizo => {
            let ktizo = launch(lab, &both, &folder, "always")?.start()?;
            (serving(&both, &folder)?, ktizo)
        }
    };
    let tap = Wiretap::open(&both, &folder.join("wire.pcap"))?;
    let (script, notes) = (folder.join("lease"), folder.join("notes"));
    fs::write(&script, LEASE)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let udhcpc = udhcpc(lab, &client, &script, &notes, &folder)?;
    let noted = |word: &str| {
        fs::read_to_string(&notes)
            .is_ok_and(|text| text.contains(word))
            .then_some(())
    };
    poll(Duration::from_secs(20), || noted("bound"))
        .with_context(|| format!("no lease: {}", udhcpc.said()))?;

    let asked = now();
    udhcpc.signal(Signal::SIGUSR1)?;
    poll(Duration::from_secs(10), || noted("renew"))
        .with_context(|| format!("no renewal: {}", udhcpc.said()))?;
    // The first thing it does is to ask the server alone, which answers it alone. (From a server as near as this one the answer may
    // come before udhcpc has closed the socket that it asked by, and be lost with it: it then asks everybody.)
    let exchange: Vec<_> = tap
        .seen()
        .into_iter()
        .filter(|seen| seen.at >= asked)
        .filter_map(|seen| match seen.what {
            Sighting::Asked(dhcp) if dhcp.kind == REQUEST => Some((REQUEST, dhcp.unicast)),
            Sighting::Answered(dhcp) if dhcp.kind == ACK => Some((ACK, dhcp.unicast)),
            _ => None,
        })
        .take(2)
        .collect();
    ensure!(
        exchange == [(REQUEST, true), (ACK, true)],
        "the renewal was not asked for and answered by unicast: {exchange:?}; the server said:\n{}",
        site.said()
    );
    // And ktizo still hears and answers what is meant for it.
    drop(udhcpc);
    let asker = Asker::open(&client, CARD, 68)?;
    let xid = 0x77;
    asker.send(
        &discover([0x52, 0x54, 0, 0x77, 0, 0x40], xid),
        (Ipv4Addr::BROADCAST, 67),
    )?;
    let offers = asker.answers(Duration::from_secs(1))?;
    let own = offers
        .iter()
        .filter(|offer| offer.xid == xid && offer.option(60).is_some())
        .count();
    ensure!(
        own == 1,
        "{own} proxy offers beside the server: {offers:?}; ktizo said:\n{}",
        ktizo.said()
    );
    Ok(())
}

fn udhcpc(lab: &Lab, client: &Host, script: &Path, notes: &Path, folder: &Path) -> Result<Process> {
    let mut udhcpc = on_host(Some(&client.netns), lab.kit.busybox());
    udhcpc
        .args(["udhcpc", "-f", "-i", CARD, "-T", "1", "-s"])
        .arg(script)
        .env("NOTES", notes);
    Process::start("udhcpc", &mut udhcpc, &folder.join("udhcpc.log"))
}
