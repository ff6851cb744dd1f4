//! The whole way in one sitting, with the command line alone: from a fresh daemon to a machine that has the config which was made for it,
//! and on to the first change after that.

use std::fs;

use anyhow::{Context, Result, ensure};
use ktizo_tests::daemon::Ktizo;
use ktizo_tests::disk::Disk;
use ktizo_tests::guest::ReceivedConfig;
use ktizo_tests::lan::Lan;
use ktizo_tests::machine::Firmware;
use ktizo_tests::process::output;
use ktizo_tests::scene::{Scene, TALOS};
use ktizo_tests::site::Site;
use ktizo_tests::wiretap::Wiretap;
use sha2::{Digest, Sha256};

use crate::runner::{Lab, folder};
use crate::trial::{MAC, PATIENCE, boot, is_pending, receives_its_config};

/// What is laid over the base config: for all, for the role, for the machine. Each sets a value of its own, and one that the next overrides.
const PATCHES: [(&str, &str, &str); 3] = [
    (
        "all",
        "cluster",
        "machine: {sysctls: {a: '1', b: cluster, c: cluster}}\n",
    ),
    (
        "planes",
        "controlplane",
        "machine: {sysctls: {b: role, c: role}}\n",
    ),
    ("own", "device", "machine: {sysctls: {c: own}}\n"),
];

pub(crate) fn from_nothing_to_a_machine_and_its_drift(lab: &Lab) -> Result<()> {
    let folder = folder(lab, "founding")?;
    let mut lan = Lan::new()?;
    let (router, server) = (lan.host("site", 1)?, lan.host("ktizo", 2)?);
    let site = Site::start(&router, &folder)?;
    let tap = Wiretap::open(&server, &folder.join("wire.pcap"))?;
    let ktizo = Ktizo::start(&lab.kit, &server, &folder)?;
    let mut scene = Scene {
        ktizo,
        tap,
        site,
        server,
        lan,
        folder,
    };
    found(lab, &scene)?;

    let disk = Disk::empty(&scene.folder.join("disk.img"))?;
    let mut received = None;
    boot(
        lab,
        &mut scene,
        "founded",
        (Firmware::BiosIpxe, &disk),
        |scene, machine| {
            machine.wait("Unknown MAC Address", PATIENCE)?;
            is_pending(scene)?;
            patch(scene, &PATCHES[2])?;
            approve(scene)?;
            receives_its_config(scene, machine)?;
            received = Some(ReceivedConfig::read(&machine.console().text())?);
            Ok(())
        },
    )?;
    let received = received.context("the machine received a config")?;

    let shown = scene.ktizo.command(["device", "config", "show", MAC])?;
    ensure!(
        hex(shown.as_bytes()) == received.sha256,
        "what the command line shows is not what the machine has"
    );
    holds_what_was_set(&scene, &shown)?;
    let file = scene.folder.join("shown.yaml");
    fs::write(&file, &shown)?;
    let file = file.to_string_lossy().into_owned();
    let verdict = offline(
        lab,
        &[
            "machineconfig",
            "validate",
            "--mode",
            "metal",
            "--talos-version",
            TALOS,
            &file,
        ],
    )?;
    ensure!(verdict.contains("is valid for metal mode"), "{verdict}");

    let diff = || scene.ktizo.json(&["device", "config", "diff", MAC]);
    let before = diff()?;
    ensure!(
        before["outdated"] == false && before["diff"] == "",
        "nothing changed, yet: {before}"
    );
    ensure!(
        before["served_sha256"] == received.sha256.as_str(),
        "{before}"
    );
    let changed = (
        PATCHES[0].0,
        PATCHES[0].1,
        "machine: {sysctls: {a: '2', b: cluster, c: cluster}}\n",
    );
    patch(&scene, &changed)?;
    let after = diff()?;
    let lines = after["diff"].as_str().unwrap_or_default();
    ensure!(
        after["outdated"] == true && lines.contains("a: '1'") && lines.contains("a: '2'"),
        "the drift does not show: {after}"
    );
    let device = scene.ktizo.json(&["device", "show", MAC])?;
    ensure!(device["config_outdated"] == true, "{device}");
    // What the machine has is kept as it is, and can be had back.
    patch(&scene, &PATCHES[0])?;
    ensure!(
        diff()?["outdated"] == false,
        "the old config is not the same again"
    );
    Ok(())
}

/// Assets, cluster, patches: in the order of the first screen.
fn found(lab: &Lab, scene: &Scene) -> Result<()> {
    let assets = lab.assets.to_string_lossy();
    let imported = scene
        .ktizo
        .command(["assets", "import", &assets, "--version", TALOS])?;
    ensure!(imported.contains("vmlinuz-amd64"), "{imported}");
    scene.ktizo.command([
        "cluster",
        "init",
        "lab",
        "https://10.77.0.50:6443",
        "--install-disk",
        "/dev/vdz",
        "--additional-sans",
        "api.lab.example",
    ])?;
    PATCHES[..2].iter().try_for_each(|each| patch(scene, each))
}

fn patch(scene: &Scene, (name, scope, text): &(&str, &str, &str)) -> Result<()> {
    let file = scene.folder.join(format!("{name}.yaml"));
    fs::write(&file, text)?;
    let file = file.to_string_lossy();
    let of = if *scope == "device" {
        ["--device", MAC]
    } else {
        ["--scope", scope]
    };
    let words = ["patch", "set", name, &file].into_iter().chain(of);
    scene.ktizo.command(words).map(drop)
}

fn approve(scene: &Scene) -> Result<()> {
    // The suggestions are what the endpoint and the subnet of the card lead to.
    scene
        .ktizo
        .command([
            "device",
            "approve",
            MAC,
            "--yes",
            "--install-disk",
            "/dev/vda",
        ])
        .map(drop)
}

/// Every layer has left its mark, and says so.
fn holds_what_was_set(scene: &Scene, config: &str) -> Result<()> {
    for line in [
        "hostname: cp-1",
        "- 10.77.0.50/24",
        "disk: /dev/vda",
        "- api.lab.example",
        "a: '1'",
        "b: role",
        "c: own",
    ] {
        ensure!(config.contains(line), "the config lacks `{line}`");
    }
    for (path, layer) in [
        ("machine.sysctls.a", "patch cluster/all"),
        ("machine.sysctls.b", "patch controlplane/planes"),
        ("machine.sysctls.c", "patch device/own"),
        ("machine.install.disk", "device settings"),
        ("HostnameConfig:hostname", "device settings"),
        ("cluster.clusterName", "base config"),
    ] {
        let found = scene
            .ktizo
            .json(&["device", "config", "explain", MAC, path])?;
        let last = found[0]["layers"]
            .as_array()
            .and_then(|layers| layers.last());
        ensure!(
            last.is_some_and(|last| last == layer),
            "{path} is not of {layer}: {found}"
        );
    }
    Ok(())
}

fn offline(lab: &Lab, words: &[&str]) -> Result<String> {
    output(std::process::Command::new(lab.kit.ktizo()).args(words))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
