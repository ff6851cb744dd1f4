//! Pages without their script, and texts that would like to be one.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::daemon::{Daemon, PASSWORD};
use crate::machine::{log, switch_on};

const A_WHILE: Duration = Duration::from_secs(30);

#[test]
fn everything_but_live_updates_works_without_a_script() -> Result<()> {
    let daemon = Daemon::bare(21_600)?;
    daemon.user("ada", "admin")?;
    let page = Chromium::start(&daemon)?;
    page.scripts(false)?;
    page.go("/sign-in")?;
    page.fill("#name", "ada")?;
    page.fill("#password", PASSWORD)?;
    page.click("main button")?;
    page.await_path("/")?;
    assert_eq!(
        page.run("return document.getElementById('live').hidden")?,
        true,
        "the script ran"
    );

    page.go("/cluster")?;
    page.fill("#name", "plain")?;
    page.fill("#endpoint", "10.20.0.11:6443")?;
    page.click("#save-generate")?;
    page.await_text("https://", A_WHILE)?;
    assert_eq!(
        page.run("return document.getElementById('name').value")?,
        "plain"
    );
    page.fill("#endpoint", "https://10.20.0.11:6443")?;
    page.click("#save-generate")?;
    page.await_text("The cluster's secrets and base configs are made", A_WHILE)?;

    page.go("/cluster/patches/new")?;
    page.fill("#name", "10-sysctl")?;
    page.fill("#text", "machine:\n  colour: red\n")?;
    page.click("button[value=check]")?;
    page.await_text("colour", A_WHILE)?;
    page.fill(
        "#text",
        "machine:\n  sysctls:\n    net.core.somaxconn: '65535'\n",
    )?;
    page.click("button[value=check]")?;
    page.await_text("+        net.core.somaxconn", A_WHILE)?;
    page.click("button[value=save]")?;
    page.await_text("The patch was saved", A_WHILE)?;

    page.go("/devices/new")?;
    page.fill("#mac_address", "52-54-00-aa-bb-01")?;
    page.fill("#labels", "rack=7 -wrong-=1")?;
    page.click("main .button.main")?;
    page.await_text("label", A_WHILE)?;
    page.fill("#labels", "rack=7")?;
    page.click("main .button.main")?;
    page.await_path("/devices/1")?;
    page.go("/devices?label=rack")?;
    page.await_text("1 device found", A_WHILE)?;
    page.click("#pick-1")?;
    page.click("#preview")?;
    page.await_text("Approve 52:54:00:aa:bb:01", A_WHILE)?;
    page.await_text("Which disks this machine has is not known", A_WHILE)?;
    page.click("main .button.main")?;
    page.await_text("Approved.", A_WHILE)?;
    page.await_text("Now: install", A_WHILE)?;
    page.click("input[value=local]")?;
    page.click("#give-order")?;
    page.await_text("Now: local", A_WHILE)?;
    // A kernel is imported, and refused where it is none.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("vmlinuz-amd64");
    std::fs::write(&file, "#!/bin/sh")?;
    page.go("/assets")?;
    page.choose_file("#file", &file)?;
    page.fill("#version", "v1.12.1")?;
    page.click("main .button.main")?;
    page.await_text("vmlinuz-amd64 of Talos v1.12.1", A_WHILE)?;
    std::fs::write(&file, [b"MZ".as_slice(), &[0; 5000]].concat())?;
    page.choose_file("#file", &file)?;
    page.click("main .button.main")?;
    page.await_text("The file was imported", A_WHILE)?;
    // What cannot be taken back needs a tick.
    let user = json!({"name": "zoe", "authority": "viewer", "password": PASSWORD});
    daemon.ask("POST", "/users", &user)?;
    page.go("/people")?;
    let delete = "form[action='/people/users/zoe/delete']";
    page.click(&format!("{delete} button"))?;
    assert_eq!(page.count(delete)?, 1);
    assert!(
        daemon
            .ask("GET", "/users", &Value::Null)?
            .to_string()
            .contains("zoe")
    );
    page.picture("plain-people")?;
    page.click(&format!("{delete} input[type=checkbox]"))?;
    page.click(&format!("{delete} button"))?;
    page.await_text("was deleted", A_WHILE)?;
    assert!(
        !daemon
            .ask("GET", "/users", &Value::Null)?
            .to_string()
            .contains("zoe")
    );
    page.go("/nothing")?;
    page.await_text("Not found", A_WHILE)?;
    page.click("header form[action='/sign-out'] button")?;
    page.await_path("/sign-in")?;
    page.go("/set-up?token=used-before")?;
    page.await_text("This link is not good", A_WHILE)?;
    assert_eq!(page.count("main form")?, 0);
    Ok(())
}

#[test]
fn what_comes_from_the_network_is_shown_and_never_run() -> Result<()> {
    let daemon = Daemon::start(21_700)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    let hostile = "<script>window.owned=1</script><img src=x onerror=window.owned=1>\"'&lt;";
    let machine = switch_on(daemon.boot_port, "52-54-00-aa-bb-01", hostile);
    page.await_text("<script>window.owned=1</script>", A_WHILE)?;
    daemon.ask("PUT", "/devices/1", &json!({"notes": hostile}))?;
    let approved = json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"});
    daemon.ask("POST", "/devices/1/approve", &approved)?;
    assert!(
        machine
            .join()
            .expect("the machine does not panic")?
            .is_some()
    );
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    log(
        daemon.log_port,
        "52-54-00-aa-bb-01",
        &[("error", hostile), ("info", "and a last line")],
    )?;
    page.await_text("and a last line", A_WHILE)?;
    for path in [
        "/",
        "/devices",
        "/devices/1",
        "/devices/1/approve",
        "/events",
        "/diagnostics",
        "/devices?q=%3Cscript%3Ewindow.owned%3D1%3C/script%3E&sort=%22%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.owned%3D1%3E",
        "/devices?label=%22%3E%3Cscript%3Ewindow.owned%3D1%3C/script%3E",
        "/events?device=%22%3E%3Cscript%3Ewindow.owned%3D1%3C/script%3E&who=%22%3E%3Cscript%3E",
        "/sign-in?next=%22%3E%3Cscript%3Ewindow.owned%3D1%3C/script%3E",
        "/devices/%3Cscript%3Ewindow.owned%3D1%3C%2Fscript%3E",
        "/devices/1?explain=%3Cscript%3Ewindow.owned%3D1%3C/script%3E",
        "/cluster/patches/new?scope=device&device=%22%3E%3Cscript%3Ewindow.owned%3D1%3C/script%3E",
    ] {
        page.go(path)?;
        let found = page.run(
            "return [window.owned ?? null, document.querySelectorAll('script').length, document.querySelectorAll('[onerror], img[src=x]').length]",
        )?;
        assert_eq!(found, json!([null, 1, 0]), "{path}");
    }
    // A page that was fetched anew by the script is put in as it is.
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    daemon.ask(
        "PUT",
        "/devices/1",
        &json!({"notes": format!("{hostile} again")}),
    )?;
    page.await_text("again", A_WHILE)?;
    assert_eq!(page.run("return window.owned ?? null")?, Value::Null);
    let complaints = page.complaints()?;
    assert!(
        !complaints.contains("Content Security Policy"),
        "{complaints}"
    );
    Ok(())
}
