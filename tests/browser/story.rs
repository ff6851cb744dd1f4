//! The story that the pages must make true: set up, see a machine come, approve it, see it boot.

use std::time::Duration;

use anyhow::Result;
use ktizo_tests::clock::{now, poll};
use ktizo_tests::ledger::within;

use crate::chromium::Chromium;
use crate::daemon::{Daemon, PASSWORD};
use crate::machine::{script, switch_on};

/// The goal for the page to show an event that has just happened.
const A_SECOND: Duration = Duration::from_secs(1);
const A_WHILE: Duration = Duration::from_secs(30);
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn a_person_sets_up_and_sees_a_machine_come_and_boot() -> Result<()> {
    let daemon = Daemon::bare(21_000)?;
    let page = Chromium::start(&daemon)?;

    page.go("/")?;
    page.await_path("/sign-in")?;
    page.await_text("Nobody has an account yet", A_WHILE)?;
    page.go(&daemon.set_up_link()?)?;
    page.fill("#name", "ada")?;
    page.fill("#password", PASSWORD)?;
    page.fill("#again", "something else")?;
    page.click("main button")?;
    page.await_text("is not the same password", A_WHILE)?;
    page.fill("#password", PASSWORD)?;
    page.fill("#again", PASSWORD)?;
    page.click("main button")?;
    page.await_path("/")?;
    page.await_text("Nobody waits", A_WHILE)?;
    page.await_text("Live", A_WHILE)?;

    // A cluster from nothing, with what was wrong told at its field.
    page.click("nav a[href='/cluster']")?;
    page.await_text("No cluster yet", A_WHILE)?;
    page.fill("#name", "lab")?;
    page.fill("#endpoint", "10.20.0.11")?;
    page.click("#save-generate")?;
    page.await_text("https://", A_WHILE)?;
    page.await_focus("endpoint")?;
    page.fill("#endpoint", "https://10.20.0.11:6443")?;
    page.click("#save-generate")?;
    page.await_text("The cluster's secrets and base configs are made", A_WHILE)?;
    // What is wrong in a closed fold opens it.
    page.run("document.getElementById('registry_mirrors').value = 'docker.io'")?;
    page.click("#settings button[value=save]")?;
    page.await_text("each needs the name of a registry", A_WHILE)?;
    page.await_focus("registry_mirrors")?;
    // A patch is tried while it is typed.
    page.go("/cluster/patches/new")?;
    page.fill("#name", "10-sysctl")?;
    page.fill("#text", "machine:\n  colour: red\n")?;
    page.await_text("colour", A_WHILE)?;
    page.fill(
        "#text",
        "machine:\n  sysctls:\n    net.core.somaxconn: '65535'\n",
    )?;
    page.await_text("This is what it changes", A_WHILE)?;
    page.click("button[value=save]")?;
    page.await_text("The patch was saved", A_WHILE)?;
    page.go("/")?;
    page.await_text("Live", A_WHILE)?;

    page.run("window.notReloaded = true")?;
    let machine = switch_on(daemon.boot_port, "52-54-00-aa-bb-01", "PowerEdge R640");
    let first = poll(A_WHILE, || {
        let found = daemon
            .ask("GET", "/devices?limit=1", &serde_json::Value::Null)
            .ok()?;
        found[0]["id"].as_i64()
    });
    assert!(first.is_some(), "the machine was not recorded");
    let recorded = now();
    for shown in ["52:54:00:aa:bb:01", "waits for approval", "PowerEdge R640"] {
        page.await_text(shown, A_WHILE)?;
    }
    within(
        "from a machine's first word to the page",
        now() - recorded,
        A_SECOND,
    )?;
    assert_eq!(page.run("return window.notReloaded")?, true);

    // Approved by keyboard alone, from a list that was searched.
    page.go("/devices")?;
    page.press(&["/"])?;
    page.press(&["r", "6", "4", "0", ENTER])?;
    page.await_text("1 device found", A_WHILE)?;
    page.run("document.querySelector('input[name=id]').focus()")?;
    page.press(&[" "])?;
    page.await_text("1 selected", A_WHILE)?;
    page.press(&[ENTER])?;
    page.await_path("/devices/approve")?;
    page.await_text("Approve 52:54:00:aa:bb:01", A_WHILE)?;
    page.run("document.querySelector('main input:not([type=hidden])').focus()")?;
    page.press(&[TAB, TAB, ENTER])?;
    page.run("document.querySelector('main input:not([type=hidden])').focus()")?;
    page.press(&[ENTER])?;
    page.await_path("/devices/1")?;
    page.await_text("Approved. A machine that waits goes on by itself.", A_WHILE)?;
    let gone_on = poll(A_WHILE, || machine.is_finished().then_some(()));
    assert!(
        gone_on.is_some(),
        "the machine still waits after its approval"
    );
    let config = machine.join().expect("the machine does not panic")?;
    assert!(config.is_some_and(|config| config.contains("hostname: cp-1")));
    page.await_text("config served", A_WHILE)?;
    for step in ["Waits", "Kernel", "Initramfs", "Config"] {
        page.await_text(step, A_WHILE)?;
    }

    page.click("#script summary")?;
    page.await_text("chain", A_WHILE)?;
    page.click("#config summary")?;
    page.await_text("token: (secret)", A_WHILE)?;
    page.click("input[value=local]")?;
    page.click("form[action$='/order'] button")?;
    page.await_text("The boot order was given", A_WHILE)?;
    page.await_text("Now: local", A_WHILE)?;

    // A wipe needs the name of the device, and can be called off.
    page.click("input[value=wipe]")?;
    page.fill("#wipe_confirm", "cp-2")?;
    page.click("#give-order")?;
    page.await_text("is not the name of the device", A_WHILE)?;
    page.await_focus("wipe_confirm")?;
    page.fill("#wipe_confirm", "cp-1")?;
    page.click("#give-order")?;
    page.await_text("The wipe is ordered.", A_WHILE)?;
    page.await_text("Now: wipe", A_WHILE)?;
    page.click("#decline-wipe")?;
    page.await_text("The wipe is called off", A_WHILE)?;
    page.await_text("Now: local", A_WHILE)?;
    // Ordered again, it goes out once, and is not proven until somebody says so.
    page.click("input[value=wipe]")?;
    page.fill("#wipe_confirm", "cp-1")?;
    page.click("#give-order")?;
    page.await_text("A wipe is ordered", A_WHILE)?;
    let sent = script(daemon.boot_port, "52-54-00-aa-bb-01")?;
    assert!(sent.contains("talos.experimental.wipe"), "{sent}");
    page.await_text("The wipe is not proven", A_WHILE)?;
    let again = script(daemon.boot_port, "52-54-00-aa-bb-01")?;
    assert!(!again.contains("talos.experimental.wipe"), "{again}");
    page.go("/")?;
    page.await_text("needs a person", A_WHILE)?;
    page.await_text("wipe not proven", A_WHILE)?;
    page.go("/devices/1")?;
    page.run("window.confirm = () => true")?;
    page.click("#vouch-wiped")?;
    page.await_text("Taken down as your word", A_WHILE)?;

    page.go("/network")?;
    page.click("input[name=strict_boot_mode][value=false]")?;
    page.fill("#node_subnet", "10.20.0.5/24")?;
    page.click("main .button.main")?;
    page.await_text("did you mean 10.20.0.0/24?", A_WHILE)?;
    page.await_focus("node_subnet")?;
    assert_eq!(
        page.run("return document.querySelector('[name=strict_boot_mode]:checked').value")?,
        "false"
    );
    page.fill("#node_subnet", "10.20.0.0/24")?;
    page.click("main .button.main")?;
    page.await_text("Strict boot mode is off", A_WHILE)?;

    page.click("form[action='/sign-out'] button")?;
    page.await_path("/sign-in")?;
    page.go("/devices/1")?;
    page.await_path("/sign-in")?;
    Ok(())
}
