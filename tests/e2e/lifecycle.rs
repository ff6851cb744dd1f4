//! Installs that are proven or not, and wipes that happen once: boot after boot of the same machine.

use anyhow::Result;
use ktizo_tests::disk::Disk;
use ktizo_tests::ledger::say;
use ktizo_tests::machine::{Build, Firmware, Machine};
use ktizo_tests::scene::Scene;
use serde_json::Value;

use crate::runner::Lab;
use crate::trial::{
    MAC, PATIENCE, UUID, becomes, boot, gets_nothing, receives_its_config, scene, starts_its_disk,
};

/// An approved machine whose guest tells what `guest` says; its disk starts by itself.
fn approved(lab: &Lab, name: &str, guest: &str) -> Result<(Scene, Disk)> {
    let scene = scene(lab, name)?;
    let args = format!("guest.install={guest}");
    let words = ["network", "set", "--menu", "0", "--extra-kernel-args"];
    scene
        .ktizo
        .command(words.iter().copied().chain([args.as_str()]))?;
    scene.ktizo.command(["device", "add", MAC])?;
    scene.approve(MAC, "cp-1", 50)?;
    let disk = Disk::bootable(&scene.folder.join("disk.img"))?;
    Ok((scene, disk))
}

fn is_installed(device: &Value) -> bool {
    device["install"]["state"] == "installed" && device["boot_order"] == "local"
}

fn proven(lab: &Lab, name: &str, firmware: Firmware) -> Result<()> {
    let (mut scene, disk) = approved(lab, name, "well")?;
    let parts = (firmware, &disk);
    boot(lab, &mut scene, "install", parts, |scene, machine| {
        receives_its_config(scene, machine)?;
        becomes(scene, "proven to be installed", is_installed)
    })?;
    boot(lab, &mut scene, "second boot", parts, |scene, machine| {
        starts_its_disk(scene, machine)
    })
}

pub(crate) fn bios_goes_to_its_disk_once_proven(lab: &Lab) -> Result<()> {
    proven(lab, "bios_proven", Firmware::BiosIpxe)
}

pub(crate) fn uefi_goes_to_its_disk_once_proven(lab: &Lab) -> Result<()> {
    proven(lab, "uefi_proven", Firmware::UefiPxe)
}

/// It fetches its config and is never heard of again, or says that it failed: three times, and then a person is asked for.
fn is_held_after_three(lab: &Lab, name: &str, guest: &str, why: &str) -> Result<()> {
    let (mut scene, disk) = approved(lab, name, guest)?;
    let parts = (Firmware::BiosIpxe, &disk);
    for attempt in 1..=3 {
        let title = format!("attempt {attempt}");
        boot(lab, &mut scene, &title, parts, |scene, machine| {
            receives_its_config(scene, machine)?;
            becomes(scene, "in that attempt", |device| {
                device["install"]["attempt"] == attempt
            })
        })?;
    }
    boot(lab, &mut scene, "fourth boot", parts, |scene, machine| {
        machine.wait("nothing proves that it did", PATIENCE)?;
        machine.wait(why, PATIENCE)?;
        becomes(scene, "failed", |device| {
            device["install"]["state"] == "failed" && device["install"]["attempt"] == 3
        })?;
        gets_nothing(scene, machine, ".yaml")?;
        // The held machine goes on at once when a person has decided.
        scene.ktizo.command(["device", "installed", MAC])?;
        starts_its_disk(scene, machine)
    })
}

pub(crate) fn bios_without_proof_is_held_after_three(lab: &Lab) -> Result<()> {
    is_held_after_three(
        lab,
        "bios_without_proof",
        "silent",
        "no proof came after stage config",
    )
}

pub(crate) fn bios_that_fails_is_held_after_three(lab: &Lab) -> Result<()> {
    is_held_after_three(lab, "bios_fails", "fails", "the lab says so")
}

/// Switches the machine on and cuts its power as soon as its console shows `text`.
fn cut(lab: &Lab, scene: &mut Scene, disk: &Disk, text: &str) -> Result<()> {
    let build = Build {
        firmware: Firmware::BiosIpxe,
        mac: MAC,
        uuid: UUID,
        serial: "LAB-10",
        disk: Some(disk),
        echo: false,
    };
    lab.boot_begins();
    let mut machine = Machine::start(&lab.kit, &mut scene.lan, &build, &scene.folder)?;
    machine.wait(text, PATIENCE)?;
    drop(machine);
    say(format_args!("  power cut at `{text}`"));
    lab.boot_completed();
    Ok(())
}

fn order_wipe(scene: &Scene) -> Result<()> {
    let words = [
        "device",
        "wipe",
        MAC,
        "--confirm",
        "cp-1",
        "--then",
        "local",
    ];
    scene.ktizo.command(words)?;
    becomes(scene, "to be wiped", |device| {
        device["wipe_on_next_boot"] == true
    })
}

/// The machine comes back, is held, and gets no kernel, until a person says `words`; then it goes to its disk.
fn is_held(lab: &Lab, scene: &mut Scene, disk: &Disk, words: &[&str]) -> Result<()> {
    let parts = (Firmware::BiosIpxe, disk);
    boot(lab, scene, "held after it", parts, |scene, machine| {
        machine.wait("wipe not proven", PATIENCE)?;
        scene.ktizo.command(words)?;
        starts_its_disk(scene, machine)
    })
}

pub(crate) fn bios_is_wiped_once_whatever_loses_power(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "bios_wipe_cut", "silent")?;
    // The script is there, and nothing was started yet.
    order_wipe(&scene)?;
    cut(lab, &mut scene, &disk, "A wipe of cp-1 was ordered")?;
    let words = ["device", "set", MAC, "--order", "local"];
    is_held(lab, &mut scene, &disk, &words)?;
    // Talos runs and is about to wipe.
    order_wipe(&scene)?;
    cut(lab, &mut scene, &disk, "GUEST WIPE system")?;
    is_held(lab, &mut scene, &disk, &["device", "wiped", MAC])
}

pub(crate) fn bios_proves_its_wipe(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "bios_wipe_proven", "well")?;
    order_wipe(&scene)?;
    let parts = (Firmware::BiosIpxe, &disk);
    boot(lab, &mut scene, "wipe", parts, |scene, machine| {
        machine.wait("GUEST WIPE system", PATIENCE)?;
        machine.wait("GUEST DONE", PATIENCE)?;
        gets_nothing(scene, machine, ".yaml")?;
        becomes(scene, "proven to be wiped", |device| {
            device["wipe"]["state"] == "proven" && device["boot_order"] == "local"
        })
    })?;
    boot(lab, &mut scene, "after it", parts, |scene, machine| {
        starts_its_disk(scene, machine)
    })
}
