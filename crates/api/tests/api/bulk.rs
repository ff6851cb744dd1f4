//! The same for many devices is what a person saw in the preview.

use serde_json::{Value, json};

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
