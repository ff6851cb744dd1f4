//! People beside each other: one who may only look, and two who change the same thing.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::chromium::Chromium;
use crate::daemon::Daemon;
use crate::machine::script_of;

const A_WHILE: Duration = Duration::from_secs(30);

#[test]
fn a_viewer_has_no_buttons_and_is_refused() -> Result<()> {
    let daemon = Daemon::start(21_100)?;
    daemon.ask(
        "POST",
        "/devices",
        &json!({"mac_address": "52:54:00:aa:bb:01"}),
    )?;
    let page = Chromium::signed_in(&daemon, "vera", "viewer")?;
    for path in [
        "/",
        "/devices",
        "/devices/1",
        "/network",
        "/cluster",
        "/assets",
        "/events",
        "/diagnostics",
    ] {
        page.go(path)?;
        let forms = page.count("main form[method=post] button")?;
        assert_eq!(forms, 0, "{path} has buttons for a viewer");
    }
    assert_eq!(page.count("a[href='/people']")?, 0);
    // A form that nobody may send who may only look is not shown to them.
    for path in [
        "/devices/new",
        "/devices/1/approve",
        "/devices/approve?id=1",
        "/devices/bulk?action=reject&id=1",
        "/cluster/patches/new",
        "/people",
    ] {
        page.go(path)?;
        page.await_text("Not allowed", A_WHILE)?;
        assert_eq!(
            page.count("main form")?,
            0,
            "{path} has a form for a viewer"
        );
    }
    // A form that was kept from before, and a script: both are refused.
    let sent = page.run(
        "const form = document.querySelector(\"form[action='/sign-out']\");
         form.action = '/devices/1/reject'; form.submit();",
    );
    sent?;
    page.await_text("this needs operator", A_WHILE)?;
    page.go("/")?;
    let status = page.run(
        "const csrf = document.querySelector('input[name=csrf]').value;
         return fetch('/api/v1/devices/1/reject', {method: 'POST', headers: {'X-CSRF-Token': csrf}}).then((answer) => answer.status);",
    )?;
    assert_eq!(status, 403);
    let device = daemon.ask("GET", "/devices/1", &serde_json::Value::Null)?;
    assert_eq!(device["status"], "pending");
    Ok(())
}

#[test]
fn an_operator_approves_and_sees_no_secret() -> Result<()> {
    let daemon = Daemon::start(21_800)?;
    let (machine, patch) = (
        json!({"mac_address": "52:54:00:aa:bb:01"}),
        "machine:\n  token: abcdef.0123456789abcdef\n",
    );
    daemon.ask("POST", "/devices", &machine)?;
    daemon.ask(
        "POST",
        "/patches",
        &json!({"scope": "cluster", "name": "token", "text": patch}),
    )?;
    let page = Chromium::signed_in(&daemon, "otto", "operator")?;
    page.go("/devices/1/approve")?;
    page.click("main .button.main")?;
    page.await_text("Approved.", A_WHILE)?;
    page.run("document.getElementById('config').open = true")?;
    page.await_text("token: (secret)", A_WHILE)?;
    for path in ["/cluster", "/network", "/assets"] {
        page.go(path)?;
        assert_eq!(
            page.count("main form[method=post] button")?,
            0,
            "{path} has buttons for an operator"
        );
    }
    for path in ["/people", "/cluster/patches/1", "/cluster/patches/new"] {
        page.go(path)?;
        page.await_text("this needs admin", A_WHILE)?;
    }
    for path in [
        "/cluster/secrets",
        "/cluster/talosconfig",
        "/cluster/base/worker",
        "/patches/1",
        "/devices/1/config",
        "/backup",
    ] {
        let status = page.run(&format!(
            "return fetch('/api/v1{path}').then((answer) => answer.status)"
        ))?;
        assert_eq!(status, 403, "{path}");
    }
    for path in [
        "/cluster/secrets/export",
        "/cluster/talosconfig",
        "/cluster/base/worker/export",
    ] {
        let status = page.run(&format!(
            "const form = new URLSearchParams({{csrf: document.querySelector('input[name=csrf]').value}});
             return fetch('{path}', {{method: 'POST', body: form}}).then((answer) => answer.status)"
        ))?;
        assert_eq!(status, 403, "{path}");
    }
    Ok(())
}

#[test]
fn what_was_typed_outlives_the_session() -> Result<()> {
    let daemon = Daemon::start(21_900)?;
    daemon.ask(
        "POST",
        "/devices",
        &json!({"mac_address": "52:54:00:aa:bb:01"}),
    )?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    page.fill("#notes", "typed before the session ended")?;
    // Another password ends the sessions.
    daemon.ask(
        "PUT",
        "/users/ada",
        &json!({"password": crate::daemon::PASSWORD}),
    )?;
    daemon.ask("PUT", "/devices/1", &json!({"labels": {"rack": "7"}}))?;
    page.await_text("You are signed out", Duration::from_secs(40))?;
    let other = page.window()?;
    page.sign_in("ada")?;
    page.back_to(&other)?;
    let back = ktizo_tests::clock::poll(Duration::from_secs(40), || {
        let hidden = page
            .run("return document.getElementById('signed-out').hidden")
            .ok()?;
        (hidden == true).then_some(())
    });
    assert!(
        back.is_some(),
        "the page does not notice that somebody signed in"
    );
    page.click("#save")?;
    page.await_text("changed this device while you were typing", A_WHILE)?;
    page.click("#save")?;
    page.await_text("Saved.", A_WHILE)?;
    let device = daemon.ask("GET", "/devices/1", &serde_json::Value::Null)?;
    assert_eq!(device["notes"], "typed before the session ended");
    assert_eq!(device["labels"]["rack"], "7");
    Ok(())
}

/// Save comes before the page has noticed that its session is over, as after a sign-out in another tab.
#[test]
fn what_was_typed_is_not_sent_without_a_session() -> Result<()> {
    let daemon = Daemon::start(24_300)?;
    let machine = json!({"mac_address": "52:54:00:aa:bb:01"});
    daemon.ask("POST", "/devices", &machine)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    page.fill("#notes", "typed before the sign-out")?;
    let first = page.window()?;
    page.go("/devices")?;
    page.run(
        "const form = new URLSearchParams({csrf: document.querySelector('input[name=csrf]').value});
         return fetch('/sign-out', {method: 'POST', body: form}).then((answer) => answer.status)",
    )?;
    page.back_to(&first)?;
    page.click("#save")?;
    page.await_text("You are signed out", A_WHILE)?;
    let kept = page.run("return [location.pathname, document.getElementById('notes').value]")?;
    assert_eq!(kept, json!(["/devices/1", "typed before the sign-out"]));
    page.window()?;
    page.sign_in("ada")?;
    page.back_to(&first)?;
    page.click("#save")?;
    page.await_text("Saved.", A_WHILE)?;
    let device = daemon.ask("GET", "/devices/1", &serde_json::Value::Null)?;
    assert_eq!(device["notes"], "typed before the sign-out");
    Ok(())
}

#[test]
fn a_machine_that_was_rejected_meanwhile_is_not_let_in_by_an_old_page() -> Result<()> {
    let daemon = Daemon::start(23_400)?;
    daemon.user("otto", "operator")?;
    let machine = json!({"mac_address": "52:54:00:aa:bb:01"});
    daemon.ask("POST", "/devices", &machine)?;
    let page = Chromium::start(&daemon)?;
    page.sign_in("otto")?;
    page.go("/devices/1/approve")?;
    daemon.ask("POST", "/devices/1/reject", &serde_json::Value::Null)?;
    page.click("main .button.main")?;
    page.await_text(
        "It changed after you were shown it (root: rejected); it is rejected.",
        A_WHILE,
    )?;
    let device = daemon.ask("GET", "/devices/1", &serde_json::Value::Null)?;
    assert_eq!(device["status"], "rejected");
    page.click("main .button.main")?;
    page.await_text("Approved.", A_WHILE)?;
    Ok(())
}

#[test]
fn two_people_who_edit_one_device_lose_nothing() -> Result<()> {
    let daemon = Daemon::start(21_200)?;
    for name in ["ada", "bert"] {
        daemon.user(name, "operator")?;
    }
    daemon.ask(
        "POST",
        "/devices",
        &json!({"mac_address": "52:54:00:aa:bb:01"}),
    )?;
    let (ada, bert) = (Chromium::start(&daemon)?, Chromium::start(&daemon)?);
    for (page, name) in [(&ada, "ada"), (&bert, "bert")] {
        page.sign_in(name)?;
        page.go("/devices/1")?;
    }
    ada.fill("#notes", "rack 7")?;
    bert.fill("#notes", "rack 8")?;
    ada.click("form[action='/devices/1'] .button.main")?;
    ada.await_text("Saved.", A_WHILE)?;
    bert.click("form[action='/devices/1'] .button.main")?;
    bert.await_text("ada changed this device while you were typing", A_WHILE)?;
    bert.await_text("Somebody else put here: rack 7", A_WHILE)?;
    assert_eq!(
        bert.run("return document.getElementById('notes').value")?,
        "rack 8"
    );
    let notes = |daemon: &Daemon| -> Result<serde_json::Value> {
        Ok(daemon.ask("GET", "/devices/1", &serde_json::Value::Null)?["notes"].clone())
    };
    assert_eq!(notes(&daemon)?, "rack 7");
    bert.click("form[action='/devices/1'] .button.main")?;
    bert.await_text("Saved.", A_WHILE)?;
    assert_eq!(notes(&daemon)?, "rack 8");

    // What was refused is still there when the page looks again, and only another's change is called one.
    bert.fill("#hostname", "not_a_name")?;
    bert.click("form[action='/devices/1'] .button.main")?;
    let is = |script: &str| {
        let seen =
            ktizo_tests::clock::poll(A_WHILE, || (bert.run(script).ok()? == true).then_some(()));
        anyhow::ensure!(seen.is_some(), "never so: {script}");
        Ok(())
    };
    // The page of before is live, too, and looks once before it sends its form.
    is("return document.querySelector('#hostname[aria-invalid=true]') !== null")?;
    bert.await_text("Live", A_WHILE)?;
    let looked = |times: u8| {
        format!(
            "return performance.getEntriesByType('resource').filter((it) => it.initiatorType === 'fetch').length >= {times}"
        )
    };
    is(&looked(1))?;
    // When it looks once more, what it saw first has been taken in.
    let news = json!({"hold_limit_seconds": 301});
    daemon.ask("PUT", "/network/settings", &news)?;
    is(&looked(2))?;
    is("return document.getElementById('settings-stale').hidden")?;
    ada.fill("#notes", "rack 9")?;
    ada.click("form[action='/devices/1'] .button.main")?;
    is("return !document.getElementById('settings-stale').hidden")?;
    assert_eq!(
        bert.run("return document.getElementById('hostname').value")?,
        "not_a_name"
    );
    Ok(())
}

#[test]
fn a_person_says_who_a_machine_is() -> Result<()> {
    let daemon = Daemon::start(22_000)?;
    let known = "4c4c4544-0042-3510-8054-b9c04f4a3133";
    let other = "4c4c4544-0042-3510-8054-b9c04f4a3199";
    script_of(daemon.boot_port, "52-54-00-aa-bb-01", known)?;
    daemon.await_device(1)?;
    let approved = json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"});
    daemon.ask("POST", "/devices/1/approve", &approved)?;
    let page = Chromium::signed_in(&daemon, "otto", "operator")?;
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    script_of(daemon.boot_port, "52-54-00-aa-bb-01", other)?;
    page.await_text("It is not certain which machine this is", A_WHILE)?;
    page.await_text(other, A_WHILE)?;
    page.go("/devices")?;
    page.await_text("not certain who it is", A_WHILE)?;
    page.go("/devices/1")?;
    page.run("window.confirm = () => true")?;
    page.click("form[action$='/identity'] button")?;
    page.await_text("who the device is, is decided", A_WHILE)?;
    Ok(())
}
