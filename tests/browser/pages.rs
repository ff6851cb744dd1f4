//! Every page: its picture in light and dark, on a desk and a phone, and what axe-core finds wrong with it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ktizo_tests::clock::poll;
use serde_json::{Value, json};

use crate::chromium::{Chromium, Size};
use crate::daemon::{Daemon, dev};
use crate::machine::{ask_for_wipe, log, script_of, switch_on};

const A_WHILE: Duration = Duration::from_secs(30);

const PAGES: [(&str, &str); 18] = [
    ("/", "overview"),
    ("/devices", "devices"),
    ("/devices/new", "device-new"),
    ("/devices/1", "device"),
    ("/devices/approve?id=2&id=3", "approve"),
    ("/cluster", "cluster"),
    ("/cluster/patches/new", "patch-new"),
    ("/devices/2", "device-pending"),
    ("/devices/4", "device-wipe"),
    ("/devices/6", "device-conflict"),
    ("/devices?needs=person", "devices-needy"),
    ("/devices/bulk?action=reject&id=1&id=2&id=3", "bulk"),
    ("/network", "network"),
    ("/assets", "assets"),
    ("/events", "events"),
    ("/people", "people"),
    ("/diagnostics", "diagnostics"),
    ("/devices/999", "trouble"),
];

const MODELS: [&str; 5] = [
    "PowerEdge R640",
    "PowerEdge R6525",
    "OptiPlex Micro 7010",
    "PowerEdge XR12",
    "Precision 3660",
];

#[test]
fn every_page_is_pictured_and_accessible() -> Result<()> {
    let axe = axe()?;
    let daemon = Daemon::start(21_300)?;
    let page = Chromium::start(&daemon)?;
    // Pages of a daemon that nobody has used yet say what to do next.
    page.go("/sign-in")?;
    check(&page, "sign-in", "light", Size::Desk, &axe)?;
    page.go(&daemon.set_up_link()?)?;
    check(&page, "set-up", "dark", Size::Phone, &axe)?;
    daemon.user("ada", "admin")?;
    page.sign_in("ada")?;
    for (path, name) in [("/", "overview-empty"), ("/devices", "devices-empty")] {
        page.go(path)?;
        check(&page, name, "light", Size::Desk, &axe)?;
    }
    let boots: Vec<_> = (1..=MODELS.len())
        .map(|number| {
            switch_on(
                daemon.boot_port,
                &format!("52-54-00-aa-bb-0{number}"),
                MODELS[number - 1],
            )
        })
        .collect();
    page.await_text("52:54:00:aa:bb:05", A_WHILE)?;
    // Each has said what it is, and waits.
    let waits = |device: &Value| device["model"].is_string();
    let all_wait = || {
        let listed = daemon.ask("GET", "/devices", &Value::Null).ok()?;
        let waiting = listed.as_array()?.iter().filter(|it| waits(it)).count();
        (waiting == MODELS.len()).then_some(())
    };
    poll(A_WHILE, all_wait).context("not all of them wait")?;
    daemon.ask(
        "POST",
        "/devices/1/approve",
        &json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"}),
    )?;
    daemon.ask("POST", "/devices/5/reject", &json!({}))?;
    // The approved one boots to its end; the others wait until the daemon ends.
    let approved = daemon.ask("GET", "/devices/1", &Value::Null)?["mac_address"].clone();
    let number = approved
        .as_str()
        .and_then(|mac| mac.chars().last()?.to_digit(10));
    let boot = boots
        .into_iter()
        .nth(number.context("no MAC")? as usize - 1);
    let config = boot
        .context("no such machine")?
        .join()
        .expect("the machine does not panic")?;
    assert!(config.is_some());
    let mac = approved.as_str().unwrap_or_default().replace(':', "-");
    log(
        daemon.log_port,
        &mac,
        &[
            (
                "info",
                "Linux version 6.12.43-talos (@buildkitsandbox) #1 SMP",
            ),
            (
                "info",
                "Command line: talos.platform=metal console=ttyS0 net.ifnames=0",
            ),
            (
                "warn",
                "tpm tpm0: A TPM error (256) occurred attempting to determine the timeout",
            ),
            (
                "warn",
                "[talos] task loadConfig (1/1): fetching machine config from the boot server",
            ),
            (
                "warn",
                "[talos] service[kubelet](Waiting): waiting for volume \"/var/lib\" to be mounted",
            ),
            ("error", "nvme nvme0: I/O timeout, reset controller"),
        ],
    )?;
    page.go("/devices/1")?;
    page.await_text("reset controller", A_WHILE)?;
    // One is about to be wiped, and has labels and notes.
    let second = json!({"hostname": "worker-1", "ip_address": "10.20.0.12", "role": "worker", "notes": "top of rack 7"});
    daemon.ask("POST", "/devices/4/approve", &second)?;
    daemon.ask(
        "PUT",
        "/devices/4",
        &json!({"labels": {"rack": "7", "site": "north"}}),
    )?;
    daemon.ask(
        "POST",
        "/devices/4/order",
        &json!({"order": "wipe", "confirm": "worker-1"}),
    )?;
    // Another board shows itself with the card of one, at whose console somebody asked for a wipe before.
    let [known, other] =
        ["3133", "3199"].map(|end| format!("4c4c4544-0042-3510-8054-b9c04f4a{end}"));
    script_of(daemon.boot_port, "52-54-00-aa-bb-06", &known)?;
    daemon.await_device(6)?;
    let third = json!({"hostname": "worker-2", "ip_address": "10.20.0.13", "role": "worker"});
    daemon.ask("POST", "/devices/6/approve", &third)?;
    ask_for_wipe(daemon.boot_port, "52-54-00-aa-bb-06", &known)?;
    page.go("/devices/6")?;
    page.await_text("Somebody at the console asked for a wipe", A_WHILE)?;
    script_of(daemon.boot_port, "52-54-00-aa-bb-06", &other)?;
    page.await_text("It is not certain which machine this is", A_WHILE)?;
    for (path, name) in PAGES {
        for scheme in ["light", "dark"] {
            for size in [Size::Desk, Size::Phone] {
                page.look_like(scheme, size)?;
                page.go(path)?;
                if name.starts_with("device") || name == "cluster" {
                    page.run(
                        "for (const box of document.querySelectorAll('details')) box.open = true",
                    )?;
                }
                check(&page, name, scheme, size, &axe)?;
            }
        }
    }
    Ok(())
}

/// Takes the picture of the page and lets axe-core look at it.
fn check(page: &Chromium, name: &str, scheme: &str, size: Size, axe: &str) -> Result<()> {
    page.look_like(scheme, size)?;
    let screen = match size {
        Size::Desk => "desk",
        Size::Phone => "phone",
    };
    page.picture(&format!("{name}-{scheme}-{screen}"))?;
    let complaints = page.complaints()?;
    // A page that is not there is itself a complaint.
    let complaints: Vec<&str> = complaints
        .lines()
        .filter(|line| !line.contains("404 (Not Found)"))
        .collect();
    assert!(
        complaints.is_empty(),
        "{name}: the browser complains: {complaints:?}"
    );
    let wide = page.run(
        "return document.documentElement.scrollWidth > document.documentElement.clientWidth",
    )?;
    assert_eq!(wide, false, "{name} is wider than a {screen} screen");
    // The checker comes in by the protocol of the browser's own tools, since no page may load it.
    page.devtools("Runtime.evaluate", &json!({"expression": axe}))?;
    let look = "axe.run().then((found) => found.violations
        .filter(({impact}) => impact === 'serious' || impact === 'critical')
        .map(({id, nodes}) => `${id}: ${nodes.map(({html, failureSummary}) => html.slice(0, 160) + ' ' + failureSummary).join('; ')}`))";
    let asked = json!({"expression": look, "awaitPromise": true, "returnByValue": true});
    let found = page.devtools("Runtime.evaluate", &asked)?;
    let found = found["result"]["value"]
        .as_array()
        .context("axe-core did not run")?
        .clone();
    assert!(found.is_empty(), "{name} {scheme} {screen}: {found:#?}");
    Ok(())
}

/// The text of axe-core, which `cargo xtask setup` fetches.
fn axe() -> Result<String> {
    let file = dev()?.join("axe-core/axe.min.js");
    std::fs::read_to_string(&file).with_context(|| {
        let file = file.display();
        format!("{file} could not be read; `cargo xtask setup` fetches it")
    })
}
