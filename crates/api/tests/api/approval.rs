//! Letting devices in, changing them, ordering them about, turning them away.

use std::time::Duration;

use api::DeviceRef;
use api::types::ApproveDevice;
use model::Actor;
use serde_json::{Value, json};
use store::Lane;

use crate::world::{MAC_1, MAC_2, World};

#[tokio::test]
async fn an_approved_device_has_its_config_in_the_same_moment() {
    let world = World::ready().await;
    world.add(MAC_1).await;
    world.clock.advance(Duration::from_secs(60));
    let with = json!({
        "hostname": "cp-1", "ip_address": "10.0.0.11", "role": "controlplane", "install_disk": "/dev/nvme0n1",
    });
    let path = format!("/devices/{MAC_1}/approve");
    let approved = world.ok("POST", &path, with.clone()).await;
    assert_eq!(approved["status"], "approved");
    assert_eq!(approved["approved_at"], "2026-11-23T07:01:00Z");
    let config = world.config(MAC_1).await;
    for part in [
        "cp-1",
        "10.0.0.11/24",
        "gateway: 10.0.0.1",
        "/dev/nvme0n1",
        "52:54:00:00:00:01",
        "verysecret",
    ] {
        assert!(config.contains(part), "{part} in {config}");
    }
    let kinds = world.kinds().await;
    assert_eq!(
        kinds[kinds.len() - 2..],
        ["device_added", "device_approved"]
    );

    let again = world.ok("POST", &path, with).await;
    assert_eq!(again, approved);
    assert_eq!(world.ok("POST", &path, Value::Null).await, approved);
    assert_eq!(world.kinds().await, kinds, "to approve again is no event");
    let other = json!({"hostname": "cp-2"});
    let (code, ..) = world.refused("POST", &path, other).await;
    assert_eq!(code, "already_approved");
}

#[tokio::test]
async fn what_cannot_be_approved_is_refused_by_its_field_and_nothing_changes() {
    let world = World::with_control_plane().await;
    world.add(MAC_2).await;
    let good = json!({"hostname": "w-1", "ip_address": "10.0.0.12", "role": "worker"});
    for (field, value, code) in [
        ("hostname", Value::Null, "missing"),
        ("hostname", json!(""), "invalid"),
        ("hostname", json!("W-1"), "invalid"),
        ("hostname", json!("a.b"), "invalid"),
        ("hostname", json!("x".repeat(64)), "invalid"),
        ("hostname", json!("cp-1"), "taken"),
        ("ip_address", Value::Null, "missing"),
        ("ip_address", json!("10.0.0.300"), "invalid"),
        ("ip_address", json!("10.0.1.12"), "invalid"),
        ("ip_address", json!("10.0.0.0"), "invalid"),
        ("ip_address", json!("10.0.0.255"), "invalid"),
        ("ip_address", json!("10.0.0.1"), "invalid"),
        ("ip_address", json!("10.0.0.11"), "taken"),
        ("role", Value::Null, "missing"),
        ("role", json!("master"), "invalid"),
        ("install_disk", json!("nvme0n1"), "invalid"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let path = format!("/devices/{MAC_2}/approve");
        let (got_code, got_field, why) = world.refused("POST", &path, body.clone()).await;
        assert_eq!(
            (got_code.as_str(), got_field.as_str()),
            (code, field),
            "{body}: {why}"
        );
        assert!(!why.is_empty());
    }
    assert_eq!(world.config(MAC_2).await, "");
}

#[tokio::test]
async fn the_first_node_is_a_control_plane_and_the_last_one_stays_one() {
    let world = World::ready().await;
    world.add(MAC_1).await;
    let worker = json!({"hostname": "w-1", "ip_address": "10.0.0.12", "role": "worker"});
    let (_, field, why) = world
        .refused("POST", "/devices/1/approve", worker.clone())
        .await;
    assert_eq!(field, "role");
    assert!(why.contains("control plane"), "{why}");
    let cp = json!({"hostname": "cp-1", "ip_address": "10.0.0.11", "role": "controlplane"});
    world.ok("POST", "/devices/1/approve", cp).await;
    world.add(MAC_2).await;
    world.ok("POST", "/devices/2/approve", worker).await;
    let (_, field, why) = world
        .refused("PUT", "/devices/1", json!({"role": "worker"}))
        .await;
    assert_eq!(field, "role");
    assert!(why.contains("last control plane"), "{why}");
    world
        .ok("PUT", "/devices/2", json!({"role": "controlplane"}))
        .await;
    world
        .ok("PUT", "/devices/1", json!({"role": "worker"}))
        .await;
    assert!(world.config(MAC_1).await.contains("type: worker"));
}

#[tokio::test]
async fn nothing_is_approved_without_a_base_config_or_a_subnet() {
    let world = World::new().await;
    world.add(MAC_1).await;
    let cp = json!({"hostname": "cp-1", "ip_address": "10.0.0.11", "role": "controlplane"});
    let (_, field, why) = world
        .refused("POST", "/devices/1/approve", cp.clone())
        .await;
    assert_eq!(field, "ip_address");
    assert!(why.contains("ktizo network set"), "{why}");
    world
        .ok(
            "PUT",
            "/network/settings",
            json!({"node_subnet": "10.0.0.0/24"}),
        )
        .await;
    let (code, field, _) = world
        .refused("POST", "/devices/1/approve", cp.clone())
        .await;
    assert_eq!((code.as_str(), field.as_str()), ("base_missing", "role"));
    let (_, answer) = world.ask("POST", "/devices/1/approve", cp).await;
    let hint = answer["hint"].as_str().unwrap();
    assert!(
        hint.contains("cluster init") && hint.contains("cluster import"),
        "{hint}"
    );
}

#[tokio::test]
async fn a_change_of_an_approved_device_changes_its_config() {
    let world = World::with_control_plane().await;
    let before = world.config(MAC_1).await;
    let path = format!("/devices/{MAC_1}");
    let changed = world
        .ok("PUT", &path, json!({"hostname": "cp-9", "ip_address": "10.0.0.19", "mac_address": MAC_2, "loader": "ipxe.efi"}))
        .await;
    assert_eq!(changed["hostname"], "cp-9");
    assert_eq!(changed["loader"], "ipxe.efi");
    assert_eq!(world.ask("GET", &path, Value::Null).await.0, 404);
    let after = world.config(MAC_2).await;
    assert!(before.contains("cp-1") && before.contains(MAC_1));
    assert!(after.contains("cp-9") && after.contains("10.0.0.19/24") && after.contains(MAC_2));
    assert!(!after.contains("cp-1") && !after.contains(MAC_1));
    let events = world
        .ok("GET", "/events?limit=1&device=1", Value::Null)
        .await;
    assert_eq!(
        events[0]["message"],
        "changed: mac_address, hostname, ip_address, loader"
    );
    assert_eq!(events[0]["actor"], "person:root");
    for (body, field) in [
        (json!({"hostname": null}), "hostname"),
        (json!({"ip_address": null}), "ip_address"),
        (json!({"role": null}), "role"),
        (json!({"mac_address": null, "notes": 7}), "notes"),
        (json!({"local_boot": "never"}), "local_boot"),
        (json!({"loader": "../x"}), "loader"),
        (json!({"boot_order": "wipe"}), "boot_order"),
        (json!({"colour": "red"}), "colour"),
        (json!({"status": "rejected"}), "status"),
        (json!({"id": 7}), "id"),
        (json!({"wipe_on_next_boot": true}), "wipe_on_next_boot"),
    ] {
        let (_, named, why) = world.refused("PUT", "/devices/1", body.clone()).await;
        assert_eq!(named, field, "{body}: {why}");
    }
}

#[tokio::test]
async fn a_device_that_is_read_and_written_back_whole_stays_as_it_is() {
    let world = World::with_control_plane().await;
    let sha256 = {
        let read =
            |reader: &store::Reader<'_>| Ok(reader.config(model::DeviceId(1))?.unwrap().sha256);
        world.store.read(Lane::Admin, read).await.unwrap()
    };
    let released =
        move |writer: &store::Writer<'_>| writer.config_released(model::DeviceId(1), sha256);
    world
        .store
        .write(Lane::Boot, Actor::System, released)
        .await
        .unwrap();
    let read = world.ok("GET", "/devices/1", Value::Null).await;
    assert_ne!(read["config_released_at"], Value::Null);
    let kinds = world.kinds().await;
    let written = world.ok("PUT", "/devices/1", read.clone()).await;
    assert_eq!(written, read, "the order it has is not given again");
    assert_eq!(world.kinds().await, kinds);
    let mut noted = read.clone();
    noted["notes"] = json!("rack 3");
    assert_eq!(
        world.ok("PUT", "/devices/1", noted).await["config_released_at"],
        read["config_released_at"]
    );
    let mut local = read;
    local["boot_order"] = json!("local");
    let ordered = world.ok("PUT", "/devices/1", local).await;
    assert_eq!(
        (&ordered["boot_order"], &ordered["config_released_at"]),
        (&json!("local"), &Value::Null)
    );
}

#[tokio::test]
async fn an_order_that_is_given_again_counts_anew() {
    let world = World::with_control_plane().await;
    let sha256 = {
        let read =
            |reader: &store::Reader<'_>| Ok(reader.config(model::DeviceId(1))?.unwrap().sha256);
        world.store.read(Lane::Admin, read).await.unwrap()
    };
    let released =
        move |writer: &store::Writer<'_>| writer.config_released(model::DeviceId(1), sha256);
    world
        .store
        .write(Lane::Boot, Actor::System, released)
        .await
        .unwrap();
    let given = world
        .ok("POST", "/devices/1/order", json!({"order": "install"}))
        .await;
    assert_eq!(given["config_released_at"], Value::Null);
    assert_eq!(world.kinds().await.last().unwrap(), "order_given");
    for body in [
        json!({"order": "wipe"}),
        json!({}),
        json!({"order": "local", "when": "now"}),
    ] {
        world.refused("POST", "/devices/1/order", body).await;
    }
}

#[tokio::test]
async fn a_rejected_device_loses_its_config_and_may_be_let_in_again() {
    let world = World::with_control_plane().await;
    assert_ne!(world.config(MAC_1).await, "");
    let rejected = world.ok("POST", "/devices/1/reject", Value::Null).await;
    assert_eq!(
        (&rejected["status"], &rejected["approved_at"]),
        (&json!("rejected"), &Value::Null)
    );
    assert_eq!(world.config(MAC_1).await, "");
    let kinds = world.kinds().await;
    assert_eq!(
        world.ok("POST", "/devices/1/reject", Value::Null).await,
        rejected
    );
    assert_eq!(world.kinds().await, kinds, "to reject again is no event");
    let approved = world.ok("POST", "/devices/1/approve", Value::Null).await;
    assert_eq!(
        (&approved["status"], &approved["hostname"]),
        (&json!("approved"), &json!("cp-1"))
    );
    assert_ne!(world.config(MAC_1).await, "");
}

#[tokio::test]
async fn suggestions_are_free_and_begin_with_a_control_plane() {
    let world = World::ready().await;
    world.add(MAC_1).await;
    let first = world
        .ok("GET", "/devices/1/approval-suggestions", Value::Null)
        .await;
    assert_eq!(
        first,
        json!({"hostname": "cp-1", "ip_address": "10.0.0.2", "role": "controlplane", "install_disk": null, "disks": [],
            "disk_note": "Which disks this machine has is not known, and none is chosen for it: Talos is installed on the disk that the base config names, /dev/sda. Whatever is on that disk is lost."})
    );
    let suggested = ApproveDevice {
        hostname: Some("cp-1".parse().unwrap()),
        ip_address: Some("10.0.0.2".parse().unwrap()),
        role: Some(model::Role::Controlplane),
        ..ApproveDevice::default()
    };
    let device = DeviceRef::Mac(MAC_1.parse().unwrap());
    world
        .client
        .approve_device(device, &suggested)
        .await
        .unwrap();
    world.add(MAC_2).await;
    let second = world
        .client
        .suggestions(DeviceRef::Mac(MAC_2.parse().unwrap()))
        .await
        .unwrap();
    assert_eq!(second.hostname.unwrap().as_str(), "worker-1");
    assert_eq!(second.ip_address.unwrap().to_string(), "10.0.0.3");
    assert_eq!(second.role, model::Role::Worker);
}
