//! One boot of one machine, with what holds for every boot: its time by stages, its disk as it was, one reply to each of its requests.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::poll;
use ktizo_tests::disk::Disk;
use ktizo_tests::frame::{Mac, Sighting, parse_mac};
use ktizo_tests::guest::ReceivedConfig;
use ktizo_tests::ledger::{Stages, say};
use ktizo_tests::machine::{Build, Firmware, Machine};
use ktizo_tests::scene::Scene;
use serde_json::Value;

use crate::runner::{Lab, folder};

/// The machine's card.
pub(crate) const MAC: &str = "52:54:00:77:00:10";
pub(crate) const UUID: &str = "4c4c4544-0000-4000-8000-000000000010";
/// The machine's mainboard.
const BOARD: Board = Board {
    uuid: UUID,
    serial: "LAB-10",
};
/// Longer than any step of a boot takes on a busy host.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);
/// Longer than anything that was seen takes to be written down.
pub(crate) const WRITTEN_DOWN: Duration = Duration::from_secs(30);
/// Longer than a machine takes to go off once it has said its last word.
const OFF: Duration = Duration::from_secs(60);

/// What tells one machine from another with the same card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    /// Its SMBIOS UUID.
    pub(crate) uuid: &'static str,
    /// Its SMBIOS serial number.
    pub(crate) serial: &'static str,
}

/// The card as it is in packets.
pub(crate) fn client() -> Mac {
    parse_mac(MAC).expect("a hardware address")
}

/// A scene in a folder of the test's name.
pub(crate) fn scene(lab: &Lab, name: &str) -> Result<Scene> {
    Scene::set(&lab.kit, &lab.assets, folder(lab, name)?)
}

/// Boots the machine: [`boot_on`] its own mainboard.
pub(crate) fn boot(
    lab: &Lab,
    scene: &mut Scene,
    title: &str,
    parts: (Firmware, &Disk),
    prove: impl FnOnce(&mut Scene, &mut Machine) -> Result<()>,
) -> Result<()> {
    boot_on(BOARD, lab, scene, title, parts, prove)
}

/// Switches a machine with [`MAC`] on, lets `prove` watch it, and waits until it is off.
pub(crate) fn boot_on(
    board: Board,
    lab: &Lab,
    scene: &mut Scene,
    title: &str,
    (firmware, disk): (Firmware, &Disk),
    prove: impl FnOnce(&mut Scene, &mut Machine) -> Result<()>,
) -> Result<()> {
    lab.boot_begins();
    let before = disk.sha256()?;
    let build = Build {
        firmware,
        mac: MAC,
        uuid: board.uuid,
        serial: board.serial,
        disk: Some(disk),
        echo: false,
    };
    let mut machine = Machine::start(&lab.kit, &mut scene.lan, &build, &scene.folder)?;
    let proof = prove(scene, &mut machine);
    let proof = proof.and_then(|()| machine.wait_off(OFF));
    let mut seen = scene.tap.seen();
    seen.retain(|seen| seen.at >= machine.started());
    let mut stages = Stages::from_wire(&seen, client(), machine.started());
    let off = proof.with_context(|| {
        format!(
            "on the wire: {stages}; the daemon said:\n{}",
            scene.ktizo.said()
        )
    })?;
    stages.first("off", off);
    say(format_args!("  {}, {title}: {stages}", firmware.name()));
    ensure!(
        disk.sha256()? == before,
        "the disk was changed without an order"
    );
    scene.tap.exactly_one_reply(client())?;
    lab.boot_completed();
    Ok(())
}

/// The machine starts its disk, and asked for no kernel and no config.
pub(crate) fn starts_its_disk(scene: &Scene, machine: &mut Machine) -> Result<()> {
    machine.wait(ktizo_tests::disk::LOCAL_DISK, PATIENCE)?;
    gets_nothing(scene, machine, ktizo_tests::guest::KERNEL)?;
    gets_nothing(scene, machine, ".yaml")
}

/// The guest prints the digest of its config: it is the one that was compiled, and the daemon noted that it went out.
pub(crate) fn receives_its_config(scene: &Scene, machine: &mut Machine) -> Result<()> {
    machine.wait("GUEST DONE", PATIENCE)?;
    let text = machine.console().text();
    ensure!(
        text.contains("GUEST PLATFORM metal"),
        "the kernel was not told its platform"
    );
    let received = ReceivedConfig::read(&text)?;
    ensure!(
        received.sha256 == scene.ktizo.compiled_sha256("controlplane", MAC)?,
        "the config is not the compiled one"
    );
    becomes(scene, "noted to have its config", |device| {
        !device["last_config_download"].is_null()
    })
}

/// Waits until the daemon shows the device so: what machines do and tell is written down beside their boots, not before.
pub(crate) fn becomes(scene: &Scene, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
    let show = || scene.ktizo.json(&["device", "show", MAC]).ok();
    let seen = poll(WRITTEN_DOWN, || show().filter(&is));
    ensure!(seen.is_some(), "it is not {what}: {:?}", show());
    Ok(())
}

/// Waits until the daemon lists the device as one that waits for approval.
pub(crate) fn is_pending(scene: &Scene) -> Result<()> {
    let pending = poll(WRITTEN_DOWN, || {
        scene.lists(MAC, "pending").ok().filter(|listed| *listed)
    });
    pending
        .map(drop)
        .context("the machine is not listed as pending")
}

/// The machine never asked for a file of that name.
pub(crate) fn gets_nothing(scene: &Scene, machine: &Machine, file: &str) -> Result<()> {
    let fetched = scene
        .tap
        .first(machine.started(), |what| fetches(what, file));
    ensure!(
        fetched.is_none(),
        "the machine asked for {file}: {:?}",
        fetched.map(|seen| seen.what)
    );
    Ok(())
}

/// Whether the machine asks for a file of that name.
pub(crate) fn fetches(what: &Sighting, file: &str) -> bool {
    match what {
        Sighting::HttpRequest { from, line } => {
            *from == client()
                && line.starts_with("GET ")
                && line
                    .split('?')
                    .next()
                    .is_some_and(|path| path.ends_with(file))
        }
        Sighting::TftpRead { from, name } => *from == client() && name.ends_with(file),
        _ => false,
    }
}
