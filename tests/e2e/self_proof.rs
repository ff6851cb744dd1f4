//! The lab proves itself: the same machines, LAN and guest, served by a stand-in of dnsmasq and busybox.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use data_encoding::HEXLOWER;
use ktizo_tests::disk::Disk;
use ktizo_tests::frame::parse_mac;
use ktizo_tests::guest::{self, ReceivedConfig};
use ktizo_tests::lan::{Host, Lan};
use ktizo_tests::ledger::{Stages, say};
use ktizo_tests::machine::{Build, Firmware, Machine};
use ktizo_tests::site::Site;
use ktizo_tests::standin::{StandIn, furnish};
use ktizo_tests::wiretap::{Seen, Wiretap};
use sha2::{Digest, Sha256};

use crate::runner::{Lab, folder};

const MAC: &str = "52:54:00:77:00:01";
const UUID: &str = "4c4c4544-0000-4000-8000-000000000001";
const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) fn bios(lab: &Lab) -> Result<()> {
    boots_the_guest(lab, Firmware::BiosIpxe)
}

pub(crate) fn uefi(lab: &Lab) -> Result<()> {
    boots_the_guest(lab, Firmware::UefiPxe)
}

fn boots_the_guest(lab: &Lab, firmware: Firmware) -> Result<()> {
    let folder = folder(lab, &format!("self-proof-{}", firmware.name()))?;
    boots_in(lab, firmware, &folder, Site::start).map(drop)
}

/// Boots the guest through the stand-in, and gives what passed on the wire.
pub(crate) fn boots_in(
    lab: &Lab,
    firmware: Firmware,
    folder: &Path,
    start: impl FnOnce(&Host, &Path) -> Result<Site>,
) -> Result<Vec<Seen>> {
    let config = "version: v1alpha1\n";
    lab.boot_begins();
    let mut lan = Lan::new()?;
    let (site, server) = (lan.host("site", 1)?, lan.host("server", 2)?);
    let _site = start(&site, folder)?;
    let tap = Wiretap::open(&server, &folder.join("wire.pcap"))?;
    let root = folder.join("www");
    furnish(&root, &lab.assets, &guest::script(&server.address), config)?;
    let _standin = StandIn::start(&lab.kit, &server, &root, folder)?;
    let disk = Disk::bootable(&folder.join("disk.img"))?;
    let before = disk.sha256()?;
    let build = Build {
        firmware,
        mac: MAC,
        uuid: UUID,
        serial: "LAB-1",
        disk: Some(&disk),
        echo: false,
    };
    let mut machine = Machine::start(&lab.kit, &mut lan, &build, folder)?;
    machine.wait("GUEST DONE", PATIENCE)?;
    let received = ReceivedConfig::read(&machine.console().text())?;
    ensure!(
        received.sha256 == HEXLOWER.encode(&Sha256::digest(config)),
        "the config was changed on its way"
    );
    ensure!(received.bytes == config.len() as u64, "the config was cut");
    let off = machine.wait_off(Duration::from_secs(20))?;
    let client = parse_mac(MAC).expect("a hardware address");
    let mut stages = Stages::from_wire(&tap.seen(), client, machine.started());
    stages.first("off", off);
    say(format_args!("  {}: {stages}", firmware.name()));
    ensure!(disk.sha256()? == before, "the disk was changed");
    let answers = tap.exactly_one_reply(client)?;
    say(format_args!("  {answers} answers, one for each request"));
    fs::remove_dir_all(root)?;
    lab.boot_completed();
    Ok(tap.seen())
}
