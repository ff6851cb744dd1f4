//! What a machine tells of itself: that proves its install, and says why there is none.

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::poll;
use ktizo_tests::disk::Disk;
use ktizo_tests::machine::Firmware;
use ktizo_tests::scene::Scene;
use serde_json::Value;

use crate::runner::Lab;
use crate::trial::{MAC, PATIENCE, becomes, boot, receives_its_config, scene};

fn approved(lab: &Lab, name: &str, settings: &[&str]) -> Result<(Scene, Disk)> {
    let scene = scene(lab, name)?;
    scene
        .ktizo
        .command(["network", "set"].iter().chain(settings))?;
    scene.ktizo.command(["device", "add", MAC])?;
    scene.approve(MAC, "cp-1", 50)?;
    let disk = Disk::bootable(&scene.folder.join("disk.img"))?;
    Ok((scene, disk))
}

/// Waits until the newest boot has a stage with an outcome, and gives that stage.
fn reaches(scene: &Scene, stage: &str, outcome: &str) -> Result<Value> {
    let found = poll(PATIENCE, || {
        let boots = scene.ktizo.json(&["device", "boots", MAC]).ok()?;
        let stages = boots.get(0)?["stages"].as_array()?;
        let is = |seen: &&Value| seen["stage"] == stage && seen["outcome"] == outcome;
        stages.iter().find(is).cloned()
    });
    found.with_context(|| {
        let boots = scene.ktizo.command(["device", "boots", MAC]);
        format!(
            "no stage {stage} {outcome} in the timeline:\n{}",
            boots.unwrap_or_else(|err| err.to_string())
        )
    })
}

/// Waits until the kept kernel log has the machine's last line, and gives the log.
fn keeps_log_until(scene: &Scene, last: &str) -> Result<String> {
    let log = || scene.ktizo.command(["device", "log", MAC]);
    let whole = poll(PATIENCE, || log().ok().filter(|log| log.contains(last)));
    whole.with_context(|| match log() {
        Ok(log) => format!("the kernel log is not kept until {last:?}:\n{log}"),
        Err(err) => err.to_string(),
    })
}

pub(crate) fn bios_install_is_proven_and_told_stage_by_stage(lab: &Lab) -> Result<()> {
    let (mut scene, disk) = approved(lab, "bios_install_is_proven", &["--reports", "on"])?;
    let parts = (Firmware::BiosIpxe, &disk);
    boot(lab, &mut scene, "install", parts, |scene, machine| {
        receives_its_config(scene, machine)?;
        // Each of them is written down by itself: what was fetched by the boot servers, what Talos says by the receivers.
        for (stage, has_bytes) in [
            ("ipxe", false),
            ("script", false),
            ("kernel", true),
            ("initramfs", true),
            ("config", true),
            ("talos", false),
            ("install", false),
            ("installed", false),
        ] {
            let seen = reaches(scene, stage, "done")?;
            let bytes = seen["bytes"].as_u64().unwrap_or(0) > 0;
            ensure!(
                bytes || !has_bytes,
                "the size of {stage} is not told: {seen}"
            );
        }
        // The install is proven by lines before the last one, which may come a round later.
        let log = keeps_log_until(scene, "task reboot (1/1): starting")?;
        ensure!(
            log.contains("Command line: "),
            "the kernel log is not kept from its beginning:\n{log}"
        );
        // The proof names who gave it.
        becomes(
            scene,
            "proven by its kernel log to be installed",
            |device| {
                device["install"]["state"] == "installed" && device["install"]["by"] == "kernel_log"
            },
        )?;
        // The kernel prints its command line, with the token of the config in it.
        let console = machine.console().text();
        ensure!(
            console.contains(".yaml?token=") && !log.contains("token="),
            "the token is kept in the log:\n{log}"
        );
        let status = scene.ktizo.command(["status"])?;
        ensure!(
            status.contains("10.77.0.2:8090") && status.contains("10.77.0.2:8092"),
            "the receivers are not named:\n{status}"
        );
        Ok(())
    })
}

pub(crate) fn bios_failed_install_says_why(lab: &Lab) -> Result<()> {
    let words = ["--extra-kernel-args", "guest.install=fails"];
    let (mut scene, disk) = approved(lab, "bios_failed_install", &words)?;
    let parts = (Firmware::BiosIpxe, &disk);
    boot(
        lab,
        &mut scene,
        "an install that fails",
        parts,
        |scene, machine| {
            receives_its_config(scene, machine)?;
            let failed = reaches(scene, "install", "failed")?;
            ensure!(
                failed.to_string().contains("the lab says so"),
                "Talos's words are not told: {failed}"
            );
            becomes(scene, "failed to install", |device| {
                device["install"]["state"] == "failed"
                    && device["install"]["last_stage"] == "install"
            })
        },
    )
}
