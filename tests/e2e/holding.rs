//! A machine that waits loses nothing by it: not when the daemon is started anew, not when files are missing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::{now, poll};
use ktizo_tests::disk::Disk;
use ktizo_tests::frame::Sighting;
use ktizo_tests::guest::KERNEL;
use ktizo_tests::ledger::within;
use ktizo_tests::machine::Firmware;
use ktizo_tests::scene::TALOS;

use crate::runner::Lab;
use crate::trial::{
    MAC, PATIENCE, WRITTEN_DOWN, boot, client, fetches, receives_its_config, scene,
};

pub(crate) fn bios_is_not_lost_by_a_restart(lab: &Lab) -> Result<()> {
    outlives_the_daemon(lab, "bios_restart", Firmware::BiosIpxe)
}

pub(crate) fn uefi_is_not_lost_by_a_restart(lab: &Lab) -> Result<()> {
    outlives_the_daemon(lab, "uefi_restart", Firmware::UefiPxe)
}

fn outlives_the_daemon(lab: &Lab, name: &str, firmware: Firmware) -> Result<()> {
    let mut scene = scene(lab, name)?;
    let disk = Disk::empty(&scene.folder.join("disk.img"))?;
    boot(
        lab,
        &mut scene,
        "restart while it is held",
        (firmware, &disk),
        |scene, machine| {
            machine.wait("Unknown MAC Address", PATIENCE)?;
            // It shows why it waits, and only then asks again: from there on its request is open.
            let asks_again = |what: &Sighting| {
                matches!(what, Sighting::HttpRequest { from, line }
                    if *from == client() && line.contains("since="))
            };
            let asked = scene.tap.wait(machine.started(), PATIENCE, asks_again);
            asked.context("the machine does not ask again")?;
            let took = scene.ktizo.stop(Duration::from_secs(10))?;
            within("to drain with a held machine", took, Duration::from_secs(1))?;
            std::thread::sleep(Duration::from_secs(5));
            scene.ktizo.restart()?;
            let ordered = now();
            scene.approve(MAC, "cp-1", 50)?;
            let approved = now();
            let kernel = scene
                .tap
                .wait(ordered, PATIENCE, |what| fetches(what, KERNEL));
            let kernel = kernel.context("the machine did not come back")?;
            // It sleeps 3 s between its attempts, and each attempt at a server that is gone takes a moment.
            within(
                "from approval after the restart to kernel",
                kernel.at.saturating_duration_since(approved),
                Duration::from_secs(4),
            )?;
            receives_its_config(scene, machine)
        },
    )
}

pub(crate) fn bios_without_files_says_so_and_waits_for_them(lab: &Lab) -> Result<()> {
    let mut scene = scene(lab, "bios_without_files")?;
    scene.ktizo.command(["device", "add", MAC])?;
    scene.approve(MAC, "cp-1", 50)?;
    scene.ktizo.command(["assets", "remove", TALOS, "--yes"])?;
    let status = scene.ktizo.command(["status"])?;
    ensure!(
        status.contains("vmlinuz-amd64") && status.contains("initramfs-amd64.xz"),
        "the status says nothing of the missing files: {status}"
    );
    let disk = Disk::empty(&scene.folder.join("disk.img"))?;
    let assets = lab.assets.to_string_lossy().into_owned();
    boot(
        lab,
        &mut scene,
        "files missing",
        (Firmware::BiosIpxe, &disk),
        |scene, machine| {
            machine.wait("cp-1 is approved, but cannot start:", PATIENCE)?;
            machine.wait(
                "vmlinuz-amd64 and initramfs-amd64.xz were not imported.",
                PATIENCE,
            )?;
            machine.wait("On the ktizo host: ktizo assets import DIR", PATIENCE)?;
            let timeline = || scene.ktizo.command(["device", "boots", MAC]);
            let said = poll(WRITTEN_DOWN, || {
                timeline()
                    .ok()
                    .filter(|timeline| timeline.contains("imported"))
            });
            ensure!(
                said.is_some(),
                "the timeline does not say what it waits for: {}",
                timeline()?
            );
            let ordered = now();
            scene.ktizo.command([
                "assets",
                "import",
                &assets,
                "--version",
                TALOS,
                "--arch",
                "amd64",
            ])?;
            let imported = now();
            let kernel = scene
                .tap
                .wait(ordered, PATIENCE, |what| fetches(what, KERNEL));
            let kernel = kernel.context("the machine did not go on")?;
            within(
                "from import to kernel",
                kernel.at.saturating_duration_since(imported),
                Duration::from_secs(1),
            )?;
            receives_its_config(scene, machine)
        },
    )
}
