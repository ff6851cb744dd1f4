//! Pages of lists, versions of what is changed, and the same for many devices.

use serde_json::{Value, json};

use crate::world::{MAC_1, World, mac};

/// A request with a header; its status, a header of the answer, and its body.
async fn ask(
    world: &World,
    method: &str,
    path: &str,
    header: (&'static str, &str),
    wanted: &str,
    body: Value,
) -> (u16, String, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = world
        .http
        .request(method, format!("http://localhost/api/v1{path}"))
        .header(header.0, header.1);
    let request = if body.is_null() {
        request
    } else {
        request.json(&body)
    };
    let response = request.send().await.unwrap();
    let found = response
        .headers()
        .get(wanted)
        .map(|value| value.to_str().unwrap().to_owned());
    (
        response.status().as_u16(),
        found.unwrap_or_default(),
        response.json().await.unwrap(),
    )
}

#[tokio::test]
async fn metrics_count_devices_boots_answers_and_the_database() {
    let world = World::with_control_plane().await;
    world.stage_of_new(&mac(7)).await;
    // Its stage is on its way; a change of a person waits for it.
    world.add(&mac(8)).await;
    let (status, text) = world.ask_raw("GET", "/metrics", String::new()).await;
    assert_eq!(status, 200);
    let text = text.as_str().unwrap();
    for line in [
        "ktizo_devices{status=\"approved\"} 1",
        "ktizo_devices{status=\"pending\"} 2",
        "ktizo_boots_total 1",
        "ktizo_generation_errors_total 0",
        "ktizo_dhcp_datagrams_total{outcome=\"offer\"} 3",
        "ktizo_database_seconds_bucket{le=\"+Inf\",kind=\"write\",lane=\"boot\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_backup_holds_the_database_of_one_moment_and_the_folders() {
    let world = World::with_control_plane().await;
    std::fs::create_dir_all(world.path("compiled/talos")).unwrap();
    std::fs::write(world.path("compiled/talos/x.yaml"), "x").unwrap();
    // A person keeps a base config elsewhere, and other things beside it: what cannot be restored must not be in it.
    std::fs::create_dir(world.path("base")).unwrap();
    std::fs::write(world.path("elsewhere.yaml"), "kept").unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, world.path(name)).unwrap();
    link("../elsewhere.yaml", "base/worker.yaml");
    link("nowhere", "base/gone.yaml");
    link(".", "base/round");
    drop(std::os::unix::net::UnixListener::bind(world.path("base/agent.sock")).unwrap());
    let request = world.http.get("http://localhost/api/v1/backup").send();
    let bytes = request.await.unwrap().bytes().await.unwrap();
    let (mut names, out) = (Vec::new(), tempfile::tempdir().unwrap());
    for entry in tar::Archive::new(bytes.as_ref()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let kind = entry.header().entry_type();
        assert!(kind.is_file() || kind.is_dir(), "{name}: {kind:?}");
        names.push(name);
        entry.unpack_in(out.path()).unwrap();
    }
    assert_eq!(names[..2], ["manifest.json", "ktizo.db"]);
    let read = |name: &str| std::fs::read_to_string(out.path().join(name));
    assert_eq!(read("base/worker.yaml").unwrap(), "kept");
    assert!(read("base/gone.yaml").is_err() && !out.path().join("base/round").exists());
    assert!(
        names.contains(&"compiled/talos/x.yaml".to_owned()),
        "{names:?}"
    );
    store::check_copy(&out.path().join("ktizo.db")).unwrap();
    let clock = std::sync::Arc::new(model::SystemClock);
    let copy = store::Store::open(&out.path().join("ktizo.db"), clock).unwrap();
    let count = copy.read(store::Lane::Admin, |reader| reader.count_devices(None));
    assert_eq!(count.await.unwrap(), 1);
    assert!(!world.path("backup.part").exists() && !world.path("backup.db.part").exists());
    let audit = world.ok("GET", "/audit/logs", Value::Null).await;
    assert_eq!(audit[0]["what"]["bytes"], bytes.len());
}

#[tokio::test]
async fn pages_hold_each_device_once_in_every_order() {
    let world = World::ready().await;
    for number in 0..9 {
        let mut new = json!({"mac_address": mac(number)});
        if number % 3 > 0 {
            new["hostname"] = json!(format!("node-{}", 9 - number));
            new["ip_address"] = json!(format!("10.0.0.{}", 8 + number));
        }
        world.ok("POST", "/devices", new).await;
    }
    for sort in [
        "id",
        "mac_address",
        "hostname",
        "ip_address",
        "status",
        "role",
        "last_seen",
        "updated_at",
    ] {
        for sort in [sort.to_owned(), format!("-{sort}")] {
            let whole = world
                .ok("GET", &format!("/devices?sort={sort}"), Value::Null)
                .await;
            let mut paged = Vec::new();
            let mut after = String::new();
            for _ in 0..5 {
                let path = format!("/devices?sort={sort}&limit=2{after}");
                let (status, next, page) = ask(
                    &world,
                    "GET",
                    &path,
                    ("accept", "*/*"),
                    "next-cursor",
                    Value::Null,
                )
                .await;
                assert_eq!(status, 200, "{page}");
                paged.extend(page.as_array().unwrap().clone());
                after = format!("&after={next}");
                assert_eq!(next.is_empty(), paged.len() == 9, "{sort}");
            }
            assert_eq!(Value::from(paged), whole, "{sort}");
        }
    }
    let by_address = world
        .ok("GET", "/devices?sort=-ip_address&limit=2", Value::Null)
        .await;
    assert_eq!(by_address[1]["ip_address"], "10.0.0.15");
    let (_, total, _) = ask(
        &world,
        "GET",
        "/devices?q=node-&limit=1",
        ("accept", "*/*"),
        "total-count",
        Value::Null,
    )
    .await;
    assert_eq!(total, "6");
    for bad in ["sort=colour", "after=x", "limit=x", "colour=red"] {
        assert_eq!(
            world
                .ask("GET", &format!("/devices?{bad}"), Value::Null)
                .await
                .0,
            422,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn events_are_paged_by_the_next_cursor() {
    let world = World::with_control_plane().await;
    let all = world.ok("GET", "/events", Value::Null).await;
    let (mut paged, mut before) = (Vec::new(), String::new());
    loop {
        let path = format!("/events?limit=3{before}");
        let (_, next, page) = ask(
            &world,
            "GET",
            &path,
            ("accept", "*/*"),
            "next-cursor",
            Value::Null,
        )
        .await;
        paged.extend(page.as_array().unwrap().clone());
        if next.is_empty() {
            break;
        }
        before = format!("&before={next}");
    }
    assert_eq!(Value::from(paged), all);
    let nobody = world
        .ok("GET", "/audit/logs?actor=person:nobody", Value::Null)
        .await;
    assert_eq!(nobody, json!([]));
    let later = world
        .ok("GET", "/events?since=2030-01-01T00:00:00Z", Value::Null)
        .await;
    assert_eq!(later, json!([]));
}

#[tokio::test]
async fn a_lost_update_is_refused() {
    let world = World::with_control_plane().await;
    let cluster = json!({"name": "test", "endpoint": "https://cluster.example:6443", "talos_version": "v1.13.0"});
    world.ok("PUT", "/cluster/settings", cluster).await;
    let text =
        |server: &str| json!({"text": format!("machine:\n  time:\n    servers: [{server}]\n")});
    let mut patch = text("first.example");
    (patch["scope"], patch["name"]) = (json!("cluster"), json!("ntp"));
    world.ok("POST", "/patches", patch).await;
    for (path, one, other) in [
        (
            format!("/devices/{MAC_1}"),
            json!({"notes": "one"}),
            json!({"notes": "other"}),
        ),
        (
            "/network/settings".to_owned(),
            json!({"menu_seconds": 9}),
            json!({"menu_seconds": 8}),
        ),
        (
            format!("/devices/{MAC_1}/settings"),
            json!({"install_wipe": true}),
            json!({"install_wipe": false}),
        ),
        // What a change of a device carries for its config is a part of its version.
        (
            format!("/devices/{MAC_1}"),
            json!({"settings": {"install_wipe": true}}),
            json!({"settings": {"install_wipe": false}}),
        ),
        (
            "/cluster/settings".to_owned(),
            json!({"dns_domain": "one.local"}),
            json!({"dns_domain": "other.local"}),
        ),
        (
            "/patches/1".to_owned(),
            text("one.example"),
            text("other.example"),
        ),
    ] {
        let (_, read, _) = ask(&world, "GET", &path, ("accept", "*/*"), "etag", Value::Null).await;
        assert!(read.starts_with('"') && read.len() > 10, "{read}");
        let (status, changed, _) =
            ask(&world, "PUT", &path, ("if-match", &read), "etag", one).await;
        assert_eq!(status, 200);
        assert_ne!(changed, read);
        let (status, _, refused) = ask(
            &world,
            "PUT",
            &path,
            ("if-match", &read),
            "etag",
            other.clone(),
        )
        .await;
        assert_eq!((status, &refused["code"]), (412, &json!("stale")));
        let either = format!("{read}, {changed}");
        assert_eq!(
            ask(
                &world,
                "PUT",
                &path,
                ("if-match", &either),
                "etag",
                other.clone()
            )
            .await
            .0,
            200
        );
        assert_eq!(
            ask(&world, "PUT", &path, ("if-match", "*"), "etag", other)
                .await
                .0,
            200
        );
    }
    let path = format!("/devices/{MAC_1}");
    let (_, before, _) = ask(&world, "GET", &path, ("accept", "*/*"), "etag", Value::Null).await;
    world.stage_of_new(MAC_1).await;
    let (_, after, _) = ask(&world, "GET", &path, ("accept", "*/*"), "etag", Value::Null).await;
    assert_eq!(before, after, "that it boots is no change of a person's");
}

#[tokio::test]
async fn many_are_approved_together_after_a_look() {
    let world = World::ready().await;
    let devices: Vec<String> = (0..5).map(mac).collect();
    for device in &devices {
        world.add(device).await;
    }
    let preview = world
        .ok(
            "POST",
            "/devices/bulk",
            json!({"action": "approve", "devices": devices, "preview": true}),
        )
        .await;
    let shown: Vec<String> = preview["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["device"]["hostname"], row["device"]["ip_address"], row["device"]["role"]
            )
        })
        .collect();
    assert_eq!(shown[0], "\"cp-1\" \"10.0.0.2\" \"controlplane\"");
    assert_eq!(shown[4], "\"worker-4\" \"10.0.0.6\" \"worker\"");
    assert_eq!(
        world
            .ok("GET", "/devices?status=approved", Value::Null)
            .await,
        json!([])
    );
    let done = world
        .ok(
            "POST",
            "/devices/bulk",
            json!({"action": "approve", "devices": devices}),
        )
        .await;
    assert_eq!(
        (&done["refused"], &done["devices"][4]["device"]["status"]),
        (&json!(0), &json!("approved"))
    );
    assert!(world.config(&devices[4]).await.contains("worker-4"));
    let again = world
        .ok(
            "POST",
            "/devices/bulk",
            json!({"action": "approve", "devices": devices}),
        )
        .await;
    assert_eq!(
        again["devices"][0]["device"], done["devices"][0]["device"],
        "to approve again changes nothing"
    );

    let order =
        json!({"action": {"order": {"order": "local"}}, "devices": [devices[0], "1", devices[1]]});
    let ordered = world.ok("POST", "/devices/bulk", order).await;
    assert_eq!(ordered["devices"].as_array().unwrap().len(), 2);
    assert_eq!(ordered["devices"][1]["device"]["boot_order"], "local");
    for (bad, field) in [
        (json!({"action": "approve", "devices": []}), "devices"),
        (json!({"action": "explode", "devices": ["1"]}), "action"),
    ] {
        assert_eq!(world.refused("POST", "/devices/bulk", bad).await.1, field);
    }
    assert_eq!(
        world
            .ask(
                "POST",
                "/devices/bulk",
                json!({"action": "reject", "devices": ["99"]})
            )
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn many_are_turned_away_ordered_and_forgotten_after_a_look() {
    let world = World::with_control_plane().await;
    for n in 10..13 {
        world.add(&mac(n)).await;
    }
    let devices = json!([mac(10), mac(11), mac(12)]);
    let ask = |action: Value, preview: bool| json!({"action": action, "devices": devices, "preview": preview});
    let effects = |answer: &Value| -> Vec<String> {
        let rows = answer["devices"].as_array().unwrap().iter();
        rows.map(|row| row["effect"].as_str().unwrap().to_owned())
            .collect()
    };
    let seen = world
        .ok("POST", "/devices/bulk", ask(json!("reject"), true))
        .await;
    assert!(
        effects(&seen)
            .iter()
            .all(|said| said.contains("disks stay as they are")),
        "{seen}"
    );
    assert_eq!(
        world
            .ok("GET", "/devices?status=rejected", Value::Null)
            .await,
        json!([])
    );
    world
        .ok("POST", "/devices/bulk", ask(json!("reject"), false))
        .await;
    let rejected = world
        .ok("GET", "/devices?status=rejected", Value::Null)
        .await;
    assert_eq!(rejected.as_array().unwrap().len(), 3);
    let install = json!({"order": {"order": "install"}});
    let seen = world.ok("POST", "/devices/bulk", ask(install, true)).await;
    assert!(
        effects(&seen)[0].contains("overwrites the install disk"),
        "{seen}"
    );
    let forgotten = world
        .ok("POST", "/devices/bulk", ask(json!("delete"), false))
        .await;
    assert_eq!(forgotten["devices"][2]["device"]["mac_address"], mac(12));
    let left = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(left.as_array().unwrap().len(), 1);
    // The last control plane stands in the way, and keeps the rest where it is.
    world.add(&mac(10)).await;
    let worker = json!({"hostname": "worker-1", "ip_address": "10.0.0.12", "role": "worker"});
    let path = format!("/devices/{}/approve", mac(10));
    world.ok("POST", &path, worker).await;
    world.add(&mac(11)).await;
    let both = json!({"action": "delete", "devices": [mac(11), MAC_1]});
    let (code, _, _) = world.refused("POST", "/devices/bulk", both).await;
    assert_eq!(code, "bulk_refused");
    let left = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(left.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn one_that_cannot_be_approved_holds_all_back() {
    let world = World::ready().await;
    world
        .ok(
            "POST",
            "/devices",
            json!({"mac_address": mac(0), "role": "worker"}),
        )
        .await;
    world.add(&mac(1)).await;
    for devices in [json!([mac(1), mac(0)]), json!([mac(0), mac(1)])] {
        let asked = json!({"action": "approve", "devices": devices, "preview": true});
        let both = world.ok("POST", "/devices/bulk", asked).await;
        assert_eq!(both["refused"], 0, "the control plane comes first");
    }
    // A subnet that it is not in any more.
    let beside = json!({"ip_address": "10.0.0.77"});
    world
        .ok("PUT", &format!("/devices/{}", mac(0)), beside)
        .await;
    let moved = json!({"node_subnet": "10.0.1.0/24", "gateway": "10.0.1.1"});
    world.ok("PUT", "/network/settings", moved).await;
    let asked = json!({"action": "approve", "devices": [mac(0), mac(1)]});
    let (code, _, _) = world.refused("POST", "/devices/bulk", asked.clone()).await;
    assert_eq!(code, "bulk_refused");
    assert_eq!(
        world
            .ok("GET", "/devices?status=approved", Value::Null)
            .await,
        json!([])
    );
    let mut preview = asked;
    preview["preview"] = json!(true);
    let preview = world.ok("POST", "/devices/bulk", preview).await;
    assert_eq!(preview["devices"][0]["refusal"]["field"], "ip_address");
    assert_eq!(preview["devices"][1]["refusal"], Value::Null);
}

#[tokio::test]
async fn the_audit_log_tells_before_and_after_without_secrets() {
    let world = World::with_control_plane().await;
    world
        .ok(
            "PUT",
            &format!("/devices/{MAC_1}"),
            json!({"notes": "rack 4"}),
        )
        .await;
    world
        .ok("PUT", "/network/settings", json!({"menu_seconds": 7}))
        .await;
    let bases = json!({"worker": crate::world::base("worker") + "# changed\n"});
    world.ok("POST", "/cluster/base", bases).await;
    let audit = world.ok("GET", "/audit/logs", Value::Null).await;
    let of = |kind: &str| {
        let mut events = audit.as_array().unwrap().iter();
        events
            .find(|event| event["what"]["kind"] == kind)
            .unwrap()
            .clone()
    };
    assert_eq!(
        of("device_updated")["changes"],
        json!([{"field": "notes", "before": "", "after": "rack 4"}])
    );
    assert_eq!(
        of("settings_changed")["changes"],
        json!([{"field": "menu_seconds", "before": "3", "after": "7"}])
    );
    let approved = of("device_approved");
    assert!(
        approved["changes"]
            .as_array()
            .unwrap()
            .contains(&json!({"field": "status", "before": "pending", "after": "approved"}))
    );
    assert!(
        of("base_imported")["changes"][0]["before"]
            .as_str()
            .unwrap()
            .starts_with("sha256 ")
    );
    assert!(
        audit
            .as_array()
            .unwrap()
            .iter()
            .all(|event| event["from"].as_str().unwrap().starts_with("Unix socket"))
    );
    assert!(!audit.to_string().contains("verysecret"));
}
