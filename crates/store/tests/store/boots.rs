//! Boot timelines: records become stages, stages become boots, and both are bounded.

use std::net::IpAddr;

use model::{BootStage, DeviceId, StageOutcome, StageRecord, Timestamp};
use store::{Change, Error};

use crate::{House, new};

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn record(stage: BootStage, seconds: i64, outcome: StageOutcome, detail: &str) -> StageRecord {
    StageRecord {
        stage,
        at: at(seconds),
        duration_us: None,
        bytes: None,
        retries: None,
        peer: None,
        outcome,
        detail: detail.to_owned(),
    }
}

fn done(stage: BootStage, seconds: i64) -> StageRecord {
    record(stage, seconds, StageOutcome::Done, "")
}

async fn device(house: &House) -> DeviceId {
    house.write(|w| w.insert_device(new(1))).await.id
}

async fn tell(house: &House, id: DeviceId, records: Vec<StageRecord>) {
    for record in records {
        house.write(move |w| w.record_stage(id, &record)).await;
    }
}

#[tokio::test]
async fn a_boot_is_told_stage_by_stage() {
    use BootStage::*;
    let house = House::new();
    let id = device(&house).await;
    let mut changes = house.store.subscribe();
    let peer: IpAddr = "10.0.0.9".parse().unwrap();
    let loader = StageRecord {
        duration_us: Some(1_500_000),
        bytes: Some(1 << 40),
        retries: Some(3),
        peer: Some(peer),
        ..record(Loader, 103, StageOutcome::Failed, "undionly.kpxe")
    };
    let stages = vec![
        done(Discover, 100),
        loader,
        done(Ipxe, 105),
        done(Script, 106),
        done(Hold, 107),
    ];
    tell(&house, id, stages.clone()).await;
    assert_eq!(
        changes.recv().await.unwrap(),
        Change {
            boots: vec![id],
            ..Change::default()
        }
    );
    let boots = house.read(move |r| r.boots(id, 10)).await;
    assert_eq!(boots.len(), 1);
    assert_eq!(boots[0].stages, stages);
    assert_eq!((boots[0].began_at, boots[0].last_at), (at(100), at(107)));
    assert_eq!((boots[0].furthest, boots[0].left_at), (Hold, None));

    // Power is cut, and it begins from nothing.
    tell(&house, id, vec![done(Discover, 130)]).await;
    let last = house.read(move |r| r.last_boot(id)).await.unwrap();
    assert_eq!(
        (last.began_at, last.furthest, last.stages.len()),
        (at(130), Discover, 0)
    );
    let boots = house.read(move |r| r.boots(id, 10)).await;
    assert_eq!(
        boots.iter().map(|b| b.stages.len()).collect::<Vec<_>>(),
        [1, 5]
    );
    assert_eq!(house.read(move |r| r.boots(id, 1)).await.len(), 1);
}

#[tokio::test]
async fn a_running_stage_is_completed_in_place() {
    use BootStage::{Hold, Initramfs, Kernel};
    use StageOutcome::{Done, Failed, Running};
    let house = House::new();
    let id = device(&house).await;
    tell(
        &house,
        id,
        vec![
            record(Kernel, 100, Running, "vmlinuz-amd64"),
            record(Initramfs, 101, Running, "initramfs-amd64.xz"),
            StageRecord {
                duration_us: Some(2_000_000),
                bytes: Some(20),
                ..record(Kernel, 100, Done, "vmlinuz-amd64")
            },
            // Another try after the first was done is another stage.
            StageRecord {
                retries: Some(1),
                ..record(Kernel, 104, Failed, "vmlinuz-amd64")
            },
            // A machine that asks again and again holds once.
            record(Hold, 110, Running, "waits"),
            record(Hold, 135, Running, "waits"),
            StageRecord {
                duration_us: Some(5_000_000),
                ..record(Hold, 160, Done, "waits")
            },
        ],
    )
    .await;
    let boot = house.read(move |r| r.boots(id, 1)).await.remove(0);
    assert_eq!(
        boot.stages,
        [
            StageRecord {
                duration_us: Some(2_000_000),
                bytes: Some(20),
                ..record(Kernel, 100, Done, "vmlinuz-amd64")
            },
            record(Initramfs, 101, Running, "initramfs-amd64.xz"),
            StageRecord {
                retries: Some(1),
                ..record(Kernel, 104, Failed, "vmlinuz-amd64")
            },
            StageRecord {
                duration_us: Some(55_000_000),
                ..record(Hold, 110, Done, "waits")
            },
        ]
    );
    assert_eq!(boot.last_at, at(165));
}

#[tokio::test]
async fn no_stage_is_left_running() {
    use BootStage::{Discover, Hold, Kernel, Loader};
    use StageOutcome::{Done, Failed, Running};
    let house = House::new();
    let id = device(&house).await;
    let told = vec![
        // By TFTP, the end says more than the beginning did; and the name of one file may begin as that of another.
        record(Loader, 100, Running, "ipxe/a"),
        record(Loader, 100, Running, "ipxe/a.efi"),
        record(Loader, 101, Failed, "ipxe/a.efi: the machine fell silent"),
        record(Loader, 102, Done, "ipxe/a"),
        // What a machine waits for may change while it waits.
        record(Hold, 110, Running, "waits for approval"),
        record(Hold, 110, Done, "waits for a kernel"),
        // Power is cut during a transfer and a hold, and again.
        record(Kernel, 120, Running, "vmlinuz-amd64"),
        record(Hold, 121, Running, "waits for approval"),
        done(Discover, 130),
    ];
    tell(&house, id, told).await;
    let boots = house.read(move |r| r.boots(id, 9)).await;
    let of = |boot: usize| -> Vec<(BootStage, StageOutcome, &str)> {
        let stages = boots[boot].stages.iter();
        stages
            .map(|stage| (stage.stage, stage.outcome, stage.detail.as_str()))
            .collect()
    };
    assert_eq!(
        of(1),
        [
            (Loader, Done, "ipxe/a"),
            (Loader, Failed, "ipxe/a.efi: the machine fell silent"),
            (Hold, Done, "waits for approval"),
            // It may still end late.
            (Kernel, Running, "vmlinuz-amd64"),
            (Hold, Failed, "waits for approval"),
        ]
    );
    tell(&house, id, vec![done(Hold, 131), done(Discover, 140)]).await;
    let boots = house.read(move |r| r.boots(id, 9)).await;
    assert_eq!(boots[2].stages[3].outcome, Failed);
}

#[tokio::test]
async fn what_ends_late_goes_to_the_boot_it_began_in() {
    use BootStage::{Discover, Kernel, Script};
    let house = House::new();
    let id = device(&house).await;
    let running = record(Kernel, 110, StageOutcome::Running, "vmlinuz-amd64");
    tell(
        &house,
        id,
        vec![done(Discover, 100), running, done(Discover, 130)],
    )
    .await;
    let failed = StageRecord {
        duration_us: Some(30_000_000),
        ..record(Kernel, 110, StageOutcome::Failed, "vmlinuz-amd64")
    };
    tell(
        &house,
        id,
        vec![failed.clone(), done(Script, 131), done(Script, 50)],
    )
    .await;
    let boots = house.read(move |r| r.boots(id, 9)).await;
    assert_eq!(boots.len(), 2);
    assert_eq!(
        boots[1].stages,
        [done(Discover, 100), failed, done(Script, 50)]
    );
    assert_eq!(boots[0].stages, [done(Discover, 130), done(Script, 131)]);
}

/// Where ktizo saw no DHCP request, a transfer begins the boot; how long it took tells its beginning a little earlier.
#[tokio::test]
async fn a_transfer_that_begins_a_boot_ends_in_it() {
    use BootStage::*;
    let house = House::new();
    let id = device(&house).await;
    let ended = StageRecord {
        at: at(900).minus(std::time::Duration::from_millis(3)),
        duration_us: Some(2_000_000),
        ..record(Loader, 0, StageOutcome::Done, "ipxe/a.efi")
    };
    let running = record(Loader, 900, StageOutcome::Running, "ipxe/a.efi");
    let told = vec![done(Script, 100), done(Talos, 101), running, ended];
    tell(&house, id, told).await;
    let boots = house.read(move |r| r.boots(id, 10)).await;
    let [second, first] = &boots[..] else {
        panic!("{boots:?}");
    };
    assert_eq!((second.stages.len(), first.stages.len()), (1, 2));
    let loader = &second.stages[0];
    assert_eq!(
        (loader.outcome, loader.at, loader.duration_us),
        (StageOutcome::Done, at(900), Some(2_000_000))
    );
}

#[tokio::test]
async fn a_power_on_after_the_clock_was_set_back_begins_a_boot() {
    use BootStage::*;
    let house = House::new();
    let id = device(&house).await;
    let told = vec![
        done(Discover, 10_000),
        done(Script, 10_001),
        done(Discover, 2_000),
        done(Script, 2_001),
        done(Config, 2_002),
    ];
    tell(&house, id, told).await;
    let boots = house.read(move |r| r.boots(id, 10)).await;
    let stages: Vec<usize> = boots.iter().map(|boot| boot.stages.len()).collect();
    assert_eq!(stages, [3, 2]);
}

#[tokio::test]
async fn a_machine_sent_away_is_leaving_until_it_asks_for_a_script_again() {
    use BootStage::*;
    let house = House::new();
    let id = device(&house).await;
    for (stage, seconds, left, boots) in [
        (Discover, 100, None, 1),
        (Script, 101, None, 1),
        (Leave, 102, Some(102), 1),
        // The firmware's other network entries.
        (Discover, 110, Some(102), 1),
        (Discover, 112, Some(102), 1),
        (ProxyRequest, 113, Some(102), 1),
        (Ipxe, 120, Some(102), 1),
        (Script, 121, None, 1),
        (Leave, 122, Some(122), 1),
        (Discover, 183, None, 2),
    ] {
        tell(&house, id, vec![done(stage, seconds)]).await;
        let last = house.read(move |r| r.last_boot(id)).await.unwrap();
        assert_eq!(last.left_at, left.map(at), "{stage} at {seconds}");
        assert_eq!(
            house.read(move |r| r.boots(id, 99)).await.len(),
            boots,
            "{stage} at {seconds}"
        );
    }
}

#[tokio::test]
async fn timelines_are_bounded() {
    let house = House::new();
    let id = device(&house).await;
    house
        .write(move |w| {
            for n in 0..300 {
                w.record_stage(
                    id,
                    &record(BootStage::Script, 100, StageOutcome::Done, &n.to_string()),
                )?;
            }
            Ok(())
        })
        .await;
    let boot = house.read(move |r| r.boots(id, 9)).await.remove(0);
    assert_eq!(boot.stages.len(), 200);
    assert_eq!(
        (
            boot.stages[0].detail.as_str(),
            boot.stages[1].detail.as_str()
        ),
        ("0", "101")
    );
    assert_eq!(boot.stages[199].detail, "299");

    house
        .write(move |w| {
            for n in 1..=30 {
                w.record_stage(id, &done(BootStage::Discover, n * 10_000))?;
            }
            w.record_stage(
                id,
                &record(
                    BootStage::Discover,
                    300_001,
                    StageOutcome::Done,
                    &"\u{7}x".repeat(999),
                ),
            )
        })
        .await;
    let boots = house.read(move |r| r.boots(id, 99)).await;
    assert_eq!(boots.len(), 20);
    assert_eq!(boots[19].began_at, at(110_000));
    assert_eq!(boots[0].stages[1].detail, "x".repeat(512));
}

#[tokio::test]
async fn less_is_kept_of_a_machine_that_nobody_had_a_hand_in() {
    let house = House::new();
    let mac = new(1).mac;
    let id = house
        .write(move |w| {
            let device = w
                .sight(mac, &model::Inventory::default(), model::SeenBy::Dhcp)?
                .device;
            for n in 0..10 {
                for m in 0..100 {
                    let detail = m.to_string();
                    let at = n * 10_000 + m;
                    let stage = if m == 0 {
                        BootStage::Discover
                    } else {
                        BootStage::Script
                    };
                    w.record_stage(device.id, &record(stage, at, StageOutcome::Done, &detail))?;
                }
            }
            Ok(device.id)
        })
        .await;
    let boots = house.read(move |r| r.boots(id, 99)).await;
    let stages: Vec<usize> = boots.iter().map(|boot| boot.stages.len()).collect();
    assert_eq!(stages, [50; 4]);
    assert_eq!(boots[0].stages[0].stage, BootStage::Discover);
    assert_eq!(boots[0].stages[49].detail, "99");
}

#[tokio::test]
async fn a_boot_needs_its_device() {
    let house = House::new();
    let refused = house
        .try_write(|w| w.record_stage(DeviceId(5), &done(BootStage::Discover, 1)))
        .await;
    assert!(matches!(refused, Err(Error::NoSuchDevice(DeviceId(5)))));
}

#[tokio::test]
async fn a_failed_install_names_the_last_stage_of_its_own_boot() {
    use BootStage::*;
    let house = House::new();
    let device = house.approved(1).await;
    let id = device.id;
    tell(&house, id, vec![done(Discover, 100), done(Initramfs, 110)]).await;
    house
        .write(move |w| {
            w.save_config(&device, model::Role::Worker, b"config")?;
            let config = w.config(id)?.unwrap();
            w.config_released(id, config.sha256)
        })
        .await;
    tell(&house, id, vec![done(Config, 120), done(Talos, 121)]).await;
    // It begins from nothing, and asks for its script.
    tell(&house, id, vec![done(Discover, 200), done(Script, 201)]).await;
    house
        .write(move |w| {
            let mut device = w.device(id)?.unwrap();
            w.install_event(&mut device, &model::InstallEvent::AskedAgain, true)
        })
        .await;
    let install = house
        .read(move |r| r.device(id))
        .await
        .unwrap()
        .life
        .install;
    match install {
        model::Install::Failed { last_stage, .. } => assert_eq!(last_stage, Some(Talos)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_seen_when_it_fetches_its_config_or_tells_of_itself() {
    let house = House::new();
    let device = house.approved(1).await;
    let id = device.id;
    let seen = async || house.read(move |r| r.device(id)).await.unwrap().last_seen;
    assert_eq!(seen().await, None, "it was added by hand");
    house.clock.advance(std::time::Duration::from_secs(60));
    house
        .write(move |w| {
            w.save_config(&device, model::Role::Worker, b"config")?;
            let config = w.config(id)?.unwrap();
            w.config_released(id, config.sha256)
        })
        .await;
    let fetched = seen().await.unwrap();
    house.clock.advance(std::time::Duration::from_millis(900));
    house.write(move |w| w.shown_itself(id)).await;
    assert_eq!(seen().await, Some(fetched), "once a second is enough");
    house.clock.advance(std::time::Duration::from_millis(100));
    let revision = house.read(|r| r.revision()).await;
    house.write(move |w| w.shown_itself(id)).await;
    let told = fetched.plus(std::time::Duration::from_secs(1));
    assert_eq!(seen().await, Some(told));
    assert_eq!(
        house.read(|r| r.revision()).await,
        revision,
        "that is no change"
    );
}

/// What counts is the last boot of a device, its last stage, and how long it has been silent: at 1000 s, silence begins before 500 s,
/// and what was before 50 s is history.
#[tokio::test]
async fn boots_under_way_and_boots_that_failed_are_counted() {
    use BootStage::*;
    use StageOutcome::{Failed, Refused, Running};
    let house = House::new();
    let (mut under_way, mut failed) = (Vec::new(), Vec::new());
    for (number, (stages, is_under_way, has_failed)) in [
        (vec![done(Discover, 900)], true, false),
        (vec![done(Discover, 100)], false, true),
        (vec![done(Discover, 20)], false, false),
        (vec![record(Kernel, 900, Failed, "")], false, true),
        (vec![record(Kernel, 100, Failed, "")], false, true),
        (vec![record(Kernel, 20, Failed, "")], false, false),
        (
            vec![record(Kernel, 100, Failed, ""), done(Discover, 900)],
            true,
            false,
        ),
        (vec![record(Config, 900, Refused, "")], false, true),
        (vec![done(Config, 900)], false, false),
        (vec![record(Hold, 900, Running, "")], false, false),
        (vec![record(Hold, 100, Running, "")], false, false),
        (
            vec![record(Hold, 100, Running, ""), done(Discover, 900)],
            true,
            false,
        ),
        (vec![done(Script, 900), done(Leave, 901)], false, false),
        (vec![done(Leave, 100), done(Discover, 110)], false, true),
        (vec![record(Maintenance, 100, Running, "")], true, false),
        (vec![done(Start, 900)], true, false),
        (vec![done(Start, 100)], false, false),
        (vec![done(Install, 100)], false, true),
        (vec![done(Install, 900), done(Installed, 901)], false, false),
        (vec![done(Restart, 100)], false, false),
        (vec![done(Ready, 900)], false, false),
    ]
    .into_iter()
    .enumerate()
    {
        let mac = u16::try_from(number + 1).unwrap();
        let id = house.write(move |w| w.insert_device(new(mac))).await.id;
        tell(&house, id, stages).await;
        under_way.extend(is_under_way.then_some(id));
        failed.extend(has_failed.then_some(id));
    }
    under_way.reverse();
    failed.reverse();
    let (alive, since) = (at(500), at(50));
    let got = house.read(move |r| r.under_way(alive, since, 100)).await;
    assert_eq!(
        (got.in_all, got.devices),
        (under_way.len() as u64, under_way)
    );
    let got = house.read(move |r| r.failed(alive, since, 100)).await;
    assert_eq!((got.in_all, &got.devices), (failed.len() as u64, &failed));
    let few = house.read(move |r| r.failed(alive, since, 2)).await;
    assert_eq!((few.in_all, &few.devices[..]), (got.in_all, &failed[..2]));

    // A database from before learns the same of its boots.
    let db = rusqlite::Connection::open(house.folder.path().join("ktizo.db")).unwrap();
    let standings = || -> Vec<(i64, Option<String>)> {
        let mut all = db
            .prepare("SELECT id, standing FROM boots ORDER BY id")
            .unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(|row| row.unwrap()).collect()
    };
    let told = standings();
    let migration = include_str!("../../migrations/0016_boot_standings.sql");
    let update = migration
        .split(';')
        .find(|it| it.contains("UPDATE"))
        .unwrap();
    db.execute("UPDATE boots SET standing = NULL", []).unwrap();
    db.execute_batch(update).unwrap();
    assert_eq!(standings(), told);
}
