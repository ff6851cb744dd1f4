//! Network settings, base configs, and the device configs that follow them.

use std::fs::FileTimes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::{Actor, BootStage, Inventory, MacAddr, SeenBy};
use serde_json::{Value, json};
use store::Lane;
use tokio::task::JoinSet;

use crate::world::{MAC_1, MAC_2, World, base};

#[tokio::test]
async fn settings_are_changed_field_by_field() {
    let world = World::new().await;
    let defaults = world.ok("GET", "/network/settings", Value::Null).await;
    assert_eq!(defaults["strict_boot_mode"], true);
    assert_eq!(defaults["hold_limit_seconds"], 300);
    let changed = world
        .ok(
            "PUT",
            "/network/settings",
            json!({"menu_seconds": 0, "nameservers": ["10.0.0.53"], "payload": "tftp"}),
        )
        .await;
    assert_eq!(changed["menu_seconds"], 0);
    assert_eq!(changed["hold_limit_seconds"], 300);
    assert_eq!(changed.get("meaning"), None);
    let events = world.ok("GET", "/events", Value::Null).await;
    assert_eq!(
        events[0]["message"],
        "network settings changed: menu_seconds, nameservers, payload"
    );
    let back = world.ok("PUT", "/network/settings", changed.clone()).await;
    assert_eq!(back, changed);
    assert_eq!(world.kinds().await.len(), 1, "no change is no event");
}

#[tokio::test]
async fn a_profile_of_firmware_is_changed_field_by_field() {
    let world = World::new().await;
    let loader = json!({"firmware": {"efi_x64": {"loader": "odd.efi"}}});
    world.ok("PUT", "/network/settings", loader).await;
    let control =
        json!({"firmware": {"efi_x64": {"discovery_control": false}, "bios": {"loader": null}}});
    let changed = world.ok("PUT", "/network/settings", control).await;
    assert_eq!(
        changed["firmware"]["efi_x64"],
        json!({"loader": "odd.efi", "discovery_control": false})
    );
    assert_eq!(
        changed["firmware"]["http_x64"],
        json!({"loader": null, "discovery_control": true})
    );
    // A loader that is nowhere is told.
    let status = world.ok("GET", "/status", Value::Null).await;
    let problems = status["problems"].to_string();
    assert!(problems.contains("odd.efi"), "{problems}");
    for (bad, field) in [
        (
            json!({"efi_x64": {"loader": "../x"}}),
            "firmware.efi_x64.loader",
        ),
        (json!({"efi_x64": {"speed": 1}}), "firmware.efi_x64.speed"),
        (json!({"toaster": {}}), "firmware.toaster"),
    ] {
        let body = json!({"firmware": bad});
        let (_, named, _) = world.refused("PUT", "/network/settings", body).await;
        assert_eq!(named, field);
    }
    let usual = json!({"firmware": {"efi_x64": null}});
    let back = world.ok("PUT", "/network/settings", usual).await;
    assert_eq!(back["firmware"]["efi_x64"], changed["firmware"]["http_x64"]);
}

#[tokio::test]
async fn a_loader_of_a_device_that_is_nowhere_is_told() {
    let world = World::with_control_plane().await;
    let told = async || {
        let status = world.ok("GET", "/status", Value::Null).await;
        let (_, ready) = world.ask_raw("GET", "/readyz", String::new()).await;
        (status["problems"].to_string(), ready.to_string())
    };
    let loader = |name: Value| world.ok("PUT", "/devices/1", json!({ "loader": name }));
    loader(json!("nosuch.efi")).await;
    let (problems, ready) = told().await;
    assert!(
        problems.contains("nosuch.efi")
            && problems.contains("device 1")
            && ready.contains("nosuch.efi"),
        "{problems} {ready}"
    );
    // It is told to everybody.
    assert!(!ready.contains(MAC_1), "{ready}");
    world.add(MAC_2).await;
    world
        .ok("PUT", "/devices/2", json!({"loader": "nosuch.efi"}))
        .await;
    let (problems, _) = told().await;
    assert!(problems.contains("2 devices"), "{problems}");
    loader(Value::Null).await;
    world.ok("PUT", "/devices/2", json!({"loader": null})).await;
    let (problems, ready) = told().await;
    assert!(
        problems == "[]" && !ready.contains("nosuch.efi"),
        "{problems} {ready}"
    );
}

#[tokio::test]
async fn a_bad_loader_is_warned_of_once_wherever_it_is_given() {
    let world = World::with_control_plane().await;
    let warnings = async || world.ok("GET", "/status", Value::Null).await["warnings"].clone();
    assert_eq!(warnings().await, json!([]));
    let told = json!(["boot loader /loaders/old.efi: it is from 2019"]);
    let device = json!({"loader": "old.efi"});
    world.ok("PUT", "/devices/1", device).await;
    assert_eq!(warnings().await, told);
    let profile = json!({"firmware": {"efi_x64": {"loader": "old.efi"}}});
    world.ok("PUT", "/network/settings", profile).await;
    assert_eq!(warnings().await, told);
    world.ok("PUT", "/devices/1", json!({"loader": null})).await;
    assert_eq!(warnings().await, told);
}

#[tokio::test]
async fn subnets_that_overlap_are_refused_and_a_subnet_that_leaves_its_gateway_names_itself() {
    let world = World::founded().await;
    for (subnet, gateway, field) in [
        ("10.244.3.0/24", Some("10.244.3.1"), "node_subnet"),
        ("10.100.0.0/16", Some("10.100.0.1"), "node_subnet"),
        ("10.0.1.0/24", None, "node_subnet"),
        ("10.0.1.0/24", Some("10.0.0.9"), "gateway"),
    ] {
        let mut body = json!({ "node_subnet": subnet });
        if let Some(gateway) = gateway {
            body["gateway"] = json!(gateway);
        }
        let (_, named, why) = world.refused("PUT", "/network/settings", body).await;
        assert_eq!(named, field, "{subnet} {gateway:?}: {why}");
    }
}

#[tokio::test]
async fn who_is_held_at_this_moment_is_counted() {
    let world = World::ready().await;
    world.add(MAC_1).await;
    world.add(MAC_2).await;
    let held = async || world.ok("GET", "/status", Value::Null).await["devices"]["held"].clone();
    assert_eq!(held().await, 0);
    let asks = async |mac: &str| {
        let mac: MacAddr = mac.parse().unwrap();
        let seen = world
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                let seen = writer.sight(mac, &Inventory::default(), SeenBy::Script);
                seen.map(drop)
            });
        seen.await.unwrap();
    };
    asks(MAC_1).await;
    asks(MAC_2).await;
    world.stage(MAC_1, BootStage::Hold);
    world.stage(MAC_2, BootStage::Script);
    // The boots are written down in the background.
    let seen = async {
        while held().await != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen)
        .await
        .unwrap();
    // It asks again and again, which is no other stage of its boot.
    for _ in 0..12 {
        world.clock.advance(Duration::from_secs(25));
        asks(MAC_1).await;
        assert_eq!(held().await, 1);
    }
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(held().await, 0, "it went away");
}

#[tokio::test]
async fn to_switch_strict_mode_says_what_it_means() {
    let world = World::new().await;
    let off = world
        .ok(
            "PUT",
            "/network/settings",
            json!({"strict_boot_mode": false}),
        )
        .await;
    let meaning = off["meaning"].as_str().unwrap();
    assert!(
        meaning.contains("strict boot mode off") && meaning.contains("Talos"),
        "{meaning}"
    );
    assert_eq!(
        world.kinds().await,
        ["settings_changed", "strict_mode_switched"]
    );
    let again = world
        .client
        .set_network(off.as_object().unwrap())
        .await
        .unwrap();
    assert_eq!(again.meaning, None);
    let on = world
        .client
        .set_network(json!({"strict_boot_mode": true}).as_object().unwrap())
        .await
        .unwrap();
    assert!(on.settings.strict_boot_mode && on.meaning.unwrap().contains("left alone"));
}

#[tokio::test]
async fn impossible_settings_are_refused_by_their_field() {
    let world = World::with_control_plane().await;
    for (body, field) in [
        (json!({"hold_limit_seconds": 90_000}), "hold_limit_seconds"),
        (json!({"hold_limit_seconds": "long"}), "hold_limit_seconds"),
        (json!({"menu_seconds": -1}), "menu_seconds"),
        (json!({"node_subnet": "10.0.0.5/24"}), "node_subnet"),
        (json!({"gateway": "10.0.9.1"}), "gateway"),
        (json!({"nameservers": ["10.0.0.53", "x"]}), "nameservers[1]"),
        (json!({"talos_version": "latest"}), "talos_version"),
        (json!({"payload": "ftp"}), "payload"),
        (
            json!({"extra_kernel_args": ["talos.config=http://x"]}),
            "extra_kernel_args",
        ),
        (json!({"strict_boot_mode": null}), "strict_boot_mode"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let (_, named, why) = world
            .refused("PUT", "/network/settings", body.clone())
            .await;
        assert_eq!(named, field, "{body}: {why}");
    }
}

#[tokio::test]
async fn all_configs_follow_the_settings_or_nothing_is_changed() {
    let world = World::with_control_plane().await;
    world.add(MAC_2).await;
    let worker = json!({"hostname": "w-1", "ip_address": "10.0.0.200", "role": "worker"});
    world.ok("POST", "/devices/2/approve", worker).await;
    world
        .ok(
            "PUT",
            "/network/settings",
            json!({"gateway": "10.0.0.254", "nameservers": ["10.0.0.53"]}),
        )
        .await;
    for mac in [MAC_1, MAC_2] {
        let config = world.config(mac).await;
        assert!(
            config.contains("10.0.0.254") && config.contains("10.0.0.53"),
            "{config}"
        );
    }
    let kinds = world.kinds().await;
    assert_eq!(
        kinds[kinds.len() - 2..],
        ["settings_changed", "regenerated"]
    );
    let narrow = json!({"node_subnet": "10.0.0.0/25", "gateway": "10.0.0.1"});
    let (code, _, why) = world.refused("PUT", "/network/settings", narrow).await;
    assert_eq!(code, "devices_would_break");
    assert!(why.starts_with("1 of 2 device configs"), "{why}");
    assert!(
        why.contains(&format!("w-1 ({MAC_2}): 10.0.0.200 is outside")),
        "{why}"
    );
    let (_, _, why) = world
        .refused(
            "PUT",
            "/network/settings",
            json!({"node_subnet": null, "gateway": null}),
        )
        .await;
    assert!(why.starts_with("2 of 2"), "{why}");
    let (_, _, why) = world
        .refused("PUT", "/network/settings", json!({"gateway": "10.0.0.11"}))
        .await;
    assert!(why.contains("cp-1"), "{why}");
}

#[tokio::test]
async fn an_imported_base_config_is_in_every_device_config_of_its_role() {
    let world = World::with_control_plane().await;
    let other = base("controlplane").replace("clusterName: test", "clusterName: other");
    let imported = world
        .ok("POST", "/cluster/base", json!({"controlplane": other}))
        .await;
    assert_eq!(imported["roles"], json!(["controlplane"]));
    assert_eq!(imported["device_configs_generated"], 1);
    assert!(world.config(MAC_1).await.contains("clusterName: other"));
    let kinds = world.kinds().await;
    assert_eq!(kinds[kinds.len() - 2..], ["base_imported", "regenerated"]);
    let again = world
        .ok("POST", "/cluster/base", json!({"controlplane": other}))
        .await;
    assert_eq!(
        (&again["roles"], &again["device_configs_generated"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(world.kinds().await, kinds);
    for (body, field, word) in [
        (json!({}), "controlplane", "neither"),
        (
            json!({"controlplane": base("worker")}),
            "controlplane",
            "worker",
        ),
        (
            json!({"worker": "machine:\n  type: worker\n  x: [verysecret\n"}),
            "worker",
            "line",
        ),
        (json!({"worker": "just text"}), "worker", "worker.yaml"),
        (json!({"boss": base("worker")}), "boss", "boss"),
        (json!({"worker": 7}), "worker", "string"),
    ] {
        let (_, named, why) = world.refused("POST", "/cluster/base", body.clone()).await;
        assert_eq!(named, field, "{why}");
        assert!(why.contains(word) && !why.contains("verysecret"), "{why}");
    }
}

#[tokio::test]
async fn regenerate_answers_as_it_always_did_and_adopts_what_was_edited() {
    let world = World::with_control_plane().await;
    let plain = world.ok("POST", "/devices/regenerate", Value::Null).await;
    assert_eq!(
        plain,
        json!({
            "message": "1 device configs made anew", "device_configs_generated": 1,
            "boot_script_generated": true, "approved_devices": 1,
        })
    );
    let path = world.path("base/controlplane.yaml");
    std::fs::create_dir(world.path("base")).unwrap();
    // The clock of the test stands in 2026-11-23; files are stamped by the real one.
    let imported_at: SystemTime = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_417_200);
    let edit = |text: &str, at: SystemTime| {
        std::fs::write(&path, text).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(at)).unwrap();
    };
    let edited = base("controlplane").replace("clusterName: test", "clusterName: by-hand");
    edit(&edited, imported_at - Duration::from_secs(60));
    world.ok("POST", "/devices/regenerate", Value::Null).await;
    assert!(
        !world.config(MAC_1).await.contains("by-hand"),
        "a file from before the import is no edit"
    );
    edit(&edited, imported_at + Duration::from_secs(60));
    let adopted = world.ok("POST", "/devices/regenerate", Value::Null).await;
    assert_eq!(
        adopted["message"],
        "1 device configs made anew, with 1 base configs that were edited"
    );
    assert!(world.config(MAC_1).await.contains("clusterName: by-hand"));
    edit(
        "machine:\n  type: [\n",
        imported_at + Duration::from_secs(120),
    );
    let (_, field, why) = world
        .refused("POST", "/devices/regenerate", Value::Null)
        .await;
    assert_eq!(field, "controlplane");
    assert!(
        why.contains("controlplane.yaml") && why.contains("line"),
        "{why}"
    );
}

#[tokio::test]
async fn an_edited_base_config_is_told_and_taken_into_use_whatever_its_time_says() {
    let world = World::with_control_plane().await;
    let folder = world.path("base");
    std::fs::create_dir(&folder).unwrap();
    let mut written = api::Written::default();
    written.note("controlplane.yaml", base("controlplane").as_bytes());
    std::fs::write(folder.join(api::Written::NAME), written.print()).unwrap();
    let path = folder.join("controlplane.yaml");
    let edited = base("controlplane").replace("clusterName: test", "clusterName: by-hand");
    std::fs::write(&path, edited).unwrap();
    let long_ago = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_times(long_ago).unwrap();
    let status = world.ok("GET", "/status", Value::Null).await;
    let told = status["edited"].to_string();
    assert!(
        told.contains("controlplane.yaml was changed by hand and is not in use"),
        "{told}"
    );
    world.ok("POST", "/devices/regenerate", Value::Null).await;
    assert!(world.config(MAC_1).await.contains("clusterName: by-hand"));
    let status = world.ok("GET", "/status", Value::Null).await;
    assert_eq!(status["edited"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_that_meet_are_all_made() {
    let world = Arc::new(World::with_control_plane().await);
    let mut at_work = JoinSet::new();
    let fields = [
        json!({"menu_seconds": 7}),
        json!({"hold_limit_seconds": 77}),
        json!({"gateway": "10.0.0.254"}),
        json!({"nameservers": ["10.0.0.53"]}),
        json!({"extra_kernel_args": ["console=ttyS0"]}),
        json!({"talos_version": "v1.13.9"}),
    ];
    for change in fields.clone() {
        let world = Arc::clone(&world);
        at_work.spawn(async move {
            world.ok("PUT", "/network/settings", change).await;
        });
    }
    // A store that never rests: each of these makes what was prepared beforehand worthless.
    for last in 10..60 {
        let world = Arc::clone(&world);
        at_work.spawn(async move {
            world.add(&format!("52:54:00:00:01:{last}")).await;
        });
    }
    at_work.join_all().await;
    let after = world.ok("GET", "/network/settings", Value::Null).await;
    for change in &fields {
        let (field, value) = change.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&after[field], value, "{field}");
    }
    let config = world.config(MAC_1).await;
    assert!(
        config.contains("10.0.0.254") && config.contains("10.0.0.53"),
        "{config}"
    );
}
