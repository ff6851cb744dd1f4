//! That all of a page follows what happens, and what a person has in hand stays.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ktizo_tests::clock::poll;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::daemon::Daemon;
use crate::machine::{log, switch_on};

const A_WHILE: Duration = Duration::from_secs(30);
/// Turns the clock of a page on, by less than a sleep and more than it waits to look again by itself.
const HALF_A_MINUTE: &str = "const real = Date.now; Date.now = () => real() + 40000";

fn machine(number: u32) -> Value {
    let mac = format!("52:54:00:aa:{:02x}:{:02x}", number >> 8, number & 255);
    json!({"mac_address": mac})
}

/// A daemon with one device, whose page is live.
fn at_a_device(base: u16) -> Result<(Daemon, Chromium)> {
    let daemon = Daemon::start(base)?;
    daemon.ask("POST", "/devices", &machine(1))?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    Ok((daemon, page))
}

#[test]
fn an_order_can_be_given_as_soon_as_a_device_is_let_in() -> Result<()> {
    let (daemon, page) = at_a_device(23_800)?;
    assert_eq!(page.count("#give-order")?, 0);
    let with = json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"});
    daemon.ask("POST", "/devices/1/approve", &with)?;
    page.await_text("Next network boot", A_WHILE)?;
    // What was chosen and typed stays while the rest follows, and so does the focus.
    page.click("#order-wipe")?;
    page.fill("#wipe_confirm", "cp-9")?;
    page.run("document.getElementById('order-wipe').focus()")?;
    let order = json!({"order": "local"});
    daemon.ask("POST", "/devices/1/order", &order)?;
    page.await_text("Now: local", A_WHILE)?;
    let in_hand = "return [document.getElementById('order-wipe').checked, document.getElementById('wipe_confirm').value, \
                   document.getElementById('wipe_confirm').checkVisibility(), document.activeElement.id]";
    page.await_value(in_hand, &json!([true, "cp-9", true, "order-wipe"]))?;
    // The form is still that of the device as it was when the choice was made, and says so.
    page.await_text("changed since you began to choose an order", A_WHILE)?;
    page.click("#give-order")?;
    page.await_text("Nothing was done, for the device changed", A_WHILE)?;
    // What was refused stays said, beside what follows.
    page.fill("#wipe_confirm", "cp-9")?;
    page.click("#give-order")?;
    page.await_text("is not the name of the device", A_WHILE)?;
    page.await_text("Live", A_WHILE)?;
    daemon.ask("PUT", "/devices/1", &json!({"labels": {"rack": "17"}}))?;
    page.await_text("rack=17", A_WHILE)?;
    page.await_text("is not the name of the device", A_WHILE)?;
    page.go("/devices/1")?;
    page.await_text("Live", A_WHILE)?;
    page.run("document.getElementById('give-order').focus()")?;
    daemon.ask("POST", "/devices/1/reject", &json!({}))?;
    page.await_value("return document.getElementById('give-order')", &Value::Null)?;
    // Nothing is left of the place where the focus was; it stays in the page.
    page.await_focus("main")?;
    Ok(())
}

#[test]
fn the_page_of_a_device_that_is_deleted_says_so() -> Result<()> {
    let (daemon, page) = at_a_device(23_900)?;
    page.fill("#notes", "typed for nobody")?;
    daemon.ask("DELETE", "/devices/1", &Value::Null)?;
    page.await_text("This is gone", A_WHILE)?;
    let typed = page.run("return document.getElementById('notes').value")?;
    assert_eq!(typed, "typed for nobody");
    // Where nothing would be lost, the page itself goes.
    daemon.ask("POST", "/devices", &machine(2))?;
    page.run("document.getElementById('notes').value = ''")?;
    page.go("/devices/2")?;
    page.await_text("Live", A_WHILE)?;
    daemon.ask("DELETE", "/devices/2", &Value::Null)?;
    page.await_text("there is no device 2", A_WHILE)?;
    page.await_text("Live", A_WHILE)?;
    // That page stays, and follows what is left to follow.
    page.run("window.notReloaded = true")?;
    daemon.ask("POST", "/devices", &machine(3))?;
    let count = "return document.querySelector('#nav-pending .count')?.firstChild.data";
    page.await_value(count, &json!("1"))?;
    assert_eq!(page.run("return window.notReloaded")?, true);
    Ok(())
}

#[test]
fn the_log_of_an_earlier_boot_stays_where_it_was_asked_for() -> Result<()> {
    let (daemon, page) = at_a_device(24_000)?;
    let with = json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"});
    daemon.ask("POST", "/devices/1/approve", &with)?;
    let mac = "52-54-00-aa-00-01";
    for said in ["of the first boot", "of the second boot"] {
        let booted = switch_on(daemon.boot_port, mac, "PowerEdge R640").join();
        assert!(booted.expect("the machine does not panic")?.is_some());
        log(daemon.log_port, mac, &[("info", said)])?;
        page.await_text(said, A_WHILE)?;
    }
    page.click("#log header a")?;
    page.await_text("of the first boot", A_WHILE)?;
    page.await_text("Live", A_WHILE)?;
    daemon.ask("PUT", "/devices/1", &json!({"labels": {"rack": "17"}}))?;
    page.await_text("rack=17", A_WHILE)?;
    let log = page.run("return document.getElementById('klog').textContent")?;
    let log = log.as_str().context("no log")?;
    assert!(log.contains("of the first boot"), "{log}");
    Ok(())
}

#[test]
fn no_event_is_between_a_page_of_events_and_the_older_ones() -> Result<()> {
    let daemon = Daemon::start(24_100)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    let add = |numbers: std::ops::RangeInclusive<u32>| -> Result<()> {
        for number in numbers {
            daemon.ask("POST", "/devices", &machine(number))?;
        }
        Ok(())
    };
    add(1..=120)?;
    page.go("/events")?;
    page.await_text("Live", A_WHILE)?;
    add(121..=170)?;
    page.await_text("52:54:00:aa:00:aa", A_WHILE)?;
    let macs = "return [...document.querySelectorAll('#rows td a[href^=\"/devices/5\"]')].map((link) => link.textContent)";
    let read = || -> Result<Vec<String>> { Ok(serde_json::from_value(page.run(macs)?)?) };
    let mut seen = read()?;
    page.click("#older")?;
    page.await_value(
        "return location.search.startsWith('?before=')",
        &json!(true),
    )?;
    seen.extend(read()?);
    let wanted: Vec<String> = (1..=170)
        .rev()
        .map(|number| {
            machine(number)["mac_address"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(seen, wanted);
    Ok(())
}

#[test]
fn what_only_time_changes_is_looked_at_again() -> Result<()> {
    let daemon = Daemon::start(24_200)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/diagnostics")?;
    page.await_text("Live", A_WHILE)?;
    page.await_text("Every request that came was answered", A_WHILE)?;
    // A request that is refused is counted, and no event tells of it.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(b"no TFTP", (Ipv4Addr::LOCALHOST, daemon.tftp_port))?;
    page.run(HALF_A_MINUTE)?;
    page.await_value(
        "return document.querySelectorAll('#refused tbody tr').length > 0",
        &json!(true),
    )?;
    Ok(())
}

#[test]
fn a_list_follows_as_soon_as_the_field_in_it_is_left() -> Result<()> {
    let daemon = Daemon::start(24_300)?;
    daemon.ask("POST", "/devices", &machine(1))?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices")?;
    page.await_text("Live", A_WHILE)?;
    page.run("document.getElementById('deed').focus()")?;
    daemon.ask("POST", "/devices", &machine(2))?;
    // All else follows meanwhile.
    page.await_text("2 devices, 2 waiting", A_WHILE)?;
    assert_eq!(page.count("#rows tbody tr")?, 1);
    page.await_focus("deed")?;
    page.run("document.activeElement.blur()")?;
    page.await_value(
        "return document.querySelectorAll('#rows tbody tr').length",
        &json!(2),
    )?;
    // A button that is held down is not taken from under the hand.
    page.run("document.getElementById('d2').dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))")?;
    daemon.ask("POST", "/devices", &machine(3))?;
    page.await_text("3 devices, 3 waiting", A_WHILE)?;
    assert_eq!(page.count("#rows tbody tr")?, 2);
    page.run("document.getElementById('d2').dispatchEvent(new PointerEvent('pointerup', { bubbles: true }))")?;
    page.await_value(
        "return document.querySelectorAll('#rows tbody tr').length",
        &json!(3),
    )?;
    Ok(())
}

#[test]
fn the_pages_of_cluster_and_assets_follow_from_their_heads() -> Result<()> {
    let daemon = Daemon::bare(24_400)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/cluster")?;
    page.await_text("Live", A_WHILE)?;
    page.await_text("No cluster yet", A_WHILE)?;
    let settings = json!({"name": "lab", "endpoint": "https://10.20.0.11:6443"});
    daemon.ask("PUT", "/cluster/settings", &settings)?;
    daemon.ask("POST", "/cluster/config/generate", &json!({}))?;
    page.await_text("Download talosconfig", A_WHILE)?;
    page.await_text("Make all device configs anew", A_WHILE)?;
    let gone = poll(A_WHILE, || {
        page.text()
            .ok()
            .filter(|text| !text.contains("No cluster yet"))
    });
    assert!(
        gone.is_some(),
        "the page still says that there is no cluster"
    );
    page.go("/assets")?;
    page.await_text("Live", A_WHILE)?;
    page.await_text("Machines boot Talos v1.13.0", A_WHILE)?;
    Ok(())
}
