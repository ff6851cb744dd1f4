//! Machines that make themselves known, once each, and floods of those that do not exist.

use std::time::Duration;

use model::{Actor, Arch, EventKind, Firmware, Inventory, SeenBy, Timestamp};
use store::{DeviceFilter, EventFilter, Lane, NewDevice, Options, Sight};

use crate::{House, mac, new};

fn said(serial: &str) -> Inventory {
    Inventory {
        serial: Some(serial.to_owned()),
        ..Inventory::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_racing_first_sights_make_one_device_and_one_event() {
    let house = House::new();
    let runtime = tokio::runtime::Handle::current();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let (store, runtime) = (house.store.clone(), runtime.clone());
            std::thread::spawn(move || {
                let by = [SeenBy::Dhcp, SeenBy::Script, SeenBy::Config][n % 3];
                runtime.block_on(store.write(Lane::Boot, Actor::Device(mac(1)), move |w| {
                    w.sight(mac(1), &Inventory::default(), by)
                }))
            })
        })
        .collect();
    let sights: Vec<Sight> = threads
        .into_iter()
        .map(|thread| {
            thread
                .join()
                .unwrap()
                .map_err(|err: store::Error| err)
                .unwrap()
        })
        .collect();
    assert_eq!(sights.iter().filter(|sight| sight.is_new).count(), 1);
    let first = sights[0].device.id;
    assert!(sights.iter().all(|sight| sight.device.id == first));
    let events = house.read(|r| r.events(&EventFilter::default())).await;
    assert_eq!(events.len(), 1);
    assert!(matches!(events[0].what, EventKind::DeviceSeen { .. }));
    assert_eq!(events[0].actor, Actor::Device(mac(1)));
    assert_eq!(house.read(|r| r.count_devices(None)).await, 1);
}

#[tokio::test]
async fn being_seen_again_is_written_once_a_second_and_is_no_change() {
    let house = House::new();
    let sight = || house.write(|w| w.sight(mac(1), &Inventory::default(), SeenBy::Dhcp));
    let first = sight().await.device;
    let revision = house.read(|r| r.revision()).await;
    let mut changes = house.store.subscribe();
    house.clock.advance(Duration::from_millis(999));
    assert_eq!(sight().await.device.last_seen, first.last_seen);
    house.clock.advance(Duration::from_millis(1));
    let Sight {
        device: again,
        is_new,
    } = sight().await;
    assert!(!is_new);
    assert_eq!(again.last_seen, Some(Timestamp::from_micros(2_000_000)));
    assert_eq!(
        (again.first_seen, again.updated_at),
        (first.first_seen, first.updated_at)
    );
    assert_eq!(
        house.read(|r| r.device_by_mac(mac(1))).await.unwrap(),
        again
    );
    assert_eq!(house.read(|r| r.revision()).await, revision);
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn what_a_machine_says_is_merged_and_made_printable() {
    let house = House::new();
    let dhcp = Inventory {
        arch: Some(Arch::Amd64),
        firmware: Some(Firmware::Bios),
        ..Inventory::default()
    };
    house
        .write(move |w| w.sight(mac(1), &dhcp, SeenBy::Dhcp))
        .await;
    let mut changes = house.store.subscribe();
    let Sight { device, is_new } = house
        .write(|w| w.sight(mac(1), &said("  S\u{1b}[31m1\n"), SeenBy::Script))
        .await;
    assert!(!is_new);
    assert_eq!(device.inventory.arch, Some(Arch::Amd64));
    assert_eq!(device.inventory.serial.as_deref(), Some("S[31m1"));
    assert_eq!(changes.recv().await.unwrap().devices, [device.id]);
    let long = said(&"x".repeat(5000));
    let device = house
        .write(move |w| w.sight(mac(1), &long, SeenBy::Script))
        .await
        .device;
    assert_eq!(device.inventory.serial.unwrap().len(), Inventory::MAX_TEXT);
}

#[tokio::test]
async fn a_device_added_by_hand_gets_its_first_sight_later() {
    let house = House::new();
    house.write(|w| w.insert_device(new(1))).await;
    let Sight { device, is_new } = house
        .write(|w| w.sight(mac(1), &said("S1"), SeenBy::Config))
        .await;
    assert!(!is_new);
    assert_eq!(device.first_seen, Some(Timestamp::from_micros(1_000_000)));
    assert!(
        house
            .read(|r| r.events(&EventFilter::default()))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hide_a_device() {
    let house = House::new();
    let future = Some(Timestamp::from_micros(i64::MAX / 2));
    house
        .write(move |w| {
            let mut device = w.insert_device(NewDevice {
                seen: true,
                ..new(1)
            })?;
            device.last_seen = future;
            w.update_device(&device)
        })
        .await;
    let device = house
        .write(|w| w.sight(mac(1), &Inventory::default(), SeenBy::Dhcp))
        .await
        .device;
    assert_eq!(device.last_seen, Some(Timestamp::from_micros(1_000_000)));
}

#[tokio::test]
async fn a_flood_of_made_up_addresses_drops_the_longest_unseen_strangers_only() {
    let house = House::with(Options {
        undecided_devices: 32,
        ..Options::default()
    });
    let approved = house.approved(60_000).await;
    house.write(|w| w.insert_device(new(60_001))).await;
    house
        .write(|w| {
            w.insert_device(NewDevice {
                notes: "mine".into(),
                seen: true,
                ..new(60_002)
            })
        })
        .await;
    let touched = house
        .write(|w| w.sight(mac(60_003), &Inventory::default(), SeenBy::Dhcp))
        .await
        .device;
    house
        .write_as(Actor::Person("ada".into()), move |w| {
            w.update_device(&touched)
        })
        .await;
    let flood = |from: u16, to: u16| {
        let house = &house;
        async move {
            for n in from..to {
                house.pass(1);
                let one = move |w: &store::Writer<'_>| {
                    w.sight(mac(n), &Inventory::default(), SeenBy::Dhcp)
                };
                house
                    .store
                    .write(Lane::Boot, Actor::Device(mac(n)), one)
                    .await
                    .unwrap();
            }
        }
    };
    flood(0, 32).await;
    // The oldest by number is heard of again, so it is not the longest unseen any more.
    house
        .write(|w| w.sight(mac(0), &Inventory::default(), SeenBy::Dhcp))
        .await;
    assert_eq!(house.read(|r| r.count_devices(None)).await, 36);
    let before = house
        .read(|r| {
            r.events(&EventFilter {
                limit: 1,
                ..EventFilter::default()
            })
        })
        .await[0]
        .id;

    flood(32, 33).await;
    let all = house.read(|r| r.devices(&DeviceFilter::default())).await;
    let strangers: Vec<_> = all
        .iter()
        .filter(|d| d.mac < mac(60_000))
        .map(|d| d.mac)
        .collect();
    let expected: Vec<_> = std::iter::once(0).chain(3..33).map(mac).collect();
    assert_eq!(strangers, expected);
    for n in 60_000..60_004 {
        assert!(all.iter().any(|d| d.mac == mac(n)), "{n}");
    }
    let events = house
        .read(move |r| {
            r.events(&EventFilter {
                after: Some(before),
                ..EventFilter::default()
            })
        })
        .await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[1].what, EventKind::DevicesForgotten { count: 2 });
    assert_eq!(events[1].actor, Actor::System);

    flood(100, 1100).await;
    assert!(house.read(|r| r.count_devices(None)).await <= 36);
    // Nor do the events of strangers pile up: one for each that is there, and one for each time that some were forgotten.
    let events = house
        .read(|r| {
            r.events(&EventFilter {
                limit: 10_000,
                ..EventFilter::default()
            })
        })
        .await;
    assert!(events.len() < 40 + 1000 / 2, "{}", events.len());
    let kept = house.read(move |r| r.device(approved.id)).await;
    assert!(kept.is_some());
}

#[tokio::test]
async fn a_cap_of_nothing_still_answers_the_machine_at_hand() {
    let house = House::with(Options {
        undecided_devices: 0,
        ..Options::default()
    });
    for n in 0..3 {
        house.pass(1);
        let sight = house
            .write(move |w| w.sight(mac(n), &Inventory::default(), SeenBy::Dhcp))
            .await;
        assert!(sight.is_new);
        assert_eq!(house.read(|r| r.count_devices(None)).await, 1);
    }
    assert_eq!(house.write(|w| w.forget_unseen(0)).await, 1);
    assert_eq!(house.write(|w| w.forget_unseen(0)).await, 0);
}
