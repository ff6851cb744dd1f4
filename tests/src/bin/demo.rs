//! The product on one terminal: a machine appears, waits, is approved, and boots.

use std::env;
use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use ktizo_tests::clock::poll;
use ktizo_tests::disk::Disk;
use ktizo_tests::guest;
use ktizo_tests::kit::Kit;
use ktizo_tests::ledger::say;
use ktizo_tests::machine::{Build, Firmware, Machine};
use ktizo_tests::scene::{SERVER, Scene};
use ktizo_tests::walls;

const MAC: &str = "52:54:00:6b:74:7a";
const UUID: &str = "4c4c4544-0000-4000-8000-00006b74697a";
const PATIENCE: Duration = Duration::from_secs(300);
/// Longer than the daemon waits for what comes after the words that prove an install.
const PROOF: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match walls::enter().and_then(|()| demo()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            say(format_args!("demo: {err:#}"));
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let asked = |word: &str| env::args().skip(1).any(|argument| argument == word);
    let firmware = if asked("--uefi") {
        Firmware::UefiPxe
    } else {
        Firmware::BiosIpxe
    };
    let kit = Kit::find()?;
    say("demo: a private network with a plain DHCP server (10.77.0.1) and ktizo beside it");
    let assets = guest::assets(&kit)?;
    let mut scene = Scene::set(&kit, &assets, kit.folder("demo")?)?;
    say(format_args!(
        "demo: ktizo serves on {SERVER}, its state is in {}",
        scene.ktizo.state().display()
    ));
    say(format_args!(
        "demo: a machine without a system is switched on; what follows is its serial console\n"
    ));
    let disk = Disk::empty(&scene.folder.join("disk.img"))?;
    let build = Build {
        firmware,
        mac: MAC,
        uuid: UUID,
        serial: "DEMO-1",
        disk: Some(&disk),
        echo: true,
    };
    let mut machine = Machine::start(&kit, &mut scene.lan, &build, &scene.folder)?;
    machine.wait("Unknown MAC Address", PATIENCE)?;
    let pending = poll(Duration::from_secs(10), || {
        scene.lists(MAC, "pending").ok().filter(|listed| *listed)
    });
    pending.context("the machine did not appear as pending")?;
    say(format_args!(
        "\n$ ktizo device list\n{}",
        scene.ktizo.command(["device", "list"])?
    ));
    if !asked("--yes") {
        // The waiting machine goes on to print, which would carry the question off the screen.
        machine.console().hush(true);
        say("demo: press Enter to approve it as control plane cp-1 with the address 10.77.0.50");
        std::io::stdin().lock().read_line(&mut String::new())?;
        machine.console().hush(false);
    }
    say(format_args!(
        "$ ktizo device approve {MAC} --hostname cp-1 --address 10.77.0.50 --role controlplane\n"
    ));
    scene.approve(MAC, "cp-1", 50)?;
    machine.wait("GUEST DONE", PATIENCE)?;
    machine.wait_off(Duration::from_secs(30))?;
    let received = guest::ReceivedConfig::read(&machine.console().text())?;
    anyhow::ensure!(
        received.sha256 == scene.ktizo.compiled_sha256("controlplane", MAC)?,
        "the machine received another config than the one made for it"
    );
    // The machine's last words are on their way to the proof when it goes off.
    let proven = poll(PROOF, || {
        let device = scene.ktizo.json(&["device", "show", MAC]).ok()?;
        (device["install"]["state"] == "installed").then_some(())
    });
    proven.context("the install was not proven")?;
    say(format_args!(
        "\n$ ktizo device show {MAC}\n{}",
        scene.ktizo.command(["device", "show", MAC])?
    ));
    say(
        "demo: the machine booted and received the config that was made for it. Its guest behaves like Talos, but is not Talos.",
    );
    Ok(())
}
