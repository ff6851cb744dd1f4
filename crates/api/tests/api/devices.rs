//! Devices: seen, added, approved, changed, turned away, forgotten.

use api::types::{ApproveDevice, DevicePatch, GiveOrder, NewDevice};
use api::{ClientError, DeviceQuery, DeviceRef};
use model::{Actor, ApprovalStatus, BootOrder, Inventory, SeenBy, StandingOrder};
use serde_json::{Value, json};
use store::Lane;

use crate::world::{MAC_1, MAC_2, World, mac};

#[tokio::test]
async fn an_added_device_waits_and_is_found_by_every_name() {
    let world = World::ready().await;
    let full = json!({
        "mac_address": "5254.0000.0001", "hostname": "node-1", "ip_address": "10.0.0.5", "role": "worker",
        "notes": "rack 3", "install_disk": "/dev/nvme0n1", "ephemeral_min_size": "10GiB",
        "ephemeral_max_size": "80%", "ephemeral_disk_selector": "disk.transport == \"nvme\"",
    });
    let (status, added) = world.ask("POST", "/devices", full).await;
    assert_eq!(status, 201, "{added}");
    assert_eq!(added["status"], "pending");
    assert_eq!(added["mac_address"], MAC_1);
    assert_eq!(added["boot_order"], "install");
    assert_eq!(added["local_boot"], "auto");
    assert_eq!(added["wipe_on_next_boot"], false);
    assert_eq!(added["created_at"], "2026-11-23T07:00:00Z");
    for absent in [
        "first_seen",
        "approved_at",
        "last_config_download",
        "arch",
        "loader",
    ] {
        assert_eq!(added[absent], Value::Null, "{absent}");
    }
    for name in ["1", MAC_1, "52-54-00-00-00-01", "525400000001"] {
        let shown = world
            .ok("GET", &format!("/devices/{name}"), Value::Null)
            .await;
        assert_eq!(shown, added, "{name}");
    }
    assert_eq!(world.ask("GET", "/devices/2", Value::Null).await.0, 404);
    assert_eq!(
        world
            .ask("GET", &format!("/devices/{MAC_2}"), Value::Null)
            .await
            .0,
        404
    );
    let (_, field, _) = world.refused("GET", "/devices/no_sense", Value::Null).await;
    assert_eq!(field, "id");
}

#[tokio::test]
async fn a_list_is_filtered_searched_and_paged() {
    let world = World::with_control_plane().await;
    for last in 2..=5 {
        world.add(&format!("52:54:00:00:00:0{last}")).await;
    }
    world.ok("POST", "/devices/3/reject", Value::Null).await;
    for (query, ids) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?status=pending", vec![2, 4, 5]),
        ("?status=approved", vec![1]),
        ("?status=rejected", vec![3]),
        ("?q=00-00-04", vec![4]),
        ("?q=CP-1", vec![1]),
        ("?q=10.0.0.1", vec![1]),
        ("?q=nobody", vec![]),
        ("?skip=1&limit=2", vec![2, 3]),
        ("?status=pending&skip=2", vec![5]),
    ] {
        let listed = world
            .ok("GET", &format!("/devices{query}"), Value::Null)
            .await;
        let got: Vec<i64> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["id"].as_i64().unwrap())
            .collect();
        assert_eq!(got, ids, "{query}");
    }
    for (query, field) in [
        ("?status=new", "status"),
        ("?limit=many", "limit"),
        ("?color=red", "color"),
    ] {
        let (_, named, _) = world
            .refused("GET", &format!("/devices{query}"), Value::Null)
            .await;
        assert_eq!(named, field, "{query}");
    }
}

#[tokio::test]
async fn labels_are_given_found_and_replaced() {
    let world = World::new().await;
    let path = format!("/devices/{MAC_1}");
    let new = json!({"mac_address": MAC_1, "labels": {"rack": "r1", "example.org/row": "2"}});
    let added = world.ok("POST", "/devices", new).await;
    assert_eq!(added["labels"]["example.org/row"], "2");
    world.add(MAC_2).await;
    for (query, count) in [("rack", 1), ("rack=r1", 1), ("rack=r2", 0), ("shelf", 0)] {
        let path = format!("/devices?label={query}");
        let found = world.ok("GET", &path, Value::Null).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{query}");
    }
    for (labels, field) in [
        (json!({"a b": "c"}), "labels.a b"),
        (json!({"rack": "r 1"}), "labels.rack"),
        (json!({"rack": 1}), "labels.rack"),
        (json!(["rack"]), "labels"),
    ] {
        let body = json!({ "labels": labels });
        let (_, named, _) = world.refused("PUT", &path, body).await;
        assert_eq!(named, field, "{labels}");
    }
    let (_, field, _) = world
        .refused("GET", "/devices?label=a%20b", Value::Null)
        .await;
    assert_eq!(field, "label");
    let changed = world
        .ok("PUT", &path, json!({"labels": {"rack": "r2"}}))
        .await;
    assert_eq!(changed["labels"], json!({"rack": "r2"}));
    let audit = world.ok("GET", "/audit/logs", Value::Null).await;
    let change = &audit[0]["changes"][0];
    assert_eq!(
        (&change["field"], &change["after"]),
        (&json!("labels"), &json!(r#"{"rack":"r2"}"#))
    );
    let cleared = world.ok("PUT", &path, json!({"labels": null})).await;
    assert_eq!(cleared["labels"], json!({}));
}

#[tokio::test]
async fn to_register_twice_is_to_register_once() {
    let world = World::new().await;
    let new = json!({"mac_address": MAC_1, "notes": "first"});
    let (status, first) = world.ask("POST", "/devices/register", new).await;
    assert_eq!((status, &first["status"]), (201, &json!("pending")));
    let again = json!({"mac_address": "52-54-00-00-00-01", "notes": "second"});
    let (status, second) = world.ask("POST", "/devices/register", again).await;
    assert_eq!((status, second), (200, first));
    assert_eq!(world.kinds().await, ["device_added"]);
}

#[tokio::test]
async fn what_cannot_be_added_is_refused_by_its_field() {
    let world = World::with_control_plane().await;
    let mac = MAC_2;
    for (body, code, field) in [
        (json!({}), "invalid", "mac_address"),
        (json!({"mac_address": "x"}), "invalid", "mac_address"),
        (
            json!({"mac_address": "ff:ff:ff:ff:ff:ff"}),
            "invalid",
            "mac_address",
        ),
        (json!({"mac_address": MAC_1}), "taken", "mac_address"),
        (
            json!({"mac_address": mac, "hostname": "cp-1"}),
            "taken",
            "hostname",
        ),
        (
            json!({"mac_address": mac, "hostname": "Node.1"}),
            "invalid",
            "hostname",
        ),
        (
            json!({"mac_address": mac, "ip_address": "10.0.0.11"}),
            "taken",
            "ip_address",
        ),
        (
            json!({"mac_address": mac, "ip_address": "10.0.0"}),
            "invalid",
            "ip_address",
        ),
        (
            json!({"mac_address": mac, "ip_address": "10.9.0.1"}),
            "invalid",
            "ip_address",
        ),
        (
            json!({"mac_address": mac, "role": "boss"}),
            "invalid",
            "role",
        ),
        (
            json!({"mac_address": mac, "install_disk": "sda"}),
            "invalid",
            "install_disk",
        ),
        (
            json!({"mac_address": mac, "install_disk": "/dev/../etc"}),
            "invalid",
            "install_disk",
        ),
        (
            json!({"mac_address": mac, "ephemeral_min_size": "much"}),
            "invalid",
            "ephemeral_min_size",
        ),
        (
            json!({"mac_address": mac, "ephemeral_max_size": "101%"}),
            "invalid",
            "ephemeral_max_size",
        ),
        (
            json!({"mac_address": mac, "notes": "x".repeat(5000)}),
            "invalid",
            "notes",
        ),
        (
            json!({"mac_address": mac, "colour": "red"}),
            "invalid",
            "colour",
        ),
    ] {
        let (got_code, got_field, why) = world.refused("POST", "/devices", body.clone()).await;
        assert_eq!(
            (got_code.as_str(), got_field.as_str()),
            (code, field),
            "{body}: {why}"
        );
    }
    let (_, _, why) = world
        .refused(
            "POST",
            "/devices",
            json!({"mac_address": mac, "hostname": "cp-1"}),
        )
        .await;
    assert_eq!(
        why,
        format!("is taken by the approved device cp-1 ({MAC_1})")
    );
}

#[tokio::test]
async fn a_deleted_device_is_gone_and_its_events_stay() {
    let world = World::with_control_plane().await;
    assert_eq!(world.ask("DELETE", "/devices/1", Value::Null).await.0, 204);
    assert_eq!(world.ask("DELETE", "/devices/1", Value::Null).await.0, 404);
    assert_eq!(world.ask("GET", "/devices/1", Value::Null).await.0, 404);
    let events = world.ok("GET", "/events?device=1", Value::Null).await;
    assert_eq!(events.as_array().unwrap().len(), 3, "{events}");
    assert_eq!(events[0]["message"], "deleted (was approved)");
}

#[tokio::test]
async fn a_machine_that_was_seen_shows_what_it_said_and_how_it_booted() {
    let world = World::new().await;
    let seen = |writer: &store::Writer<'_>| {
        let said = Inventory {
            serial: Some("S1".into()),
            arch: Some(model::Arch::Amd64),
            ..Inventory::default()
        };
        let device = writer
            .sight(MAC_1.parse().unwrap(), &said, SeenBy::Dhcp)?
            .device;
        let stage = model::StageRecord {
            stage: model::BootStage::Discover,
            at: writer.now(),
            duration_us: None,
            bytes: None,
            retries: None,
            peer: None,
            outcome: model::StageOutcome::Done,
            detail: "snponly.efi".into(),
        };
        writer.record_stage(device.id, &stage)?;
        Ok::<_, store::Error>(())
    };
    world
        .store
        .write(Lane::Boot, Actor::System, seen)
        .await
        .unwrap();
    let query = DeviceQuery {
        status: Some(ApprovalStatus::Pending),
        q: Some("s1".into()),
        ..DeviceQuery::default()
    };
    let devices = world.client.devices(&query).await.unwrap();
    assert_eq!(devices[0].serial.as_deref(), Some("S1"));
    assert!(devices[0].first_seen.is_some());
    let boots = world
        .client
        .boots(DeviceRef::Id(devices[0].id), 5)
        .await
        .unwrap();
    assert_eq!(boots[0].stages[0].detail, "snponly.efi");
    assert_eq!(
        world.ask("GET", "/devices/9/boots", Value::Null).await.0,
        404
    );
}

#[tokio::test]
async fn the_client_does_all_that_the_command_line_needs() {
    let world = World::ready().await;
    let client = &world.client;
    let mut new = NewDevice::new(MAC_1.parse().unwrap());
    new.hostname = Some("cp-1".parse().unwrap());
    new.ip_address = Some("10.0.0.11".parse().unwrap());
    new.role = Some(model::Role::Controlplane);
    let added = client.add_device(&new).await.unwrap();
    let who = || DeviceRef::Id(added.id);
    assert_eq!(client.register_device(&new).await.unwrap(), added);
    let approved = client
        .approve_device(who(), &ApproveDevice::default())
        .await
        .unwrap();
    assert_eq!(approved.status, ApprovalStatus::Approved);
    let patch = DevicePatch {
        install_disk: Some(Some("/dev/vda".into())),
        ..DevicePatch::default()
    };
    assert_eq!(
        client
            .update_device(who(), &patch)
            .await
            .unwrap()
            .install_disk
            .as_deref(),
        Some("/dev/vda")
    );
    let patch = DevicePatch {
        install_disk: Some(None),
        ..DevicePatch::default()
    };
    assert_eq!(
        client
            .update_device(who(), &patch)
            .await
            .unwrap()
            .install_disk,
        None
    );
    let ordered = client
        .give_order(who(), &GiveOrder::standing(StandingOrder::Menu))
        .await
        .unwrap();
    assert_eq!(ordered.boot_order, BootOrder::Menu);
    assert!(client.config(who()).await.unwrap().starts_with(b"version"));
    assert_eq!(client.regenerate().await.unwrap().approved_devices, 1);
    assert_eq!(
        client.reject_device(who()).await.unwrap().status,
        ApprovalStatus::Rejected
    );
    client.delete_device(who()).await.unwrap();
    let gone = client.device(who()).await.unwrap_err();
    assert!(
        matches!(&gone, ClientError::Refused { status: 404, body } if body.code == "not_found"),
        "{gone}"
    );
    assert_eq!(gone.to_string(), "there is no device 1");
    let nowhere = api::Client::unix(&world.path("no.sock")).unwrap();
    let err = nowhere.status().await.unwrap_err();
    assert!(matches!(err, ClientError::Unreachable { .. }), "{err}");
    assert!(err.to_string().contains("No such file"), "{err}");
}

#[tokio::test]
async fn a_device_is_named_by_its_host_name_too() {
    let world = World::with_control_plane().await;
    let by_mac = world
        .ok("GET", &format!("/devices/{MAC_1}"), Value::Null)
        .await;
    assert_eq!(world.ok("GET", "/devices/cp-1", Value::Null).await, by_mac);
    for path in ["/devices/cp-1/boots", "/devices/cp-1/config/diff"] {
        world.ok("GET", path, Value::Null).await;
    }
    let events = world.ok("GET", "/events?device=cp-1", Value::Null).await;
    assert!(!events.as_array().unwrap().is_empty());
    let patch =
        json!({"scope": "device", "device": "cp-1", "name": "x", "text": "machine: {env: {A: b}}"});
    let saved = world.ok("POST", "/patches", patch).await;
    assert_eq!(saved["patch"]["mac_address"], MAC_1);
    // Nobody is meant by half a name, by another spelling of one, or by the name of nobody.
    for (name, status) in [("cp", 404), ("cp-2", 404), ("CP-1", 422)] {
        for (method, path) in [
            ("DELETE", format!("/devices/{name}")),
            ("POST", format!("/devices/{name}/reject")),
        ] {
            let (got, answer) = world.ask(method, &path, Value::Null).await;
            assert_eq!(got, status, "{method} {path}: {answer}");
        }
    }
    // A name that reads as a number names no device: the number does.
    let other = world.add(MAC_2).await;
    let number = other["id"].to_string();
    let named = json!({"hostname": number});
    world
        .ok("PUT", &format!("/devices/{MAC_1}"), named.clone())
        .await;
    let found = world
        .ok("GET", &format!("/devices/{number}"), Value::Null)
        .await;
    assert_eq!(found["mac_address"], MAC_2);
    let renamed = json!({"hostname": "cp-9"});
    world.ok("PUT", &format!("/devices/{MAC_1}"), renamed).await;
    let world_knows = world.ask("GET", "/devices/cp-1", Value::Null).await;
    assert_eq!(world_knows.0, 404, "a name that was given up is nobody's");
}

/// Whatever changes a device may be sent with the version it was made from.
#[tokio::test]
async fn what_was_decided_of_another_version_is_refused() {
    let world = World::with_control_plane().await;
    world.add(MAC_2).await;
    for (method, mac, verb, body) in [
        (
            "POST",
            MAC_1,
            "/order",
            json!({"order": "wipe", "confirm": "cp-1"}),
        ),
        ("DELETE", MAC_1, "/wipe", Value::Null),
        ("POST", MAC_1, "/order", json!({"order": "install"})),
        ("POST", MAC_1, "/proof", json!({"proof": "installed"})),
        ("POST", MAC_1, "/identity", json!({"decision": "keep"})),
        ("POST", MAC_1, "/config-release", Value::Null),
        ("POST", MAC_2, "/reject", Value::Null),
        ("DELETE", MAC_2, "", Value::Null),
    ] {
        let device = format!("/devices/{mac}");
        let before = world.ok("GET", &device, Value::Null).await;
        let ask = async |version: &str| {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let sent = world
                .http
                .request(method, format!("http://localhost/api/v1{device}{verb}"))
                .header("if-match", version)
                .body(body.to_string());
            sent.send().await.unwrap()
        };
        let refused = ask("\"stale\"").await;
        assert_eq!(refused.status(), 412, "{method} {verb}");
        let after = world.ok("GET", &device, Value::Null).await;
        assert_eq!(after, before, "{method} {verb}");
        let shown = world
            .http
            .get(format!("http://localhost/api/v1{device}"))
            .send();
        let version = shown.await.unwrap().headers()["etag"].clone();
        let done = ask(version.to_str().unwrap()).await;
        // Nothing is undecided about it, and no token was given out.
        let expected = ["/identity", "/config-release"].contains(&verb);
        assert_eq!(done.status() == 422, expected, "{method} {verb}");
        assert!(expected || done.status().is_success(), "{method} {verb}");
        let tells = done.headers().contains_key("etag");
        assert_eq!(tells, !expected && !verb.is_empty(), "{method} {verb}");
    }
}

#[tokio::test]
async fn no_host_name_is_out_of_reach() {
    let world = World::with_control_plane().await;
    for (number, name, path) in [
        (20, "bulk", "/devices/%62ulk"),
        (21, "register", "/devices/%72egister"),
        (22, "regenerate", "/devices/%72egenerate"),
    ] {
        assert_eq!(world.ask("GET", path, Value::Null).await.0, 404);
        world.add(&mac(number)).await;
        let called = json!({"hostname": name});
        world
            .ok("PUT", &format!("/devices/{}", mac(number)), called)
            .await;
        let shown = world.ok("GET", path, Value::Null).await;
        assert_eq!(shown["mac_address"], mac(number));
        let notes = json!({"notes": "here"});
        let changed = world.ok("PUT", path, notes).await;
        assert_eq!(changed["notes"], "here");
        let worker = json!({"ip_address": format!("10.0.0.{number}"), "role": "worker"});
        world.ok("POST", &format!("{path}/approve"), worker).await;
        world.ok("GET", &format!("{path}/boots"), Value::Null).await;
        assert_eq!(world.ask("DELETE", path, Value::Null).await.0, 204);
        assert_eq!(world.ask("GET", path, Value::Null).await.0, 404);
    }
}
