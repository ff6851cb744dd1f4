//! What a machine tells of itself: that proves its install, and says why there is none.

use anyhow::{Context, Result, ensure};
use ktizo_tests::clock::poll;
use ktizo_tests::disk::Disk;
use ktizo_tests::machine::Firmware;
use ktizo_tests::scene::Scene;
use serde_json::Value;

use crate::runner::Lab;
use crate::trial::{MAC, PATIENCE, boot, receives_its_config, scene};

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

/// Waits until the newest boot has a stage with an outcome, and gives that boot.
fn reaches(scene: &Scene, stage: &str, outcome: &str) -> Result<Value> {
    let found = poll(PATIENCE, || {
        let boots = scene.ktizo.json(&["device", "boots", MAC]).ok()?;
        let newest = boots.get(0)?.clone();
        let stages = newest["stages"].as_array()?;
        let there = stages
            .iter()
            .any(|seen| seen["stage"] == stage && seen["outcome"] == outcome);
        there.then_some(newest)
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
        let newest = reaches(scene, "installed", "done")?;
        let stages = newest["stages"].as_array().context("a boot has stages")?;
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
            let seen = stages
                .iter()
                .find(|seen| seen["stage"] == stage && seen["outcome"] == "done")
                .with_context(|| format!("the timeline has no {stage}: {newest}"))?;
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
        let device = scene.ktizo.json(&["device", "show", MAC])?;
        ensure!(
            device["install"]["state"] == "installed",
            "the install is not proven: {device}"
        );
        // The proof names who gave it.
        ensure!(device["install"]["by"] == "kernel_log", "{device}");
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
            let newest = reaches(scene, "install", "failed")?;
            ensure!(
                newest.to_string().contains("the lab says so"),
                "Talos's words are not told: {newest}"
            );
            let device = scene.ktizo.json(&["device", "show", MAC])?;
            ensure!(
                device["install"]["state"] == "failed"
                    && device["install"]["last_stage"] == "install",
                "{device}"
            );
            Ok(())
        },
    )
}
