//! iPXE of 2025 asks for `autoexec.ipxe` before it does anything of its own; ktizo answers with a script that spares its waits.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ktizo_tests::disk::Disk;
use ktizo_tests::frame::Sighting;
use ktizo_tests::ledger::say;
use ktizo_tests::machine::Firmware;
use ktizo_tests::scene::Scene;
use ktizo_tests::site::Site;
use ktizo_tests::wiretap::Seen;

use crate::runner::{Lab, folder};
use crate::self_proof::boots_in;
use crate::trial::{MAC, boot, starts_its_disk};

/// On a LAN without IPv6 routers, where iPXE waits longest: once with ktizo, once with a server that has no such file.
pub(crate) fn spares_the_waits_of_ipxe(lab: &Lab) -> Result<()> {
    let firmware = Firmware::UefiPxe;
    let served = folder(lab, "autoexec_served")?;
    let mut scene = Scene::with_site(&lab.kit, &lab.assets, served, Site::start_without_routers)?;
    scene.ktizo.command(["device", "add", MAC])?;
    scene.ktizo.command(["device", "reject", MAC])?;
    let disk = Disk::bootable(&scene.folder.join("disk.img"))?;
    let parts = (firmware, &disk);
    boot(lab, &mut scene, "no routers", parts, |scene, machine| {
        starts_its_disk(scene, machine)
    })?;
    let with = from_autoexec_to_script(&scene.tap.seen())?;
    drop(scene);

    let none = folder(lab, "autoexec_none")?;
    let without = boots_in(lab, firmware, &none, Site::start_without_routers)?;
    let without = from_autoexec_to_script(&without)?;
    say(format_args!(
        "  from autoexec.ipxe to the script: {} ms with it, {} ms without",
        with.as_millis(),
        without.as_millis()
    ));
    ensure!(with < without, "it spares nothing");
    Ok(())
}

/// From the moment that iPXE runs to its first request for a script.
fn from_autoexec_to_script(seen: &[Seen]) -> Result<Duration> {
    let first =
        |is: fn(&Sighting) -> bool| seen.iter().find(|seen| is(&seen.what)).map(|seen| seen.at);
    let asked = first(
        |what| matches!(what, Sighting::TftpRead { name, .. } if name.ends_with("autoexec.ipxe")),
    )
    .context("iPXE did not ask for autoexec.ipxe")?;
    let script =
        first(|what| matches!(what, Sighting::HttpRequest { line, .. } if line.contains("/boot")))
            .context("iPXE did not ask for its script")?;
    Ok(script - asked)
}
