//! Many pages in one browser: those behind the one that is seen hold no line to the daemon, and are true once they are seen.

use std::time::Duration;

use anyhow::Result;
use ktizo_tests::clock::now;
use ktizo_tests::ledger::within;
use serde_json::json;

use crate::chromium::Chromium;
use crate::daemon::Daemon;

const A_SECOND: Duration = Duration::from_secs(1);
const A_WHILE: Duration = Duration::from_secs(30);
/// More than the six connections that a browser has to one host.
const TABS: usize = 8;
/// What stands beside the light, which a small window keeps in its menu.
const LIGHT: &str = "return document.getElementById('live').textContent";

#[test]
fn more_tabs_than_a_browser_has_connections_all_follow() -> Result<()> {
    let daemon = Daemon::start(23_600)?;
    let machine = json!({"mac_address": "52:54:00:aa:bb:01"});
    daemon.ask("POST", "/devices", &machine)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    page.run("window.notReloaded = true")?;
    page.hide()?;
    let first = page.window()?;
    for _ in 1..TABS {
        page.go("/devices/1")?;
        page.await_value(LIGHT, &json!("Live"))?;
        page.hide()?;
        page.window()?;
    }
    // What happens meanwhile is shown in a moment, by a page that is still the same.
    daemon.ask("PUT", "/devices/1", &json!({"labels": {"rack": "17"}}))?;
    page.back_to(&first)?;
    page.show()?;
    let shown = now();
    page.await_text("rack=17", A_WHILE)?;
    within(
        "from a tab that is shown to what is so",
        shown.elapsed(),
        A_SECOND,
    )?;
    page.await_text("Live", A_WHILE)?;
    assert_eq!(page.run("return window.notReloaded")?, true);
    // It follows again, too.
    daemon.ask("PUT", "/devices/1", &json!({"labels": {"rack": "18"}}))?;
    page.await_text("rack=18", A_WHILE)?;
    Ok(())
}

#[test]
fn a_page_that_was_put_to_sleep_shows_the_end_of_its_session() -> Result<()> {
    let daemon = Daemon::start(23_700)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices")?;
    page.await_text("Live", A_WHILE)?;
    // As browsers do with tabs that nobody sees for long (Page Lifecycle).
    let state = |word: &str| page.devtools("Page.setWebLifecycleState", &json!({"state": word}));
    page.hide()?;
    state("frozen")?;
    let password = json!({"password": crate::daemon::PASSWORD});
    daemon.ask("PUT", "/users/ada", &password)?;
    state("active")?;
    page.show()?;
    page.await_path("/sign-in")?;
    Ok(())
}
