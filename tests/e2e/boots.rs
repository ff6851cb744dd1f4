//! Machines boot through the daemon: each firmware, in each standing a machine can have.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::now;
use ktizo_tests::disk::Disk;
use ktizo_tests::guest;
use ktizo_tests::kit::Arch;
use ktizo_tests::ledger::within;
use ktizo_tests::machine::{Firmware, Machine};
use ktizo_tests::scene::{Scene, TALOS};

use crate::runner::Lab;
use crate::trial::{
    MAC, PATIENCE, boot, fetches, gets_nothing, is_pending, receives_its_config, scene,
    starts_its_disk,
};

/// What the operator has decided about the machine, and what is on its disk.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Unknown,
    Rejected,
    OpenWithDisk,
    OpenWithEmptyDisk,
    Approved,
}

macro_rules! boots {
    ($($name:ident: $firmware:ident, $standing:ident;)*) => {
        $(pub(crate) fn $name(lab: &Lab) -> Result<()> {
            stands(lab, stringify!($name), Firmware::$firmware, Standing::$standing)
        })*
    };
}

boots! {
    bios_unknown_is_held_until_approved: BiosIpxe, Unknown;
    bios_rejected_goes_to_its_disk: BiosIpxe, Rejected;
    bios_strict_off_goes_to_its_disk: BiosIpxe, OpenWithDisk;
    bios_strict_off_without_a_system_runs_talos: BiosIpxe, OpenWithEmptyDisk;
    bios_approved_gets_its_config: BiosIpxe, Approved;
    uefi_unknown_is_held_until_approved: UefiPxe, Unknown;
    uefi_rejected_goes_to_its_disk: UefiPxe, Rejected;
    uefi_strict_off_goes_to_its_disk: UefiPxe, OpenWithDisk;
    uefi_strict_off_without_a_system_runs_talos: UefiPxe, OpenWithEmptyDisk;
    uefi_approved_gets_its_config: UefiPxe, Approved;
    uefi_2025_approved_gets_its_config: UefiPxe2025, Approved;
    uefi_card_rom_approved_gets_its_config: UefiIpxe, Approved;
    uefi_card_rom_rejected_goes_to_its_disk: UefiIpxe, Rejected;
    http_boot_approved_gets_its_config: UefiHttp, Approved;
    http_boot_rejected_goes_to_its_disk: UefiHttp, Rejected;
    arm_unknown_is_held_until_approved: ArmPxe, Unknown;
}

fn stands(lab: &Lab, name: &str, firmware: Firmware, standing: Standing) -> Result<()> {
    let mut scene = scene(lab, name)?;
    if firmware.arch() == Arch::Arm64 {
        let assets = scene.folder.join("assets");
        guest::build(&lab.kit, Arch::Arm64, &assets)?;
        let assets = assets.to_string_lossy();
        let words = ["assets", "import", &assets, "--version", TALOS];
        scene.ktizo.command(words)?;
    }
    decide(&scene, standing)?;
    let image = scene.folder.join("disk.img");
    let disk = match standing {
        Standing::OpenWithEmptyDisk | Standing::Unknown | Standing::Approved => {
            Disk::empty(&image)?
        }
        Standing::Rejected | Standing::OpenWithDisk => Disk::bootable(&image)?,
    };
    let title = format!("{standing:?}");
    boot(
        lab,
        &mut scene,
        &title,
        (firmware, &disk),
        |scene, machine| prove(scene, machine, firmware.arch(), standing),
    )
}

fn decide(scene: &Scene, standing: Standing) -> Result<()> {
    match standing {
        Standing::Unknown => {}
        Standing::Rejected => {
            scene.ktizo.command(["device", "add", MAC])?;
            scene.ktizo.command(["device", "reject", MAC])?;
        }
        Standing::OpenWithDisk | Standing::OpenWithEmptyDisk => {
            scene
                .ktizo
                .command(["network", "set", "--strict-boot-mode", "off"])?;
        }
        Standing::Approved => {
            scene.ktizo.command(["device", "add", MAC])?;
            scene.approve(MAC, "cp-1", 50)?;
        }
    }
    Ok(())
}

/// An entry of the menu that a machine passes before it installs, as it shows on the screen.
const MENU: &str = "Install Talos with the config of this machine";

fn prove(scene: &Scene, machine: &mut Machine, arch: Arch, standing: Standing) -> Result<()> {
    let kernel = format!("vmlinuz-{}", arch.name());
    match standing {
        Standing::Unknown => {
            machine.wait("Unknown MAC Address", PATIENCE)?;
            is_pending(scene)?;
            // Held means held: it does nothing by itself.
            std::thread::sleep(Duration::from_secs(3));
            gets_nothing(scene, machine, &kernel).context("it was not held")?;
            // The machine may go on before the command has ended.
            let ordered = now();
            scene.approve(MAC, "cp-1", 50)?;
            let approved = now();
            let kernel = scene.tap.wait(ordered, Duration::from_secs(30), |what| {
                fetches(what, &kernel)
            });
            let kernel = kernel.context("the approved machine did not ask for its kernel")?;
            within(
                "from approval to kernel",
                kernel.at.saturating_duration_since(approved),
                Duration::from_secs(1),
            )?;
            receives_its_config(scene, machine)?;
            ensure!(
                !machine.console().text().contains(MENU),
                "a machine released from hold was shown the menu"
            );
            Ok(())
        }
        Standing::Approved => {
            receives_its_config(scene, machine)?;
            ensure!(
                machine.console().text().contains(MENU),
                "the menu was not shown"
            );
            Ok(())
        }
        Standing::Rejected | Standing::OpenWithDisk => starts_its_disk(scene, machine),
        Standing::OpenWithEmptyDisk => {
            machine.wait("GUEST MAINTENANCE", PATIENCE)?;
            gets_nothing(scene, machine, ".yaml")
        }
    }
}
