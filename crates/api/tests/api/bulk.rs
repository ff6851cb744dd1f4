//! The same for many devices is what a person saw in the preview.

use model::{Actor, DeviceId};
use serde_json::{Value, json};
use store::Lane;

use crate::world::{MAC_1, World, mac};

const BULK: &str = "/devices/bulk";

/// The body of what is done with the devices of a preview, as it was seen.
fn as_seen(asked: &Value, preview: &Value) -> Value {
    let rows = preview["devices"].as_array().unwrap().iter();
    let seen: Vec<&Value> = rows.map(|row| &row["version"]).collect();
    json!({"action": asked["action"], "devices": asked["devices"], "seen": seen})
}

#[tokio::test]
async fn nothing_is_done_with_what_was_seen_otherwise() {
    let world = World::with_control_plane().await;
    world.add(&mac(10)).await;
    world.add(&mac(11)).await;
    let one = format!("/devices/{}", mac(10));
    let worker = json!({"hostname": "worker-7", "ip_address": "10.0.0.17", "role": "worker"});
    let order = |order: &str| json!({"order": {"order": order}});
    for (action, method, path, change) in [
        // What is suggested is another then.
        (
            json!("approve"),
            "POST",
            "/devices".to_owned(),
            json!({"mac_address": mac(20), "hostname": "worker-1"}),
        ),
        (
            json!("approve"),
            "POST",
            "/devices".to_owned(),
            json!({"mac_address": mac(21), "ip_address": "10.0.0.2"}),
        ),
        (
            json!("reject"),
            "POST",
            format!("{one}/approve"),
            worker.clone(),
        ),
        (
            json!("reject"),
            "PUT",
            one.clone(),
            json!({"labels": {"rack": "7"}}),
        ),
        (
            order("install"),
            "PUT",
            one.clone(),
            json!({"install_disk": "/dev/sdb"}),
        ),
        (
            order("local"),
            "POST",
            format!("{one}/order"),
            json!({"order": "wipe", "confirm": "worker-7"}),
        ),
        (
            json!("delete"),
            "POST",
            format!("{one}/reject"),
            Value::Null,
        ),
    ] {
        let asked = json!({"action": action, "devices": [mac(10), mac(11)], "preview": true});
        let seen = world.ok("POST", BULK, asked.clone()).await;
        assert_eq!(seen["refused"], 0, "{seen}");
        world.ok(method, &path, change.clone()).await;
        let told = world.kinds().await;
        let (status, answer) = world.ask("POST", BULK, as_seen(&asked, &seen)).await;
        assert_eq!(
            (status, &answer["code"]),
            (412, &json!("stale")),
            "{action} {change} {answer}"
        );
        assert!(
            answer["message"].as_str().unwrap().contains(&mac(10)),
            "{answer}"
        );
        assert_eq!(world.kinds().await, told, "{action} {change}");
    }
    // Nothing seen is not everything seen.
    let none = json!({"action": "delete", "devices": [mac(10)], "seen": []});
    assert_eq!(world.ask("POST", BULK, none).await.0, 412);
}

#[tokio::test]
async fn what_was_seen_is_done_whatever_a_machine_does_meanwhile() {
    let world = World::with_control_plane().await;
    world.add(&mac(10)).await;
    world.add(&mac(11)).await;
    for action in ["approve", "reject", "delete"] {
        let asked = json!({"action": action, "devices": [mac(10), mac(11)], "preview": true});
        let seen = world.ok("POST", BULK, asked.clone()).await;
        world.stage(&mac(10), model::BootStage::Discover);
        let done = world.ok("POST", BULK, as_seen(&asked, &seen)).await;
        let pairs = seen["devices"].as_array().unwrap().iter();
        for (seen, done) in pairs.zip(done["devices"].as_array().unwrap()) {
            for field in ["hostname", "ip_address", "role"] {
                assert_eq!(
                    seen["device"][field], done["device"][field],
                    "{action} {field}"
                );
            }
        }
    }
    let left = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["mac_address"], MAC_1);
}

/// The first row of a preview: its device before, after, and the sentence about it.
async fn first_row(world: &World, action: Value, device: &str) -> (Value, Value, String) {
    let asked = json!({"action": action, "devices": [device], "preview": true});
    let answer = world.ok("POST", BULK, asked).await;
    let row = &answer["devices"][0];
    assert_eq!(row["refusal"], Value::Null, "{row}");
    let effect = row["effect"].as_str().unwrap().to_owned();
    (row["before"].clone(), row["device"].clone(), effect)
}

#[tokio::test]
async fn a_preview_shows_how_a_device_stands_before_and_after() {
    let world = World::with_control_plane().await;
    let order = |order: &str| json!({"order": {"order": order}});
    let wipe = json!({"order": "wipe", "confirm": "cp-1"});
    world.ok("POST", "/devices/1/order", wipe).await;
    let (before, after, effect) = first_row(&world, order("local"), "1").await;
    assert_eq!(before["wipe"]["state"], "ordered");
    assert_eq!(after["wipe"]["state"], "none");
    assert!(effect.contains("called off"), "{effect}");
    let sent = world.store.write(Lane::Boot, Actor::System, |writer| {
        let mut device = writer.device(DeviceId(1))?.unwrap();
        let told = device.life.spend_wipe(writer.now());
        writer.live(&device, told)
    });
    sent.await.unwrap();
    let (before, after, effect) = first_row(&world, order("menu"), "1").await;
    assert_eq!(before["wipe"]["state"], "spent");
    assert_eq!(after["wipe"]["state"], "none");
    assert!(effect.contains("is not proven"), "{effect}");
    let (_, after, effect) = first_row(&world, json!("reject"), "1").await;
    assert_eq!(after["wipe"]["state"], "spent", "a rejection clears none");
    assert!(!effect.contains("is not proven"), "{effect}");
    let proof = json!({"proof": "wiped"});
    world.ok("POST", "/devices/1/proof", proof).await;
    world
        .ok("POST", "/devices/1/proof", json!({"proof": "installed"}))
        .await;
    let (before, after, _) = first_row(&world, order("install"), "1").await;
    assert_eq!(before["install"]["state"], "installed");
    assert_eq!(after["install"]["state"], "waiting");
}

#[tokio::test]
async fn the_disk_that_is_told_is_the_one_that_talos_takes() {
    let world = World::with_control_plane().await;
    let install = json!({"order": {"order": "install"}});
    let patch = async |scope: &str, name: &str, device: Option<String>, install: Value| {
        let text = json!({"machine": {"install": install}}).to_string();
        let mut body = json!({"scope": scope, "name": name, "text": text});
        if let Some(device) = device {
            body["device"] = device.into();
        }
        world.ok("POST", "/patches", body).await;
    };
    world.add(&mac(10)).await;
    world.add(&mac(11)).await;
    patch("worker", "disk", None, json!({"disk": "/dev/vda"})).await;
    // The role is what is suggested or asked for, for the device has none.
    let (_, after, effect) = first_row(&world, json!("approve"), &mac(10)).await;
    assert_eq!(after["role"], "worker");
    assert!(effect.contains("names, /dev/vda."), "{effect}");
    let asked =
        json!({"action": "approve", "devices": [mac(10)], "role": "controlplane", "preview": true});
    let answer = world.ok("POST", BULK, asked).await;
    let effect = answer["devices"][0]["effect"].as_str().unwrap();
    assert!(effect.contains("names, /dev/sda."), "{effect}");
    // Where roles differ and the role is open, none is told.
    let (_, _, effect) = first_row(&world, install.clone(), &mac(10)).await;
    assert!(!effect.contains("/dev/"), "{effect}");
    // Its own patch comes last.
    patch(
        "device",
        "own",
        Some(mac(10)),
        json!({"disk": "/dev/nvme0n1"}),
    )
    .await;
    for action in [json!("approve"), install.clone()] {
        let (_, _, effect) = first_row(&world, action, &mac(10)).await;
        assert!(effect.contains("installed on /dev/nvme0n1."), "{effect}");
    }
    // Talos takes a selector before a path.
    patch(
        "worker",
        "selector",
        None,
        json!({"diskSelector": {"type": "ssd"}}),
    )
    .await;
    let path = format!("/devices/{}/approval-suggestions", mac(11));
    let suggested = world.ok("GET", &path, Value::Null).await;
    let note = suggested["disk_note"].as_str().unwrap();
    assert!(!note.contains("/dev/"), "{note}");
    assert!(note.contains("the disk that matches `type: ssd`"), "{note}");
    let chosen = json!({"install_disk": "/dev/sdb"});
    world
        .ok("PUT", &format!("/devices/{}", mac(11)), chosen)
        .await;
    let suggested = world.ok("GET", &path, Value::Null).await;
    assert_eq!(
        suggested["disk_note"],
        "Talos is installed on /dev/sdb, as chosen for this machine."
    );
}

#[tokio::test]
async fn a_damaged_cluster_holds_no_rejection_back() {
    let world = World::with_control_plane().await;
    world.add(&mac(10)).await;
    let damage = world.store.write(Lane::Admin, Actor::System, |writer| {
        writer.save_cluster_settings("{\"name\": 7}")
    });
    damage.await.unwrap();
    for preview in [true, false] {
        let asked = json!({"action": "reject", "devices": [mac(10)], "preview": preview});
        world.ok("POST", BULK, asked).await;
    }
    let local =
        json!({"action": {"order": {"order": "local"}}, "devices": [mac(10)], "preview": true});
    world.ok("POST", BULK, local).await;
}

#[tokio::test]
async fn what_comes_of_it_is_the_same_in_whatever_order_they_are_named() {
    let named = [mac(1), mac(2), mac(3), mac(4)];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]];
    for order in orders {
        let devices: Vec<&String> = order.iter().map(|place| &named[*place]).collect();
        for last in ["reject", "delete"] {
            let world = World::founded().await;
            for (device, wanted) in named.iter().zip([
                json!({"role": "worker"}),
                json!({"role": "controlplane", "ip_address": "10.0.0.12"}),
                json!({"role": "controlplane", "ip_address": "10.0.0.11"}),
                json!({}),
            ]) {
                world.add(device).await;
                let path = format!("/devices/{device}");
                world.ok("PUT", &path, wanted).await;
            }
            for action in ["approve", last] {
                let mut asked = json!({"action": action, "devices": devices, "preview": true});
                let seen = world.ok("POST", BULK, asked.clone()).await;
                assert_eq!(seen["refused"], 0, "{action} {order:?} {seen}");
                let rows = seen["devices"].as_array().unwrap().iter();
                let rows: Vec<&Value> = rows.map(|row| &row["before"]["mac_address"]).collect();
                assert_eq!(json!(rows), json!(devices));
                asked = as_seen(&asked, &seen);
                world.ok("POST", BULK, asked).await;
            }
        }
    }
}
