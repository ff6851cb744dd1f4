//! What an approved machine does at its next network boot, by its order.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::disk::{Disk, LOCAL_DISK};
use ktizo_tests::frame::Sighting;
use ktizo_tests::ledger::within;
use ktizo_tests::machine::{Firmware, Machine};
use ktizo_tests::scene::Scene;

use crate::runner::Lab;
use crate::trial::{MAC, PATIENCE, boot, client, receives_its_config, scene, starts_its_disk};

/// The menu of an order `menu`, and of an install that nothing proves, waits this long (and BIOS and iPXE need some seconds).
const LONG_MENU: Duration = Duration::from_secs(60);

fn approved(lab: &Lab, name: &str, settings: &[&str]) -> Result<(Scene, Disk)> {
    let scene = scene(lab, name)?;
    scene.ktizo.command(["device", "add", MAC])?;
    scene.approve(MAC, "cp-1", 50)?;
    if !settings.is_empty() {
        scene
            .ktizo
            .command(["device", "set", MAC].iter().chain(settings))?;
    }
    let disk = Disk::bootable(&scene.folder.join("disk.img"))?;
    Ok((scene, disk))
}

pub(crate) fn bios_order_local_goes_to_its_disk(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "bios_order_local", &["--order", "local"])?;
    let parts = (Firmware::BiosIpxe, &disk);
    boot(lab, &mut scene, "order local", parts, |scene, machine| {
        starts_its_disk(scene, machine)
    })
}

pub(crate) fn uefi_order_local_goes_to_its_disk(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "uefi_order_local", &["--order", "local"])?;
    let parts = (Firmware::UefiPxe, &disk);
    boot(lab, &mut scene, "order local", parts, |scene, machine| {
        starts_its_disk(scene, machine)
    })
}

/// The firmware itself goes on to its next boot entries, of which one is HTTP boot: that must end at once, and not load iPXE again.
pub(crate) fn uefi_that_leaves_by_exit_is_not_loaded_again(lab: &Lab) -> Result<()> {
    let words = ["--order", "local", "--local-boot", "exit"];
    let (mut scene, disk) = approved(lab, "uefi_leaves_by_exit", &words)?;
    let parts = (Firmware::UefiPxe, &disk);
    boot(
        lab,
        &mut scene,
        "order local by exit",
        parts,
        |scene, machine| {
            starts_its_disk(scene, machine)?;
            let refused = |what: &Sighting| matches!(what, Sighting::HttpStatus { to, status: 404 } if *to == client());
            ensure!(
                scene.tap.first(machine.started(), refused).is_some(),
                "its HTTP boot attempt did not get a 404"
            );
            let loads = scene
                .tap
                .seen()
                .iter()
                .filter(|seen| starts_ipxe(&seen.what))
                .count();
            ensure!(loads == 1, "iPXE was loaded {loads} times");
            let disk = machine
                .console()
                .seen(LOCAL_DISK)
                .context("no local disk")?;
            within(
                "from power-on to the disk through the firmware's own list",
                disk - machine.started(),
                Duration::from_secs(31),
            )
        },
    )
}

/// An iPXE of 2025 asks for this once, whatever loaded it.
fn starts_ipxe(what: &Sighting) -> bool {
    matches!(what, Sighting::TftpRead { from, name } if *from == client() && name.ends_with("autoexec.ipxe"))
}

pub(crate) fn bios_order_menu_ends_at_the_disk(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "bios_order_menu", &["--order", "menu"])?;
    let parts = (Firmware::BiosIpxe, &disk);
    boot(lab, &mut scene, "order menu", parts, |scene, machine| {
        shows_the_long_menu(scene, machine, "is to show its menu")
    })
}

/// The firmware boots from the network again after the install, as many do: nobody asked for a second one, and where machines do not
/// report, nobody knows how the first one ended.
pub(crate) fn bios_second_boot_does_not_install_again(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "bios_second_boot", &[])?;
    scene
        .ktizo
        .command(["network", "set", "--reports", "off"])?;
    let parts = (Firmware::BiosIpxe, &disk);
    boot(lab, &mut scene, "first boot", parts, |scene, machine| {
        receives_its_config(scene, machine)
    })?;
    boot(lab, &mut scene, "second boot", parts, |scene, machine| {
        shows_the_long_menu(scene, machine, "got its config before")
    })
}

fn shows_the_long_menu(scene: &Scene, machine: &mut Machine, why: &str) -> Result<()> {
    let shown = machine.started() + machine.wait(why, PATIENCE)?;
    starts_its_disk(scene, machine)?;
    let disk = machine
        .console()
        .seen(LOCAL_DISK)
        .context("no local disk")?;
    let waited = disk - shown;
    ensure!(
        waited > LONG_MENU - Duration::from_secs(10),
        "the menu was gone after {waited:?}"
    );
    within("the menu and the way to the disk", waited, LONG_MENU)
}
