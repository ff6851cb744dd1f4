//! A full disk: what was acknowledged is there, what was refused says why, boots go on, and room is all that is needed to go on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ktizo_tests::admin::{Answer, by_tcp};
use ktizo_tests::asker::{Asker, discover};
use ktizo_tests::daemon::Ktizo;
use ktizo_tests::lan::{CARD, Host};
use ktizo_tests::process::run;
use ktizo_tests::scene::{SERVER, Scene, TALOS};
use serde_json::json;

use crate::readiness::Monitor;
use crate::runner::{Lab, folder};

/// Room for the guest's kernel and initramfs, and for the least that is called enough.
const SIZE: &str = "size=192m";
/// More changes than the files of the database can take without growing.
const ENOUGH: u32 = 20_000;

/// A small disk at a folder, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Result<Self> {
        fs::create_dir_all(at)?;
        let shown = at.to_string_lossy();
        run("mount", &["-t", "tmpfs", "-o", SIZE, "small", &shown])?;
        Ok(Self(at.to_path_buf()))
    }

    /// Takes all the room there is.
    fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.0.join("filler"))?;
        for piece in [1 << 20, 4096, 1] {
            let bytes = vec![0; piece];
            loop {
                match filler.write(&bytes) {
                    Ok(_) => {}
                    Err(err) if err.kind() == ErrorKind::StorageFull => break,
                    Err(err) => return Err(err.into()),
                }
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.0.join("filler"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, for a daemon of a failed test may still be on it.
        let _ = run("umount", &["--lazy", &self.0.to_string_lossy()]);
    }
}

fn mac(number: u32) -> String {
    let [_, b, c, d] = number.to_be_bytes();
    format!("52:54:01:{b:02x}:{c:02x}:{d:02x}")
}

fn add(ktizo: &Ktizo, number: u32) -> Result<Answer> {
    let body = json!({"mac_address": mac(number), "notes": "x".repeat(2000)});
    Ok(ktizo.admin().ask("POST", "/devices", Some(&body))?)
}

/// The addresses of all devices.
fn known(ktizo: &Ktizo) -> Result<BTreeSet<String>> {
    let listed = ktizo.admin().get("/devices")?;
    ensure!(listed.status == 200, "{}", listed.text());
    let devices = listed.json();
    let devices = devices.as_array().context("no list")?;
    let macs = devices
        .iter()
        .filter_map(|device| device["mac_address"].as_str());
    Ok(macs.map(str::to_owned).collect())
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

pub(crate) fn loses_nothing_and_goes_on(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "full_disk")?;
    let disk = SmallDisk::mount(&folder.join("state"))?;
    let mut scene = Scene::set(&lab.kit, &lab.assets, folder)?;
    let client = scene.lan.host("client", 9)?;
    // The first device itself, for nobody else is told where its config is.
    let machine = scene.lan.host("machine", 10)?;
    let own = mac(1);
    let set = [
        "-netns",
        &machine.netns,
        "link",
        "set",
        CARD,
        "address",
        &own,
    ];
    run("ip", &set)?;
    for (number, name, last) in [(1, "cp-1", 50), (2, "cp-2", 51)] {
        scene.ktizo.command(["device", "add", &mac(number)])?;
        scene.approve(&mac(number), name, last)?;
    }
    let order = ["device", "set", &mac(2), "--order", "local"];
    scene.ktizo.command(order)?;
    let (server, ktizo) = (scene.server.clone(), &mut scene.ktizo);
    let mut monitor = Monitor::connect(&server)?;
    monitor.until(None)?;
    let config = fs::read(ktizo.compiled("controlplane", &mac(1)))?;

    disk.fill()?;
    monitor.until(Some("is full"))?;
    let mut kept: BTreeSet<String> = [mac(1), mac(2)].into();
    let refused = refusal(ktizo, &mut kept)?;
    ensure!(
        refused.status == 507,
        "{} {}",
        refused.status,
        refused.text()
    );
    let why = refused.json();
    ensure!(why["code"] == "disk_full", "{why}");
    ensure!(
        why["message"]
            .as_str()
            .is_some_and(|text| text.contains("is full: free some space")),
        "{why}"
    );
    // A change of several parts, and one that is followed by files.
    let renamed = json!({"hostname": "cp-9"});
    let path = format!("/devices/{}", mac(1));
    let renamed = ktizo.admin().ask("PUT", &path, Some(&renamed))?;
    ensure!([200, 507].contains(&renamed.status), "{}", renamed.text());
    boots_are_decided(&server, &client, &kept)?;

    // What is there is what was acknowledged, also after a loss of power, with the disk still full and then not any more.
    ensure!(
        known(ktizo)? == kept,
        "the list is not what was acknowledged"
    );
    ktizo.kill()?;
    ktizo.restart().context("with the disk full")?;
    ensure!(
        known(ktizo)? == kept,
        "a restart changed what was acknowledged"
    );
    boots_are_decided(&server, &client, &kept)?;
    let mut monitor = Monitor::connect(&server)?;
    monitor.until(Some("is full"))?;

    disk.free()?;
    monitor.until(None)?;
    let added = add(ktizo, ENOUGH + 1)?;
    ensure!(added.status == 201, "{}", added.text());
    kept.insert(mac(ENOUGH + 1));
    let install = script(&machine, &mac(1))?;
    let kernel = format!("/talos/{TALOS}/vmlinuz-amd64 ");
    ensure!(
        install.contains(&kernel) && install.contains(" talos.config="),
        "{install}"
    );
    ktizo.stop(Duration::from_secs(20))?;
    ktizo.restart()?;
    ensure!(known(ktizo)? == kept, "what was changed with room is lost");
    if renamed.status == 507 {
        let now = fs::read(ktizo.compiled("controlplane", &mac(1)))?;
        ensure!(
            now == config,
            "a refused change reached the compiled config"
        );
    }
    let left: Vec<_> = files(ktizo.state())?
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // What ktizo remembers of the files in `base/`.
            name != ".written"
                && (name.ends_with(".new") || name.contains("part") || name.starts_with('.'))
        })
        .collect();
    ensure!(left.is_empty(), "half-written files stay behind: {left:?}");
    Ok(())
}

/// Adds devices until one is refused; what was added is `kept`.
fn refusal(ktizo: &Ktizo, kept: &mut BTreeSet<String>) -> Result<Answer> {
    for number in 10..ENOUGH {
        let answer = add(ktizo, number)?;
        if answer.status != 201 {
            return Ok(answer);
        }
        kept.insert(mac(number));
    }
    bail!("{ENOUGH} changes found room on a full disk")
}

fn script(client: &Host, mac: &str) -> Result<String> {
    let path = format!("/boot/{mac}?facts=1");
    let answer = by_tcp(client, (SERVER, 80), "GET", &path, &[])?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(answer.text())
}

/// Whatever cannot be written down, each machine is answered.
fn boots_are_decided(server: &Host, client: &Host, kept: &BTreeSet<String>) -> Result<()> {
    let (asker, xid) = (Asker::open(client, "eth0", 68)?, 7);
    asker.send(
        &discover([0x52, 0x54, 1, 0, 0, 1], xid),
        (Ipv4Addr::BROADCAST, 67),
    )?;
    let offers = asker.answers(xid, Duration::from_secs(20))?;
    ensure!(
        offers
            .iter()
            .any(|offer| offer.from.ip().to_string() == server.address),
        "no offer: {offers:?}"
    );
    ensure!(kept.contains(&mac(2)), "the lab is wrong");
    let local = script(client, &mac(2))?;
    ensure!(
        local.contains("sanboot") || local.contains("exit"),
        "{local}"
    );
    let unknown = script(client, "52:54:01:ff:ff:ff")?;
    ensure!(unknown.contains("Unknown MAC Address"), "{unknown}");
    let loader = by_tcp(client, (SERVER, 80), "GET", "/ipxe/snponly.efi", &[])?;
    ensure!(loader.status == 200, "{}", loader.status);
    let kernel = by_tcp(client, (SERVER, 80), "GET", "/talos/vmlinuz-amd64", &[])?;
    ensure!(kernel.status == 200, "{}", kernel.status);
    Ok(())
}
