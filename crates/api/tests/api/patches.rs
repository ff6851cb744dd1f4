//! Patches, device settings, and what is shown of the configs made with them.

use serde_json::{Value, json};

use crate::world::{MAC_1, MAC_2, OWN_ADDRESS, World};

const SYSCTL: &str = "machine:\n  sysctls:\n    net.core.somaxconn: \"65535\"\n";

impl World {
    async fn patch(&self, scope: &str, name: &str, text: &str) -> Value {
        let body = json!({"scope": scope, "name": name, "text": text});
        self.ok("POST", "/patches", body).await
    }
}

#[tokio::test]
async fn patches_change_the_configs_they_are_for() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    world.approve(MAC_2, "worker-1", 12, "worker").await;
    let done = world.patch("worker", "10-sysctl", SYSCTL).await;
    assert_eq!(done["device_configs_generated"], 2, "{done}");
    assert!(!world.config(MAC_1).await.contains("somaxconn"));
    assert!(
        world
            .config(MAC_2)
            .await
            .contains("net.core.somaxconn: \"65535\"")
    );

    // The device's own comes last.
    let own = json!({"scope": "device", "device": MAC_2, "name": "a", "text": SYSCTL.replace("65535", "1")});
    let done = world.ok("POST", "/patches", own).await;
    assert_eq!(done["device_configs_generated"], 1);
    assert!(
        world
            .config(MAC_2)
            .await
            .contains("net.core.somaxconn: \"1\"")
    );

    let listed = world.ok("GET", "/patches", Value::Null).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[1]["mac_address"], MAC_2);
    assert!(
        !listed.to_string().contains("somaxconn"),
        "a list shows no text"
    );
    let id = listed[1]["id"].as_i64().unwrap();
    let one = world
        .ok("GET", &format!("/patches/{id}"), Value::Null)
        .await;
    assert!(one["text"].as_str().unwrap().contains("somaxconn"));

    let path = format!("/devices/{MAC_2}/config/explain?path=machine.sysctls");
    let told = world.ok("GET", &path, Value::Null).await;
    assert_eq!(
        told[0]["layers"],
        json!(["patch worker/10-sysctl", "patch device/a"])
    );
    let path = format!("/devices/{MAC_2}/config/explain?path=HostnameConfig:hostname");
    let told = world.ok("GET", &path, Value::Null).await;
    assert_eq!(told[0]["layers"], json!(["device settings"]));
    let path = format!("/devices/{MAC_2}/config/explain?path=machine.token");
    let told = world.ok("GET", &path, Value::Null).await;
    assert!(told[0]["value"].as_str().unwrap().contains("(secret)"));
    let nothing = format!("/devices/{MAC_2}/config/explain?path=machine.nothing");
    assert_eq!(world.ask("GET", &nothing, Value::Null).await.0, 404);

    let text = json!({"text": SYSCTL.replace("65535", "2")});
    world.ok("PUT", &format!("/patches/{id}"), text).await;
    assert!(
        world
            .config(MAC_2)
            .await
            .contains("net.core.somaxconn: \"2\"")
    );
    world
        .ok("DELETE", &format!("/patches/{id}"), Value::Null)
        .await;
    assert!(
        world
            .config(MAC_2)
            .await
            .contains("net.core.somaxconn: \"65535\"")
    );
    assert_eq!(
        world
            .ask("DELETE", &format!("/patches/{id}"), Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        world
            .ask("GET", &format!("/patches/{id}"), Value::Null)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_patch_that_would_break_a_config_is_refused_and_names_the_devices() {
    let world = World::founded().await;
    let refused = async |scope: &str, text: &str| {
        let body = json!({"scope": scope, "name": "x", "text": text});
        world.refused("POST", "/patches", body).await
    };
    for (scope, text, why) in [
        ("cluster", "machine: [", "line"),
        ("cluster", "machine:\n  colour: red\n", "colour"),
        ("cluster", "", "no document"),
        ("worker", "machine:\n  type: controlplane\n", "controlplane"),
        (
            "cluster",
            "- op: add\n  path: /machine/x\n  value: 1\n",
            "JSON",
        ),
        (
            "cluster",
            "cluster:\n  controlPlane:\n    endpoint: nowhere\n",
            "URL",
        ),
    ] {
        let (_, _, message) = refused(scope, text).await;
        assert!(message.contains(why), "{text}: {message}");
    }
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let (code, _, message) = refused(
        "cluster",
        "cluster:\n  controlPlane:\n    endpoint: nowhere\n",
    )
    .await;
    assert_eq!(code, "devices_would_break");
    assert!(message.contains("cp-1 ("), "{message}");

    for (body, field) in [
        (
            json!({"scope": "device", "name": "x", "text": SYSCTL}),
            "device",
        ),
        (
            json!({"scope": "worker", "device": MAC_1, "name": "x", "text": SYSCTL}),
            "device",
        ),
        (
            json!({"scope": "worker", "name": "../x", "text": SYSCTL}),
            "name",
        ),
        (
            json!({"scope": "worker", "name": "", "text": SYSCTL}),
            "name",
        ),
        (
            json!({"scope": "all", "name": "x", "text": SYSCTL}),
            "scope",
        ),
    ] {
        let (_, named, why) = world.refused("POST", "/patches", body.clone()).await;
        assert_eq!(named, field, "{body}: {why}");
    }
    let unknown = json!({"scope": "device", "device": MAC_2, "name": "x", "text": SYSCTL});
    assert_eq!(world.ask("POST", "/patches", unknown).await.0, 404);
}

#[tokio::test]
async fn settings_of_a_device_reach_its_config_and_are_tried_before() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let path = format!("/devices/{MAC_1}/settings");
    let settings = json!({
        "install_selector": {"serial": "S3Z9NX0M"},
        "schematic": "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba",
        "install_wipe": true,
        "image_cache": {"max_size": "20GiB"},
        "user_volumes": [{"name": "data", "disk_selector": "!system_disk", "min_size": "10GiB"}],
        "kernel_modules": [{"name": "bonding", "parameters": ["mode=1"]}],
    });
    world.ok("PUT", &path, settings).await;
    let config = world.config(MAC_1).await;
    for expected in [
        "serial: S3Z9NX0M",
        "factory.talos.dev/metal-installer/376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba:v1.13.9",
        "wipe: true",
        "name: IMAGECACHE",
        "kind: UserVolumeConfig",
        "name: bonding",
    ] {
        assert!(config.contains(expected), "{expected}\n{config}");
    }
    for (body, field) in [
        (json!({"install_image": "x:1"}), "schematic"),
        (json!({"schematic": "x"}), "schematic"),
        (
            json!({"kernel_modules": [{"name": "bonding", "parameters": ["mode=1 miimon=100"]}]}),
            "kernel_modules",
        ),
        (
            json!({"kernel_modules": [{"name": "bonding", "parameters": ["mode=1", ""]}]}),
            "kernel_modules",
        ),
        (
            json!({"user_volumes": (0..65).map(|n| json!({"name": format!("v{n}"), "disk_selector": "!system_disk", "min_size": "1GiB"})).collect::<Vec<_>>()}),
            "user_volumes",
        ),
        (
            json!({"user_volumes": [{"name": "a b", "disk_selector": "x", "min_size": "1GiB"}]}),
            "user_volume_name",
        ),
        (json!({"colour": 1}), "colour"),
    ] {
        let (_, named, why) = world.refused("PUT", &path, body.clone()).await;
        assert_eq!(named, field, "{body}: {why}");
    }
    let cleared = json!({"install_selector": null, "schematic": null, "kernel_modules": null});
    let left = world.ok("PUT", &path, cleared).await;
    assert_eq!(left["kernel_modules"], json!([]));
    assert!(!world.config(MAC_1).await.contains("bonding"));
    assert_eq!(world.ok("GET", &path, Value::Null).await, left);

    // Before it is approved, they are tried all the same.
    world.add(MAC_2).await;
    let path = format!("/devices/{MAC_2}/settings");
    let (_, field, _) = world.refused("PUT", &path, json!({"schematic": "x"})).await;
    assert_eq!(field, "schematic");
}

#[tokio::test]
async fn fields_settings_and_an_order_are_changed_together_or_not_at_all() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let path = format!("/devices/{MAC_1}");
    let before = world.ok("GET", &path, Value::Null).await;
    let config = world.config(MAC_1).await;
    let count = world.kinds().await.len();
    for (part, value, field) in [
        ("settings", json!({"schematic": "x"}), "schematic"),
        ("settings", json!({"colour": 1}), "colour"),
        ("order", json!("wipe"), "order"),
        ("ip_address", json!("10.9.9.9"), "ip_address"),
    ] {
        let mut body = json!({
            "notes": "moved", "labels": {"rack": "r1"}, "hostname": "cp-one",
            "settings": {"kernel_modules": [{"name": "bonding", "parameters": []}]},
            "order": "menu",
        });
        body[part] = value;
        let (_, named, why) = world.refused("PUT", &path, body).await;
        assert_eq!(named, field, "{why}");
        assert_eq!(world.ok("GET", &path, Value::Null).await, before);
        assert_eq!(world.config(MAC_1).await, config);
        assert_eq!(world.kinds().await.len(), count, "an event of nothing");
    }
    let body = json!({
        "notes": "moved", "labels": {"rack": "r1"}, "hostname": "cp-one",
        "settings": {"kernel_modules": [{"name": "bonding", "parameters": []}]},
        "order": "menu",
    });
    let after = world.ok("PUT", &path, body).await;
    assert_eq!(
        (&after["notes"], &after["hostname"], &after["boot_order"]),
        (&json!("moved"), &json!("cp-one"), &json!("menu"))
    );
    let config = world.config(MAC_1).await;
    assert!(config.contains("cp-one") && config.contains("name: bonding"));
    assert_eq!(
        world.kinds().await[count..],
        ["device_updated", "order_given"]
    );

    // An order is given again where `boot_order` would change nothing.
    world.ok("PUT", &path, json!({"boot_order": "menu"})).await;
    world.ok("PUT", &path, json!({"order": "menu"})).await;
    assert_eq!(world.kinds().await[count + 2..], ["order_given"]);
    let both = json!({"boot_order": "install", "order": "local"});
    assert_eq!(world.refused("PUT", &path, both).await.1, "order");
}

#[tokio::test]
async fn a_preview_shows_what_would_be_served() {
    let world = World::founded().await;
    world.add(MAC_1).await;
    let path = format!("/devices/{MAC_1}/config/preview");
    let masked = world.text(&path).await;
    assert!(masked.contains("hostname: cp-1") && masked.contains("token: (secret)"));
    let whole = world.text(&format!("{path}?secrets=true")).await;
    assert!(!whole.contains("(secret)"));
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    assert_eq!(world.config(MAC_1).await, whole);
}

#[tokio::test]
async fn whoever_sees_secrets_is_written_down() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let saved = |name: &str, text: &str| {
        let body = json!({"scope": "cluster", "name": name, "text": text});
        let world = &world;
        async move {
            let done = world.ok("POST", "/patches", body).await;
            format!("/patches/{}", done["patch"]["id"])
        }
    };
    let open = saved("open", "machine: {sysctls: {a: '1'}}").await;
    let secret = saved("secret", "machine: {env: {TOKEN: hunter2}}").await;
    let seen = || async {
        let events = world.ok("GET", "/events?limit=1000", Value::Null).await;
        let events = events.as_array().unwrap().iter().rev();
        let exported = events.filter(|it| it["what"]["kind"] == "secrets_exported");
        exported
            .map(|it| it["what"]["file"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for path in [
        open,
        "/patches".to_owned(),
        format!("/devices/{MAC_1}/config/preview"),
        format!("/devices/{MAC_1}/config/explain?path=machine.token"),
        format!("/devices/{MAC_1}/config/diff"),
        "/cluster".to_owned(),
    ] {
        world.ok("GET", &path, Value::Null).await;
        assert_eq!(seen().await, [""; 0], "{path}");
    }
    world.ok("GET", &secret, Value::Null).await;
    world.text(&format!("/devices/{MAC_1}/config")).await;
    world
        .text(&format!("/devices/{MAC_1}/config/preview?secrets=true"))
        .await;
    world.text("/cluster/base/worker").await;
    let own = format!("the config of cp-1 ({MAC_1})");
    let expected = ["patch cluster/secret", &own, &own, "worker.yaml"];
    assert_eq!(seen().await, expected);
}

#[tokio::test]
async fn drift_shows_until_the_device_has_the_new_config() {
    let world = World::founded().await;
    let id = world.approve(MAC_1, "cp-1", 11, "controlplane").await["id"]
        .as_i64()
        .map(model::DeviceId)
        .unwrap();
    let path = format!("/devices/{MAC_1}/config/diff");
    let diff = || world.ok("GET", &path, Value::Null);
    assert!(
        diff().await["message"]
            .as_str()
            .unwrap()
            .contains("never received")
    );
    let serve = async || {
        let written = world
            .store
            .write(store::Lane::Boot, model::Actor::System, move |w| {
                let sha256 = w.config(id)?.unwrap().sha256;
                w.config_released(id, sha256)?;
                w.config_served(id, sha256)
            });
        written.await.unwrap();
    };
    serve().await;
    let now = diff().await;
    assert_eq!(
        (&now["outdated"], &now["diff"]),
        (&json!(false), &json!(""))
    );

    world.patch("cluster", "a", SYSCTL).await;
    let listed = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(listed[0]["config_outdated"], true);
    let one = world
        .ok("GET", &format!("/devices/{MAC_1}"), Value::Null)
        .await;
    assert_eq!(one["config_outdated"], true);
    // What is read may be written back.
    world.ok("PUT", &format!("/devices/{MAC_1}"), one).await;
    let now = diff().await;
    let shown = now["diff"].as_str().unwrap();
    assert!(
        shown.contains("+        net.core.somaxconn: \"65535\""),
        "{shown}"
    );
    assert!(
        now["message"]
            .as_str()
            .unwrap()
            .contains("runs an older config")
    );
    serve().await;
    assert_eq!(diff().await["outdated"], false);
    let listed = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(listed[0]["config_outdated"], false);
}

#[tokio::test]
async fn no_node_gets_the_servers_own_address() {
    let world = World::ready().await;
    world.add(MAC_1).await;
    let path = format!("/devices/{MAC_1}/approve");
    let own = OWN_ADDRESS.to_string();
    let body = json!({"hostname": "cp-1", "ip_address": own, "role": "controlplane"});
    let (_, field, why) = world.refused("POST", &path, body).await;
    assert_eq!(field, "ip_address");
    assert!(why.contains("ktizo server"), "{why}");
    let change = json!({"ip_address": own});
    let (_, field, _) = world
        .refused("PUT", &format!("/devices/{MAC_1}"), change)
        .await;
    assert_eq!(field, "ip_address");
    let new = json!({"mac_address": MAC_2, "ip_address": own});
    world.refused("POST", "/devices", new.clone()).await;
    world.refused("POST", "/devices/register", new).await;

    // With all below it taken, the suggestion steps over it.
    for last in 2..7 {
        let mac = format!("52:54:00:00:01:{last:02}");
        let new = json!({"mac_address": mac, "ip_address": format!("10.0.0.{last}")});
        world.ok("POST", "/devices", new).await;
    }
    let path = format!("/devices/{MAC_1}/approval-suggestions");
    let suggested = world.ok("GET", &path, Value::Null).await;
    assert_eq!(suggested["ip_address"], "10.0.0.8");
}

#[tokio::test]
async fn the_last_control_plane_stays_while_workers_are_there() {
    let world = World::with_control_plane().await;
    world.approve(MAC_2, "worker-1", 12, "worker").await;
    let reject = format!("/devices/{MAC_1}/reject");
    let (code, _, why) = world.refused("POST", &reject, Value::Null).await;
    assert_eq!(code, "last_control_plane");
    assert!(why.contains("1 approved workers"), "{why}");
    let (code, _, _) = world
        .refused("DELETE", &format!("/devices/{MAC_1}"), Value::Null)
        .await;
    assert_eq!(code, "last_control_plane");
    world
        .ok("POST", &format!("/devices/{MAC_2}/reject"), Value::Null)
        .await;
    world.ok("POST", &reject, Value::Null).await;
}

#[tokio::test]
async fn progress_is_told() {
    let world = World::founded().await;
    let path = "/devices/regenerate/progress";
    let idle = world.ok("GET", path, Value::Null).await;
    assert_eq!(idle["running"], false);
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    world.ok("POST", "/devices/regenerate", Value::Null).await;
    let after = world.ok("GET", path, Value::Null).await;
    assert_eq!(
        after,
        json!({"running": false, "saving": false, "done": 1, "total": 1})
    );
}

#[tokio::test]
async fn a_patch_is_tried_before_it_is_saved() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let body = |scope: &str, text: &str| json!({"scope": scope, "name": "x", "text": text});
    let told = world
        .ok("POST", "/patches/check", body("cluster", SYSCTL))
        .await;
    let effects = told["effects"].as_array().unwrap();
    let on: Vec<_> = effects.iter().map(|effect| &effect["on"]).collect();
    assert_eq!(on, ["controlplane.yaml", "worker.yaml"]);
    for effect in effects {
        let diff = effect["diff"].as_str().unwrap();
        let added = diff.lines().filter(|line| line.starts_with('+'));
        assert!(
            added
                .clone()
                .any(|line| line.contains("net.core.somaxconn"))
        );
    }
    let mut own = body("device", SYSCTL);
    own["device"] = MAC_1.into();
    let told = world.ok("POST", "/patches/check", own).await;
    assert_eq!(told["effects"][0]["on"], MAC_1);
    assert!(
        told["effects"][0]["diff"]
            .as_str()
            .unwrap()
            .contains("somaxconn")
    );
    let secret = "machine:\n  token: abcdef.0123456789abcdef\n";
    let told = world
        .ok("POST", "/patches/check", body("cluster", secret))
        .await;
    assert!(!told.to_string().contains("0123456789abcdef"), "{told}");
    let wrong = body("worker", "machine:\n  colour: red\n");
    let (_, field, why) = world.refused("POST", "/patches/check", wrong).await;
    assert!(field == "text" && why.contains("colour"), "{field}: {why}");
    assert_eq!(
        world.ok("GET", "/patches", Value::Null).await,
        json!([]),
        "a check saves nothing"
    );
}

#[tokio::test]
async fn a_patch_is_deleted_once_whoever_else_deletes_it() {
    let world = World::founded().await;
    world.approve(MAC_1, "cp-1", 11, "controlplane").await;
    let saved = world.patch("cluster", "10-sysctl", SYSCTL).await;
    let path = format!("/patches/{}", saved["patch"]["id"]);
    let all = (0..8).map(|_| world.ask("DELETE", &path, Value::Null));
    let mut answers: Vec<u16> = futures_util::future::join_all(all)
        .await
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    answers.sort_unstable();
    assert_eq!(answers, [200, 404, 404, 404, 404, 404, 404, 404]);
    let told = world.kinds().await;
    let deleted = told.iter().filter(|kind| *kind == "patch_deleted");
    assert_eq!(deleted.count(), 1, "{told:?}");
    assert!(!world.config(MAC_1).await.contains("somaxconn"));
}
