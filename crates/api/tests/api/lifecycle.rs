//! Orders, wipes, and words about what became of them.

use std::time::Duration;

use model::proof::Verdict;
use model::{
    Actor, Arch, Asset, AssetName, BootStage, DeviceId, KernelLogLevel, KernelLogLine, ProofSource,
    Sha256Digest, StageOutcome, StageRecord,
};
use serde_json::{Value, json};
use store::Lane;

use crate::world::{MAC_2, World};

const ORDER: &str = "/devices/1/order";

fn wipe() -> Value {
    json!({"order": "wipe", "confirm": "cp-1", "then": "install"})
}

async fn hears(world: &World, verdict: Verdict) -> bool {
    let device = DeviceId(1);
    let write = world.store.write(Lane::Boot, Actor::System, move |writer| {
        writer.take_verdict(device, &verdict, ProofSource::Events)
    });
    write.await.unwrap()
}

/// The script goes out, or does not, as the boot server would write it down.
async fn sends_the_wipe(world: &World) -> bool {
    let write = world.store.write(Lane::Boot, Actor::System, |writer| {
        let mut device = writer.device(DeviceId(1))?.unwrap();
        let told = device.life.spend_wipe(writer.now());
        writer.live(&device, told)
    });
    write.await.unwrap()
}

async fn is_released(world: &World) {
    let write = world.store.write(Lane::Boot, Actor::System, |writer| {
        let sha256 = writer.config(DeviceId(1))?.unwrap().sha256;
        writer.config_released(DeviceId(1), sha256)
    });
    write.await.unwrap();
}

async fn imports_a_release(world: &World) {
    let write = world.store.write(Lane::Admin, Actor::System, |writer| {
        for AssetName { arch, kind } in AssetName::all_for(Arch::Amd64) {
            writer.insert_asset(&Asset {
                version: "v1.13.8".parse().unwrap(),
                arch,
                kind,
                size: 1,
                sha256: Sha256Digest([7; 32]),
                imported_at: writer.now(),
            })?;
        }
        Ok::<_, store::Error>(())
    });
    write.await.unwrap();
}

#[tokio::test]
async fn a_wipe_is_confirmed_with_the_name_and_no_other_way() {
    let world = World::with_control_plane().await;
    world.add(MAC_2).await;
    let kinds = world.kinds().await;
    for (method, path, body, field) in [
        ("POST", ORDER, json!({"order": "wipe"}), "confirm"),
        (
            "POST",
            ORDER,
            json!({"order": "wipe", "confirm": "CP-1"}),
            "confirm",
        ),
        (
            "POST",
            ORDER,
            json!({"order": "wipe", "confirm": ""}),
            "confirm",
        ),
        (
            "POST",
            ORDER,
            json!({"order": "local", "confirm": "cp-1"}),
            "confirm",
        ),
        (
            "POST",
            ORDER,
            json!({"order": "local", "then": "menu"}),
            "then",
        ),
        // Nobody has let that one in, so nobody knows what it is.
        ("POST", "/devices/2/order", wipe(), "order"),
        (
            "PUT",
            "/devices/1",
            json!({"boot_order": "wipe"}),
            "boot_order",
        ),
        (
            "PUT",
            "/devices/1",
            json!({"wipe_on_next_boot": true}),
            "wipe_on_next_boot",
        ),
        (
            "POST",
            "/devices/1/proof",
            json!({"proof": "wiped"}),
            "proof",
        ),
    ] {
        let (_, got, why) = world.refused(method, path, body.clone()).await;
        assert_eq!(got, field, "{path} {body}: {why}");
    }
    let bulk = json!({"action": {"order": {"order": "wipe"}}, "devices": ["1"]});
    world.refused("POST", "/devices/bulk", bulk).await;
    assert_eq!(world.kinds().await, kinds, "a refusal changes nothing");

    let ordered = world.ok("POST", ORDER, wipe()).await;
    assert_eq!(ordered["wipe_on_next_boot"], true);
    assert_eq!(ordered["boot_order"], "wipe");
    assert_eq!(ordered["wipe"]["state"], "ordered");
    assert_eq!(ordered["wipe"]["then"], "install");
    let events = world
        .ok("GET", "/events?kind=wipe_ordered", Value::Null)
        .await;
    assert!(events[0]["actor"].as_str().unwrap().starts_with("person:"));
    // Whoever writes back what was read, orders nothing and calls nothing off.
    let written = world.ok("PUT", "/devices/1", ordered.clone()).await;
    assert_eq!(written, ordered);
}

#[tokio::test]
async fn any_change_calls_a_wipe_off_and_a_remark_does_not() {
    let world = World::with_control_plane().await;
    for (method, path, body, stays) in [
        ("PUT", "/devices/1", json!({"notes": "rack 3"}), true),
        ("PUT", "/devices/1", json!({"labels": {"rack": "3"}}), true),
        ("PUT", "/devices/1", json!({"hostname": "cp-9"}), false),
        ("PUT", "/devices/1", json!({"hostname": "cp-1"}), false),
        (
            "PUT",
            "/devices/1",
            json!({"install_disk": "/dev/sdb"}),
            false,
        ),
        ("PUT", "/devices/1", json!({"boot_order": "menu"}), false),
        (
            "PUT",
            "/devices/1/settings",
            json!({"install_wipe": true}),
            false,
        ),
        ("POST", ORDER, json!({"order": "install"}), false),
        ("DELETE", "/devices/1/wipe", Value::Null, false),
        ("POST", "/devices/1/reject", Value::Null, false),
    ] {
        let name = world.ok("GET", "/devices/1", Value::Null).await["hostname"].clone();
        let order = json!({"order": "wipe", "confirm": name});
        world.ok("POST", ORDER, order).await;
        world.ok(method, path, body.clone()).await;
        let after = world.ok("GET", "/devices/1", Value::Null).await;
        assert_eq!(after["wipe_on_next_boot"], stays, "{method} {path} {body}");
        assert_eq!(
            sends_the_wipe(&world).await,
            stays,
            "{method} {path} {body}"
        );
        if stays {
            // It is on its way, and only a person's order goes on from there.
            world.ok("POST", ORDER, json!({"order": "local"})).await;
        }
    }
}

#[tokio::test]
async fn a_wipe_is_sent_once_and_waits_for_its_proof() {
    let world = World::with_control_plane().await;
    world.ok("POST", ORDER, wipe()).await;
    assert!(sends_the_wipe(&world).await);
    assert!(!sends_the_wipe(&world).await);
    let spent = world.ok("GET", "/devices/1", Value::Null).await;
    assert_eq!(
        (&spent["wipe"]["state"], &spent["wipe_on_next_boot"]),
        (&json!("spent"), &json!(false))
    );
    // To change its name makes the disk no other.
    let renamed = world
        .ok("PUT", "/devices/1", json!({"hostname": "cp-2"}))
        .await;
    assert_eq!(renamed["wipe"]["state"], "spent");
    assert!(hears(&world, Verdict::Wiped).await);
    let wiped = world.ok("GET", "/devices/1", Value::Null).await;
    assert_eq!(
        (&wiped["wipe"]["state"], &wiped["boot_order"]),
        (&json!("proven"), &json!("install"))
    );
    assert_eq!(wiped["install"]["state"], "waiting");
    assert!(
        !hears(&world, Verdict::Wiped).await,
        "the same word again is no news"
    );
    let kinds = world.kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "wipe_sent").count(), 1);
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "wipe_proven").count(),
        1
    );
}

/// The decision is the same that a boot gets, and the reason stands beside it.
#[tokio::test]
async fn what_the_next_boot_really_does_is_told() {
    let world = World::with_control_plane().await;
    let told = async |does: &str, why: &str| {
        let one = world.ok("GET", "/devices/1", Value::Null).await;
        let all = world.ok("GET", "/devices", Value::Null).await;
        assert_eq!(one["next_boot"], all[0]["next_boot"]);
        assert_eq!(one["next_boot"]["does"], does, "{one}");
        let said = one["next_boot"]["why"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{said}");
    };
    told("hold", "kernel and initramfs").await;
    imports_a_release(&world).await;
    told("install", "").await;
    world.ok("POST", ORDER, wipe()).await;
    told("wipe", "").await;
    sends_the_wipe(&world).await;
    told("hold", "wipe not proven").await;
    let body = json!({"proof": "wiped"});
    world.ok("POST", "/devices/1/proof", body).await;
    is_released(&world).await;
    let error = "no disk matches".to_owned();
    assert!(hears(&world, Verdict::InstallFailed { error }).await);
    told("install", "").await;
    let once = json!({"install_attempts": 1});
    world.ok("PUT", "/network/settings", once).await;
    told("hold", "every attempt to install failed").await;
    let body = json!({"proof": "installed"});
    world.ok("POST", "/devices/1/proof", body).await;
    told("leave", "installed").await;
    world.ok("POST", ORDER, json!({"order": "menu"})).await;
    told("menu", "as ordered").await;
    world.ok("POST", "/devices/1/reject", Value::Null).await;
    told("leave", "rejected").await;
}

#[tokio::test]
async fn a_person_may_vouch_for_a_wipe_and_an_install() {
    let world = World::with_control_plane().await;
    world.ok("POST", ORDER, wipe()).await;
    sends_the_wipe(&world).await;
    let vouched = world
        .ok("POST", "/devices/1/proof", json!({"proof": "wiped"}))
        .await;
    assert_eq!(
        (&vouched["wipe"]["by"], &vouched["boot_order"]),
        (&json!("operator"), &json!("install"))
    );
    let vouched = world
        .ok("POST", "/devices/1/proof", json!({"proof": "installed"}))
        .await;
    assert_eq!(
        (&vouched["install"]["by"], &vouched["boot_order"]),
        (&json!("operator"), &json!("local"))
    );
    let kinds = world.kinds().await;
    assert_eq!(kinds[kinds.len() - 2..], ["wipe_proven", "install_proven"]);
}

#[tokio::test]
async fn a_proof_counts_only_for_what_began_since_the_order() {
    let world = World::with_control_plane().await;
    // What it says of the system it had before.
    assert!(!hears(&world, Verdict::Running).await);
    is_released(&world).await;
    let begun = world.ok("GET", "/devices/1", Value::Null).await;
    assert_eq!(
        (&begun["install"]["state"], &begun["install"]["attempt"]),
        (&json!("begun"), &json!(1))
    );
    let error = "no disk matches".to_owned();
    assert!(hears(&world, Verdict::InstallFailed { error }).await);
    let failed = world.ok("GET", "/devices/1", Value::Null).await;
    assert_eq!(
        (&failed["install"]["state"], &failed["install"]["error"]),
        (&json!("failed"), &json!("no disk matches"))
    );
    assert_eq!(failed["boot_order"], "install");
    assert!(hears(&world, Verdict::Installed).await);
    let installed = world.ok("GET", "/devices/1", Value::Null).await;
    assert_eq!(
        (&installed["install"]["state"], &installed["boot_order"]),
        (&json!("installed"), &json!("local"))
    );
    // It fails to come up later: that is no reason to install over it.
    let error = "etcd".to_owned();
    assert!(!hears(&world, Verdict::BootFailed { error }).await);
    world.clock.advance(Duration::from_secs(1));
    let anew = world.ok("POST", ORDER, json!({"order": "install"})).await;
    assert_eq!(
        (&anew["install"]["state"], &anew["boot_order"]),
        (&json!("waiting"), &json!("install"))
    );
    // Nothing went out under that order, so that what it would have installed over is what there is.
    let back = world.ok("POST", ORDER, json!({"order": "local"})).await;
    assert_eq!(
        (&back["install"], &back["boot_order"]),
        (&installed["install"], &json!("local"))
    );
}

#[tokio::test]
async fn a_machine_with_several_disks_is_not_let_in_without_a_choice() {
    let world = World::with_control_plane().await;
    world.add(MAC_2).await;
    let heard = world.store.write(Lane::Boot, Actor::System, |writer| {
        let line = |sequence, message: &str| KernelLogLine {
            message: message.to_owned(),
            at: None,
            level: KernelLogLevel::Info,
            facility: "kern".to_owned(),
            priority: "info".to_owned(),
            sequence,
            clock_us: 1,
        };
        let record = StageRecord {
            stage: BootStage::Discover,
            at: writer.now(),
            duration_us: None,
            bytes: None,
            retries: None,
            peer: None,
            outcome: StageOutcome::Done,
            detail: String::new(),
        };
        writer.record_stage(DeviceId(2), &record)?;
        let lines = [
            line(
                1,
                "sd 0:0:0:0: [sda] 976773168 512-byte logical blocks: (500 GB/466 GiB)",
            ),
            line(2, "sd 0:0:0:0: [sda] Write Protect is off"),
            line(3, " nvme0n1: p1 p2"),
        ];
        writer.keep_kernel_lines(DeviceId(2), &lines)
    });
    heard.await.unwrap();
    let suggested = world
        .ok("GET", "/devices/2/approval-suggestions", Value::Null)
        .await;
    assert_eq!(
        suggested["disks"],
        json!([{"path": "/dev/nvme0n1", "size": null}, {"path": "/dev/sda", "size": "500 GB/466 GiB"}])
    );
    let with = json!({"hostname": "worker-1", "ip_address": "10.0.0.20", "role": "worker"});
    let (code, field, why) = world
        .refused("POST", "/devices/2/approve", with.clone())
        .await;
    assert_eq!(
        (code.as_str(), field.as_str()),
        ("disk_not_chosen", "install_disk")
    );
    assert!(
        why.contains("/dev/nvme0n1, /dev/sda (500 GB/466 GiB)"),
        "{why}"
    );
    let mut chosen = with;
    chosen["install_disk"] = json!("/dev/nvme0n1");
    let approved = world.ok("POST", "/devices/2/approve", chosen).await;
    assert_eq!(approved["install_disk"], "/dev/nvme0n1");
}
