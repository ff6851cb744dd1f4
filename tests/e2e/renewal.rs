//! The daemon shares its host with a DHCP server, and takes nothing from it: a client's renewal, sent to that
//! server alone, still reaches it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::{now, poll};
use ktizo_tests::daemon::Ktizo;
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

pub(crate) fn beside_a_server_that_was_first(lab: &Lab) -> Result<()> {
    renews(lab, "renewal-server-first", true)
}

pub(crate) fn beside_a_server_that_came_later(lab: &Lab) -> Result<()> {
    renews(lab, "renewal-ktizo-first", false)
}

fn renews(lab: &Lab, name: &str, server_first: bool) -> Result<()> {
    let folder = folder(lab, name)?;
    let mut lan = Lan::new()?;
    let (both, client) = (lan.host("both", 2)?, lan.host("client", 9)?);
    let (_site, _ktizo) = if server_first {
        let site = Site::start(&both, &folder)?;
        poll(Duration::from_secs(5), || {
            site.said().contains("started").then_some(())
        })
        .context("no dnsmasq")?;
        (site, Ktizo::start(&lab.kit, &both, &folder)?)
    } else {
        let ktizo = Ktizo::start(&lab.kit, &both, &folder)?;
        (Site::start(&both, &folder)?, ktizo)
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
    let requests: Vec<_> = tap
        .seen()
        .into_iter()
        .filter(|seen| seen.at >= asked)
        .filter_map(|seen| match seen.what {
            Sighting::Asked(dhcp) if dhcp.kind == REQUEST => Some(dhcp.unicast),
            _ => None,
        })
        .collect();
    ensure!(
        requests == [true],
        "the renewal was asked for {} times, alone to the server: {requests:?}",
        requests.len()
    );
    let acknowledged = |what: &Sighting| matches!(what, Sighting::Answered(dhcp) if dhcp.kind == ACK && dhcp.unicast);
    ensure!(
        tap.first(asked, acknowledged).is_some(),
        "the server's answer was not seen on the wire"
    );
    Ok(())
}

fn udhcpc(
    lab: &Lab,
    client: &Host,
    script: &std::path::Path,
    notes: &std::path::Path,
    folder: &std::path::Path,
) -> Result<Process> {
    let mut udhcpc = on_host(Some(&client.netns), lab.kit.busybox());
    udhcpc
        .args(["udhcpc", "-f", "-i", CARD, "-T", "1", "-s"])
        .arg(script)
        .env("NOTES", notes);
    Process::start("udhcpc", &mut udhcpc, &folder.join("udhcpc.log"))
}
