//! Who a machine is: another one with its card, and a stranger that asks in its name.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::admin::{Answer, by_tcp};
use ktizo_tests::clock::now;
use ktizo_tests::disk::Disk;
use ktizo_tests::frame::Sighting;
use ktizo_tests::guest::KERNEL;
use ktizo_tests::lan::Host;
use ktizo_tests::machine::{Firmware, Machine};
use ktizo_tests::scene::{SERVER, Scene};
use serde_json::Value;

use crate::runner::Lab;
use crate::trial::{
    Board, MAC, PATIENCE, UUID, becomes, boot, boot_on, client, gets_nothing, receives_its_config,
    scene, starts_its_disk,
};

const SECOND: Board = Board {
    uuid: "4c4c4544-0000-4000-8000-000000000020",
    serial: "LAB-20",
};
const THIRD: Board = Board {
    uuid: "4c4c4544-0000-4000-8000-000000000030",
    serial: "LAB-30",
};

/// An approved machine that is shown no menu.
fn approved(lab: &Lab, name: &str) -> Result<(Scene, Disk)> {
    let scene = scene(lab, name)?;
    scene.ktizo.command(["network", "set", "--menu", "0"])?;
    scene.ktizo.command(["device", "add", MAC])?;
    scene.approve(MAC, "cp-1", 50)?;
    let disk = Disk::bootable(&scene.folder.join("disk.img"))?;
    Ok((scene, disk))
}

fn shown(scene: &Scene) -> Result<Value> {
    scene.ktizo.json(&["device", "show", MAC])
}

fn is_installed(device: &Value) -> bool {
    device["install"]["state"] == "installed"
}

/// The machine is held, says why, and is shown as a conflict with what it says of itself.
fn is_in_conflict(scene: &Scene, machine: &mut Machine, board: Board) -> Result<()> {
    machine.wait("IDENTITY CONFLICT: two machines claim to be cp-1", PATIENCE)?;
    becomes(scene, "in a conflict", |device| {
        let conflict = &device["identity_conflict"];
        conflict["kind"] == "one_mac_two_machines"
            && conflict["uuid"] == board.uuid
            && conflict["serial"] == board.serial
    })?;
    let device = shown(scene)?;
    ensure!(
        device["uuid"] == UUID && device["serial"] == "LAB-10",
        "the other machine took its place without a person: {device}"
    );
    let told = scene.ktizo.command(["device", "identity", MAC])?;
    ensure!(
        told.contains(board.uuid) && told.contains(board.serial),
        "the command line does not tell who it is:\n{told}"
    );
    // Held means held: it does nothing by itself.
    std::thread::sleep(Duration::from_secs(3));
    gets_nothing(scene, machine, KERNEL)?;
    gets_nothing(scene, machine, ".yaml")
}

fn decide(scene: &Scene, decision: &str) -> Result<()> {
    scene.ktizo.command(["device", "identity", MAC, decision])?;
    let device = shown(scene)?;
    ensure!(device["identity_conflict"].is_null(), "{device}");
    Ok(())
}

fn set(scene: &Scene, what: &str, name: &str, value: &str) -> Result<()> {
    let words: &[&str] = match what {
        "device" => &["device", "set", MAC, name, value],
        _ => &[what, "set", name, value],
    };
    scene.ktizo.command(words).map(drop)
}

pub(crate) fn bios_another_machine_with_its_mac_is_held_until_decided(lab: &Lab) -> Result<()> {
    let (mut scene, first) = approved(lab, "bios_another_machine")?;
    let second = Disk::bootable(&scene.folder.join("second.img"))?;
    let firmware = Firmware::BiosIpxe;
    let untouched = first.sha256()?;
    boot(
        lab,
        &mut scene,
        "the machine",
        (firmware, &first),
        |scene, machine| {
            receives_its_config(scene, machine)?;
            becomes(scene, "installed", is_installed)
        },
    )?;

    // Whoever asks for a config of it, it is ordered to install.
    set(&scene, "device", "--order", "install")?;
    let parts = (firmware, &second);
    boot_on(
        SECOND,
        lab,
        &mut scene,
        "another machine, kept out",
        parts,
        |scene, machine| {
            is_in_conflict(scene, machine, SECOND)?;
            decide(scene, "--keep")?;
            let kept = now();
            // Turned away is turned away: its next question gets no more than the one before.
            let asks_again = |what: &Sighting| {
                matches!(what, Sighting::HttpRequest { from, line }
                    if *from == client() && line.contains("since="))
            };
            let asked = scene.tap.wait(kept, PATIENCE, asks_again);
            asked.context("it does not wait any more")?;
            std::thread::sleep(Duration::from_secs(1));
            gets_nothing(scene, machine, KERNEL)?;
            let device = shown(scene)?;
            ensure!(
                device["identity_conflict"].is_null() && device["uuid"] == UUID,
                "what a person decided is brought up again: {device}"
            );
            set(scene, "network", "--hold-limit", "1")?;
            starts_its_disk(scene, machine)
        },
    )?;
    set(&scene, "network", "--hold-limit", "300")?;
    boot(
        lab,
        &mut scene,
        "the machine that was kept",
        (firmware, &first),
        |scene, machine| {
            receives_its_config(scene, machine)?;
            becomes(scene, "installed", is_installed)
        },
    )?;

    set(&scene, "device", "--order", "install")?;
    boot_on(
        THIRD,
        lab,
        &mut scene,
        "a third one, accepted",
        parts,
        |scene, machine| {
            is_in_conflict(scene, machine, THIRD)?;
            decide(scene, "--accept")?;
            receives_its_config(scene, machine)?;
            becomes(scene, "known as what was accepted", |device| {
                device["uuid"] == THIRD.uuid && device["serial"] == THIRD.serial
            })
        },
    )?;
    ensure!(
        first.sha256()? == untouched,
        "the first machine's disk was changed"
    );
    Ok(())
}

/// What the machine asked for by HTTP last, with this in it.
fn asked_last(scene: &Scene, part: &str) -> Result<String> {
    let seen = scene.tap.seen();
    let path = seen.iter().rev().find_map(|seen| match &seen.what {
        Sighting::HttpRequest { from, line } if *from == client() && line.contains(part) => {
            line.strip_prefix("GET ").map(ToOwned::to_owned)
        }
        _ => None,
    });
    path.with_context(|| format!("the machine never asked for {part}"))
}

fn asks(stranger: &Host, path: &str) -> Result<Answer> {
    by_tcp(stranger, (SERVER, 80), "GET", path, &[])
        .with_context(|| format!("no answer to the stranger's GET {path}"))
}

/// The stranger asks for the machine's script in every way the machine itself may, and the device is as it was.
fn learns_and_spends_nothing(scene: &Scene, stranger: &Host, path: &str) -> Result<()> {
    let known = || -> Result<Value> {
        let mut device = shown(scene)?;
        // It was heard of, or so it seems.
        device["last_seen"] = Value::Null;
        Ok(device)
    };
    let before = known()?;
    for more in ["", "", "", "", "&since=1", "&choice=wipe"] {
        let script = asks(stranger, &format!("{path}{more}"))?;
        let text = script.text();
        ensure!(
            script.status == 200 && text.contains("10.77.0.9 asked for it with card"),
            "the stranger is not told why it gets nothing: {} {text}",
            script.status
        );
        ensure!(
            !text.contains("token=") && !text.contains("talos."),
            "the stranger got something to boot: {text}"
        );
        let after = known()?;
        ensure!(
            after == before,
            "a stranger that asked {path}{more} changed the device from {before} to {after}"
        );
    }
    Ok(())
}

fn is_refused(stranger: &Host, path: &str) -> Result<()> {
    let answer = asks(stranger, path)?;
    ensure!(
        answer.status == 403 && !answer.text().contains("v1alpha1"),
        "GET {path} was answered {}: {}",
        answer.status,
        answer.text()
    );
    Ok(())
}

/// The token with its last character but one changed; the last may hold fewer bits than it shows.
fn another_token(path: &str) -> Result<String> {
    let at = path.len() - 2;
    let other = if path.as_bytes()[at] == b'a' {
        "b"
    } else {
        "a"
    };
    let (before, after) = (path.get(..at), path.get(at + 1..));
    let parts = before.zip(after).context("a path is ASCII")?;
    Ok(format!("{}{other}{}", parts.0, parts.1))
}

pub(crate) fn a_stranger_gets_no_config_and_uses_up_nothing(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "a_stranger")?;
    let stranger = scene.lan.host("stranger", 9)?;
    let parts = (Firmware::BiosIpxe, &disk);
    let guest = |scene: &Scene, how: &str| {
        let argument = format!("guest.install={how}");
        set(scene, "network", "--extra-kernel-args", &argument)
    };
    // The install is begun, and nothing proves it yet: the next script is another attempt.
    guest(&scene, "silent")?;
    boot(lab, &mut scene, "install", parts, |scene, machine| {
        receives_its_config(scene, machine)
    })?;
    becomes(&scene, "begun to install", |device| {
        device["install"]["state"] == "begun" && !device["last_config_download"].is_null()
    })?;

    let config = asked_last(&scene, ".yaml?token=")?;
    let (plain, _) = config.split_once('?').context("the config has a token")?;
    is_refused(&stranger, plain)?;
    is_refused(&stranger, &another_token(&config)?)?;
    is_refused(&stranger, &format!("{plain}?token="))?;
    let script = asked_last(&scene, "/boot/52-54-00-77-00-10?")?;
    ensure!(script.contains(UUID), "the query tells no UUID: {script}");
    learns_and_spends_nothing(&scene, &stranger, &script)?;

    let words = ["device", "wipe", MAC, "--confirm", "cp-1", "--then"];
    scene
        .ktizo
        .command(words.iter().copied().chain(["install"]))?;
    guest(&scene, "well")?;
    learns_and_spends_nothing(&scene, &stranger, &script)?;

    // What the stranger did not get is there for the machine.
    boot(lab, &mut scene, "wipe", parts, |scene, machine| {
        machine.wait("GUEST WIPE system", PATIENCE)?;
        machine.wait("GUEST DONE", PATIENCE)?;
        becomes(scene, "proven to be wiped", |device| {
            device["wipe"]["state"] == "proven"
        })
    })?;
    boot(lab, &mut scene, "install", parts, |scene, machine| {
        receives_its_config(scene, machine)
    })
}
