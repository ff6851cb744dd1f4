//! What is done on the pages with one device's settings, and with many devices at once.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::daemon::Daemon;

const A_WHILE: Duration = Duration::from_secs(30);

#[test]
fn all_settings_of_a_device_are_in_one_form() -> Result<()> {
    let daemon = Daemon::start(22_100)?;
    let machine = json!({"mac_address": "52:54:00:aa:bb:01"});
    daemon.ask("POST", "/devices", &machine)?;
    let approved = json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"});
    daemon.ask("POST", "/devices/1/approve", &approved)?;
    let page = Chromium::signed_in(&daemon, "otto", "operator")?;
    page.go("/devices/1")?;
    let open = "for (const box of document.querySelectorAll('#settings details')) box.open = true";
    page.run(open)?;
    page.fill("#disk_serial", "S3Z9NX0M")?;
    page.fill(
        "#schematic",
        "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba",
    )?;
    page.fill("#kernel_modules", "bonding mode=1\nnvme-tcp")?;
    page.fill("#image_cache_min_size", "10GiB")?;
    page.fill("#volume-0-name", "data")?;
    page.fill("#volume-0-disk_selector", "!system_disk")?;
    page.click("[data-another]")?;
    page.fill("#volume-1-name", "a_b")?;
    page.fill("#volume-1-disk_selector", "!system_disk")?;
    page.fill("#volume-1-min_size", "1GiB")?;
    page.fill("#install_disk", "/dev/sda")?;
    // What is wrong is told where it is, and nothing that was typed is lost.
    page.click("#save")?;
    page.await_text("by path or by selector, not by both", A_WHILE)?;
    page.await_focus("install_disk")?;
    let kept = page.run(
        "return ['disk_serial', 'kernel_modules', 'volume-1-name'].map((id) => document.getElementById(id).value)",
    )?;
    assert_eq!(kept, json!(["S3Z9NX0M", "bonding mode=1\nnvme-tcp", "a_b"]));
    page.fill("#install_disk", "")?;
    page.click("#save")?;
    page.await_text("minimum or a maximum size", A_WHILE)?;
    page.fill("#volume-0-max_size", "80%")?;
    page.click("#save")?;
    page.await_text("`a_b` is not 1 to 34 letters", A_WHILE)?;
    page.fill("#volume-1-name", "more")?;
    page.click("#save")?;
    page.await_text("Saved.", A_WHILE)?;
    let settings = daemon.ask("GET", "/devices/1/settings", &Value::Null)?;
    assert_eq!(settings["install_selector"]["serial"], "S3Z9NX0M");
    assert_eq!(
        settings["kernel_modules"],
        json!([{"name": "bonding", "parameters": ["mode=1"]}, {"name": "nvme-tcp", "parameters": []}])
    );
    assert_eq!(settings["image_cache"]["min_size"], "10GiB");
    assert_eq!(settings["user_volumes"][0]["max_size"], "80%");
    assert_eq!(settings["user_volumes"][1]["name"], "more");
    // Saved as it stands, it changes nothing; a volume is taken out, and somebody else's change is not lost.
    page.click("#save")?;
    page.await_text("Nothing was changed.", A_WHILE)?;
    page.run(open)?;
    page.click("#volume-0-gone")?;
    daemon.ask("PUT", "/devices/1/settings", &json!({"install_wipe": true}))?;
    page.click("#save")?;
    page.await_text("changed this device while you were typing", A_WHILE)?;
    page.click("#save")?;
    page.await_text("Saved.", A_WHILE)?;
    let settings = daemon.ask("GET", "/devices/1/settings", &Value::Null)?;
    assert_eq!(settings["user_volumes"].as_array().map(Vec::len), Some(1));
    assert_eq!(settings["user_volumes"][0]["name"], "more");
    assert_eq!(settings["install_wipe"], true);
    Ok(())
}

#[test]
fn many_are_rejected_ordered_and_deleted_after_a_look() -> Result<()> {
    let daemon = Daemon::start(22_200)?;
    for number in 1..=6 {
        let machine = json!({"mac_address": format!("52:54:00:aa:bb:0{number}")});
        daemon.ask("POST", "/devices", &machine)?;
    }
    let approved = json!({"hostname": "cp-1", "ip_address": "10.20.0.11", "role": "controlplane"});
    daemon.ask("POST", "/devices/1/approve", &approved)?;
    let approved = json!({"hostname": "worker-1", "ip_address": "10.20.0.12", "role": "worker"});
    daemon.ask("POST", "/devices/6/approve", &approved)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    let choose = |deed: &str, devices: &[u8]| -> Result<()> {
        page.go("/devices")?;
        for device in devices {
            page.click(&format!("#pick-{device}"))?;
        }
        page.click(&format!("#deed option[value={deed}]"))?;
        page.click("#preview")
    };
    // The last control plane is left out, and the list says why; nothing is done before it is asked for.
    choose("reject", &[1, 2, 3])?;
    page.await_text("Reject 2 devices?", A_WHILE)?;
    page.await_text("disks stay as they are", A_WHILE)?;
    page.await_text("1 stays as it is", A_WHILE)?;
    page.await_text("last control plane", A_WHILE)?;
    let status = |device: u8| -> Result<Value> {
        let path = format!("/devices/{device}");
        Ok(daemon.ask("GET", &path, &Value::Null)?["status"].clone())
    };
    assert_eq!(status(2)?, "pending");
    // What somebody else changes after the look is shown before anything is done.
    daemon.ask("PUT", "/devices/3", &json!({"notes": "by somebody else"}))?;
    page.click("#act")?;
    page.await_text("changed after the preview, so nothing was changed", A_WHILE)?;
    page.await_text("Reject 2 devices?", A_WHILE)?;
    assert_eq!([status(2)?, status(3)?], ["pending", "pending"]);
    page.click("#act")?;
    page.await_text("2 devices are rejected", A_WHILE)?;
    assert_eq!(
        [status(1)?, status(2)?, status(3)?],
        ["approved", "rejected", "rejected"]
    );
    let wipe = json!({"order": "wipe", "confirm": "cp-1"});
    daemon.ask("POST", "/devices/1/order", &wipe)?;
    choose("local", &[1])?;
    page.await_text("nothing is written", A_WHILE)?;
    // It is shown as it stands, not as it would.
    page.await_text("wipe ordered", A_WHILE)?;
    page.await_text("is called off", A_WHILE)?;
    page.click("#act")?;
    page.await_text("1 device is ordered to boot", A_WHILE)?;
    let ordered = daemon.ask("GET", "/devices/1", &Value::Null)?;
    assert_eq!(ordered["boot_order"], "local");
    choose("install", &[1, 4])?;
    page.await_text("overwrites the install disk", A_WHILE)?;
    page.await_text("Once it is approved", A_WHILE)?;
    // One that is forgotten meanwhile leaves the others to look at.
    daemon.ask(
        "POST",
        "/devices",
        &json!({"mac_address": "52:54:00:aa:bb:08"}),
    )?;
    choose("menu", &[4, 7])?;
    page.await_text("Order the menu for 2 devices?", A_WHILE)?;
    daemon.ask("DELETE", "/devices/7", &Value::Null)?;
    page.click("#act")?;
    page.await_text("Order the menu for 1 device?", A_WHILE)?;
    page.await_text("there is no device 7", A_WHILE)?;
    // To delete, the number of devices is typed.
    choose("delete", &[2, 3, 4])?;
    page.await_text("Delete 3 devices?", A_WHILE)?;
    page.fill("#count", "2")?;
    page.click("#act")?;
    page.await_text("type 3 to delete them", A_WHILE)?;
    page.fill("#count", "3")?;
    page.click("#act")?;
    page.await_text("3 devices are deleted", A_WHILE)?;
    let left = daemon.ask("GET", "/devices", &Value::Null)?;
    assert_eq!(left.as_array().map(Vec::len), Some(3));
    let machine = json!({"mac_address": "52:54:00:aa:bb:07"});
    let added = daemon.ask("POST", "/devices", &machine)?["id"].clone();
    let added = u8::try_from(added.as_u64().expect("it has a number"))?;
    choose("approve", &[5, added])?;
    page.await_text("Approve 2 devices", A_WHILE)?;
    // An operator may do all of it but delete.
    daemon.user("otto", "operator")?;
    page.go("/")?;
    page.click("header form[action='/sign-out'] button")?;
    page.await_path("/sign-in")?;
    page.sign_in("otto")?;
    page.go("/devices")?;
    assert_eq!(page.count("#deed option[value=reject]")?, 1);
    assert_eq!(page.count("#deed option[value=delete]")?, 0);
    page.go("/devices/bulk?action=delete&id=5")?;
    page.await_text("this needs admin", A_WHILE)?;
    Ok(())
}

#[test]
fn what_is_to_be_done_stays_chosen_while_devices_come() -> Result<()> {
    let daemon = Daemon::start(22_600)?;
    let add = |number: u8| {
        let machine = json!({"mac_address": format!("52:54:00:aa:bb:0{number}")});
        daemon.ask("POST", "/devices", &machine)
    };
    add(1)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/devices")?;
    page.await_text("Live", A_WHILE)?;
    page.click("#deed option[value=delete]")?;
    page.click("#pick-1")?;
    add(2)?;
    page.await_text("52:54:00:aa:bb:02", A_WHILE)?;
    let chosen = page.run(
        "return [document.getElementById('deed').value, document.getElementById('pick-1').checked]",
    )?;
    assert_eq!(chosen, json!(["delete", true]));
    Ok(())
}

#[test]
fn firmware_gets_what_its_profile_says() -> Result<()> {
    let daemon = Daemon::start(22_300)?;
    let page = Chromium::signed_in(&daemon, "ada", "admin")?;
    page.go("/network")?;
    page.fill("#firmware-efi_x64-loader", "../odd.efi")?;
    page.click("#save")?;
    page.await_text("must be a bare file name", A_WHILE)?;
    page.await_focus("firmware-efi_x64-loader")?;
    page.fill("#firmware-efi_x64-loader", "odd.efi")?;
    page.click("#firmware-bios-discovery_control option[value=false]")?;
    page.click("#save")?;
    page.await_text("Saved.", A_WHILE)?;
    let settings = daemon.ask("GET", "/network/settings", &Value::Null)?;
    assert_eq!(settings["firmware"]["efi_x64"]["loader"], "odd.efi");
    assert_eq!(settings["firmware"]["bios"]["discovery_control"], false);
    assert_eq!(settings["firmware"]["bios"]["loader"], Value::Null);
    page.go("/diagnostics")?;
    page.await_text(
        "odd.efi, which the network settings give to UEFI x64",
        A_WHILE,
    )?;
    Ok(())
}
