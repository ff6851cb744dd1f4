//! Devices: made, listed, changed, deleted, and never two of what must be one.

use std::collections::BTreeMap;

use model::{
    Actor, Approval, ApprovalStatus, Arch, BootId, BootStage, Device, DeviceId, EphemeralVolume,
    Firmware, Install, Inventory, Lifecycle, LocalBoot, Role, StageOutcome, StageRecord,
    StandingOrder, Timestamp, Wipe,
};
use proptest::prelude::*;
use store::{Change, DeviceFilter, DeviceSort, Error, NewDevice};

use crate::{House, address, mac, new};

/// Every field at a value that is not its default.
fn whole(device: &Device) -> Device {
    let at = |n| Some(Timestamp::from_micros(n));
    Device {
        id: device.id,
        mac: mac(77),
        hostname: Some("cp-1".parse().unwrap()),
        ip_address: Some(address(77)),
        role: Some(Role::Controlplane),
        approval: Approval::Rejected {
            by: Actor::Person("ada".into()),
            at: Timestamp::from_micros(5),
        },
        life: Lifecycle {
            order: StandingOrder::Menu,
            install: Install::Failed {
                attempt: 2,
                at: Timestamp::from_micros(3_000),
                boot: Some(BootId(4)),
                error: Some("no \"disk\"".into()),
                last_stage: Some(BootStage::Config),
                reports: true,
            },
            wipe: Wipe::Ordered {
                by: Actor::Person("ada".into()),
                at: Timestamp::from_micros(6_000),
                expires: Timestamp::from_micros(7_000),
                then: StandingOrder::Local,
            },
        },
        notes: "row 3, ${mac} 'quoted' \u{1F980}".into(),
        labels: serde_json::from_str(r#"{"rack":"r1","spare":""}"#).unwrap(),
        install_disk: Some("/dev/nvme0n1".into()),
        ephemeral: EphemeralVolume {
            min_size: Some("10GiB".into()),
            max_size: Some("100GiB".into()),
            disk_selector: Some("disk.transport == \"nvme\"".into()),
        },
        local_boot: LocalBoot::Exit,
        loader: Some("ipxe.efi".into()),
        inventory: Inventory {
            arch: Some(Arch::Arm64),
            firmware: Some(Firmware::Uefi),
            uuid: Some("4c4c4544-0000-4000-8000-000000000001".parse().unwrap()),
            serial: Some("S1".into()),
            vendor: Some("Acme".into()),
            model: Some("M 1".into()),
        },
        first_seen: at(11),
        last_seen: at(12),
        last_config_download: at(13),
        config_released_at: at(14),
        created_at: device.created_at,
        updated_at: device.updated_at,
    }
}

#[tokio::test]
async fn every_field_is_kept() {
    let house = House::new();
    let made = house.write(|w| w.insert_device(new(1))).await;
    assert_eq!(made.approval, Approval::Pending);
    assert_eq!(made.life, Lifecycle::default());
    assert_eq!((made.first_seen, made.last_seen), (None, None));
    let id = made.id;
    assert_eq!(house.read(move |r| r.device(id)).await.unwrap(), made);

    house.pass(10);
    let changed = whole(&made);
    let wanted = changed.clone();
    house.write(move |w| w.update_device(&changed)).await;
    let got = house.read(move |r| r.device_by_mac(mac(77))).await.unwrap();
    assert_eq!(got.updated_at, Timestamp::from_micros(11_000_000));
    assert_eq!(
        got,
        Device {
            updated_at: got.updated_at,
            ..wanted
        }
    );
    assert!(house.read(move |r| r.device_by_mac(mac(1))).await.is_none());
}

#[tokio::test]
async fn any_spelling_of_a_mac_is_one_device() {
    let house = House::new();
    let spellings = [
        "52:54:00:AB:00:01",
        "52-54-00-ab-00-01",
        "5254.00ab.0001",
        "525400AB0001",
    ];
    for (index, spelling) in spellings.into_iter().enumerate() {
        let mac = spelling.parse().unwrap();
        let added = house
            .try_write(move |w| w.insert_device(NewDevice { mac, ..new(9) }))
            .await;
        if index == 0 {
            added.unwrap();
        } else {
            assert!(
                matches!(&added, Err(Error::Taken { field: "mac_address", value }) if value == "52:54:00:ab:00:01"),
                "{added:?}"
            );
        }
        let sight = house
            .write(move |w| w.sight(mac, &Inventory::default(), model::SeenBy::Dhcp))
            .await;
        assert_eq!((sight.device.id, sight.is_new), (DeviceId(1), false));
    }
}

#[tokio::test]
async fn names_and_addresses_belong_to_one_device_and_nothing_changes_on_refusal() {
    let house = House::new();
    let first = house.approved(1).await;
    let second = house.approved(2).await;
    let revision = house.read(|r| r.revision()).await;
    let mut changes = house.store.subscribe();
    for (field, device) in [
        (
            "hostname",
            Device {
                hostname: first.hostname.clone(),
                ..second.clone()
            },
        ),
        (
            "ip_address",
            Device {
                ip_address: first.ip_address,
                ..second.clone()
            },
        ),
        (
            "mac_address",
            Device {
                mac: first.mac,
                ..second.clone()
            },
        ),
    ] {
        let refused = house
            .try_write(move |w| {
                w.event(Some(&device), model::EventKind::DeviceRejected)?;
                w.update_device(&device)
            })
            .await;
        assert!(
            matches!(&refused, Err(Error::Taken { field: f, .. }) if *f == field),
            "{refused:?}"
        );
    }
    let id = second.id;
    assert_eq!(house.read(move |r| r.device(id)).await.unwrap(), second);
    assert_eq!(house.read(|r| r.revision()).await, revision);
    assert!(
        house
            .read(|r| r.events(&Default::default()))
            .await
            .is_empty()
    );
    assert!(changes.try_recv().is_err());

    let name = first.hostname.clone().unwrap();
    assert_eq!(
        house.read(move |r| r.device_with_hostname(&name)).await,
        Some(first.id)
    );
    assert_eq!(
        house.read(|r| r.device_with_address(address(2))).await,
        Some(second.id)
    );
    assert_eq!(
        house.read(|r| r.device_with_address(address(3))).await,
        None
    );
}

#[tokio::test]
async fn an_approved_device_must_be_whole_and_a_deleted_one_cannot_be_changed() {
    let house = House::new();
    let device = house.approved(1).await;
    let halved = Device {
        role: None,
        ..device.clone()
    };
    let refused = house.try_write(move |w| w.update_device(&halved)).await;
    assert!(
        matches!(&refused, Err(Error::Refused(rule)) if rule.contains("approved_is_whole")),
        "{refused:?}"
    );

    let id = device.id;
    assert!(house.write(move |w| w.delete_device(id)).await);
    assert!(!house.write(move |w| w.delete_device(id)).await);
    let refused = house.try_write(move |w| w.update_device(&device)).await;
    assert!(matches!(refused, Err(Error::NoSuchDevice(gone)) if gone == id));
}

#[tokio::test]
async fn deleting_takes_config_and_boots_along_but_not_events_and_gives_no_number_twice() {
    let house = House::new();
    let device = house.approved(1).await;
    let id = device.id;
    let of_it = device.clone();
    house
        .write(move |w| {
            w.save_config(&of_it, Role::Worker, b"machine: {}")?;
            w.record_stage(id, &stage(w.now()))?;
            w.event(Some(&of_it), model::EventKind::DeviceAdded)
        })
        .await;
    let mut changes = house.store.subscribe();
    house
        .write_as(Actor::Person("ada".into()), move |w| {
            w.event(
                Some(&device),
                model::EventKind::DeviceDeleted {
                    status: ApprovalStatus::Approved,
                },
            )?;
            w.delete_device(id)
        })
        .await;
    let change = changes.recv().await.unwrap();
    assert_eq!(
        change,
        Change {
            devices: vec![id],
            last_event: Some(model::EventId(2)),
            ..Change::default()
        }
    );
    assert!(house.read(move |r| r.config(id)).await.is_none());
    assert!(house.read(move |r| r.boots(id, 9)).await.is_empty());
    let events = house
        .read(move |r| {
            r.events(&store::EventFilter {
                device: Some(id),
                ..Default::default()
            })
        })
        .await;
    assert_eq!(events.len(), 2);
    assert_eq!(
        (events[0].actor.to_string(), events[0].mac),
        ("person:ada".into(), Some(mac(1)))
    );
    assert!(house.write(|w| w.insert_device(new(1))).await.id > id);
}

fn stage(at: Timestamp) -> StageRecord {
    StageRecord {
        stage: BootStage::Hold,
        at,
        duration_us: None,
        bytes: None,
        retries: None,
        peer: None,
        outcome: StageOutcome::Done,
        detail: String::new(),
    }
}

#[tokio::test]
async fn a_search_finds_any_part_in_any_spelling_and_nothing_else() {
    let house = House::new();
    house
        .write(|w| {
            w.insert_device(NewDevice {
                mac: "52:54:01:00:05:aa".parse().unwrap(),
                hostname: Some("db-one".parse().unwrap()),
                ip_address: Some("10.0.0.5".parse().unwrap()),
                notes: "100% of rack_7\\b".into(),
                labels: serde_json::from_str(r#"{"rack":"r1","a.b/row":"2"}"#).unwrap(),
                ..new(0)
            })?;
            w.insert_device(NewDevice {
                mac: "52:54:00:0a:b0:cd".parse().unwrap(),
                inventory: Inventory {
                    serial: Some("SN-0007".into()),
                    vendor: Some("Acme".into()),
                    model: Some("PowerThing".into()),
                    ..Inventory::default()
                },
                ip_address: Some("10.0.0.50".parse().unwrap()),
                notes: "100 of rackX7".into(),
                ..new(0)
            })
        })
        .await;
    for (search, found) in [
        ("52:54:01", &[1][..]),
        ("52-54-01-00", &[1]),
        ("5254.0100", &[1]),
        ("52540100", &[1]),
        ("A:B0:C", &[2]),
        ("0a-b0", &[2]),
        ("5254.000A.B0cd", &[2]),
        ("ab0", &[2]),
        (" DB-ONE ", &[1]),
        ("10.0.0.5", &[1, 2]),
        ("10.0.0.50", &[2]),
        ("sn-0007", &[2]),
        ("acme", &[2]),
        ("erTHI", &[2]),
        ("100%", &[1]),
        ("rack_7", &[1]),
        ("7\\b", &[1]),
        ("", &[1, 2]),
        ("rack=r1", &[1]),
        ("ow=2", &[1]),
        ("nobody", &[]),
        // A part of an address is no part of a MAC: 52:54:01:00:05 must not be found by the digits of 1.0.0.0.5.
        ("1.0.0.0.5", &[]),
    ] {
        let filter = DeviceFilter {
            search: Some(search.to_owned()),
            ..DeviceFilter::default()
        };
        let got = house.read(move |r| r.devices(&filter)).await;
        let ids: Vec<i64> = got.iter().map(|device| device.id.0).collect();
        assert_eq!(ids, found, "{search:?}");
    }
    for (label, found) in [
        ("rack", &[1][..]),
        ("rack=r1", &[1]),
        ("a.b/row=2", &[1]),
        ("rack=", &[]),
        ("rack=r", &[]),
        ("Rack", &[]),
    ] {
        let filter = DeviceFilter {
            label: Some(label.parse().unwrap()),
            after: Some(DeviceSort::Id.key(&house.read(|r| r.device(DeviceId(2))).await.unwrap())),
            descending: true,
            ..DeviceFilter::default()
        };
        let count = filter.clone();
        let got = house.read(move |r| r.devices(&filter)).await;
        let ids: Vec<i64> = got.iter().map(|device| device.id.0).collect();
        assert_eq!(ids, found, "{label:?}");
        let counted = house.read(move |r| r.count_matching(&count)).await;
        assert_eq!(counted, found.len() as u64, "{label:?}");
    }
}

#[tokio::test]
async fn lists_are_filtered_counted_and_paged() {
    let house = House::new();
    for n in 0..3 {
        house.approved(n).await;
        house.write(move |w| w.insert_device(new(100 + n))).await;
    }
    let ids = |filter: DeviceFilter| {
        let house = &house;
        async move {
            let got = house.read(move |r| r.devices(&filter)).await;
            got.iter().map(|device| device.id.0).collect::<Vec<_>>()
        }
    };
    let approved = Some(ApprovalStatus::Approved);
    assert_eq!(ids(DeviceFilter::default()).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        ids(DeviceFilter {
            status: approved,
            ..DeviceFilter::default()
        })
        .await,
        [1, 3, 5]
    );
    assert_eq!(
        ids(DeviceFilter {
            skip: 1,
            limit: Some(2),
            ..DeviceFilter::default()
        })
        .await,
        [2, 3]
    );
    assert_eq!(
        ids(DeviceFilter {
            skip: 4,
            ..DeviceFilter::default()
        })
        .await,
        [5, 6]
    );
    assert_eq!(
        ids(DeviceFilter {
            limit: Some(0),
            ..DeviceFilter::default()
        })
        .await,
        [0; 0]
    );
    assert_eq!(
        ids(DeviceFilter {
            limit: Some(u64::MAX),
            skip: u64::MAX,
            ..DeviceFilter::default()
        })
        .await,
        [0; 0]
    );
    // Those that need a person: a wipe was asked for at 3's console, and a machine reported that its install failed.
    house
        .write(|w| {
            let mut asked = w.device(DeviceId(3))?.unwrap();
            asked.life.wipe = Wipe::Asked { at: w.now() };
            w.update_device(&asked)?;
            let mut failed = w.device(DeviceId(5))?.unwrap();
            let error = Some("no disk".to_owned());
            failed.life.install = Install::Failed {
                attempt: 1,
                at: w.now(),
                boot: None,
                error,
                last_stage: None,
                reports: true,
            };
            w.update_device(&failed)
        })
        .await;
    let needy = DeviceFilter {
        needs_person: true,
        ..DeviceFilter::default()
    };
    assert_eq!(ids(needy).await, [3, 5]);
    assert_eq!(house.read(|r| r.count_devices(None)).await, 6);
    assert_eq!(house.read(move |r| r.count_devices(approved)).await, 3);
    assert_eq!(
        house
            .read(|r| r.count_devices(Some(ApprovalStatus::Rejected)))
            .await,
        0
    );
    assert_eq!(house.read(|r| r.approved()).await.len(), 3);
}

/// What a person may do to a small set of devices.
#[derive(Clone, Debug)]
enum Step {
    Insert { mac: u16, name: Option<u16> },
    Rename { row: usize, name: Option<u16> },
    Move { row: usize, mac: u16 },
    Delete { row: usize },
    Sight { mac: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let few = 0..5_u16;
    let row = 0..5_usize;
    prop_oneof![
        (few.clone(), prop::option::of(few.clone()))
            .prop_map(|(mac, name)| Step::Insert { mac, name }),
        (row.clone(), prop::option::of(few.clone()))
            .prop_map(|(row, name)| Step::Rename { row, name }),
        (row.clone(), few.clone()).prop_map(|(row, mac)| Step::Move { row, mac }),
        row.prop_map(|row| Step::Delete { row }),
        few.prop_map(|mac| Step::Sight { mac }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A map from number to MAC and name, and the rule that each is there once, foretell every outcome.
    #[test]
    fn any_sequence_of_changes_keeps_what_is_unique_unique(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            let mut rows = BTreeMap::<DeviceId, (u16, Option<u16>)>::new();
            let hostname = |name: Option<u16>| name.map(|name| format!("n{name}").parse().unwrap());
            for step in steps {
                let id = |row: usize| rows.keys().nth(row).copied();
                let clash = |own: Option<DeviceId>, mac: u16, name: Option<u16>| {
                    rows.iter().filter(|(id, _)| Some(**id) != own).any(|(_, (m, n))| *m == mac || (n.is_some() && *n == name))
                };
                match step {
                    Step::Insert { mac, name } => {
                        let made = house.try_write(move |w| w.insert_device(NewDevice { hostname: hostname(name), ..new(mac) })).await;
                        prop_assert_eq!(made.is_err(), clash(None, mac, name));
                        if let Ok(device) = made {
                            rows.insert(device.id, (mac, name));
                        }
                    }
                    Step::Rename { row, .. } | Step::Move { row, .. } => {
                        let Some(id) = id(row) else { continue };
                        let (mut number, mut label) = rows[&id];
                        match step {
                            Step::Move { mac, .. } => number = mac,
                            Step::Rename { name, .. } => label = name,
                            _ => unreachable!(),
                        }
                        let done = house.try_write(move |w| {
                            let mut device = w.device(id)?.unwrap();
                            device.mac = mac(number);
                            device.hostname = hostname(label);
                            w.update_device(&device)
                        }).await;
                        prop_assert_eq!(done.is_err(), clash(Some(id), number, label));
                        if done.is_ok() {
                            rows.insert(id, (number, label));
                        }
                    }
                    Step::Delete { row } => {
                        let Some(id) = id(row) else { continue };
                        prop_assert!(house.write(move |w| w.delete_device(id)).await);
                        rows.remove(&id);
                    }
                    Step::Sight { mac: number } => {
                        let sight = house.write(move |w| w.sight(mac(number), &Inventory::default(), model::SeenBy::Script)).await;
                        prop_assert_eq!(sight.is_new, !rows.values().any(|(mac, _)| *mac == number));
                        rows.entry(sight.device.id).or_insert((number, None));
                    }
                }
            }
            let got = house.read(|r| r.devices(&DeviceFilter::default())).await;
            let got: BTreeMap<_, _> = got.into_iter().map(|d| (d.id, (d.mac, d.hostname))).collect();
            let wanted: BTreeMap<_, _> = rows.iter().map(|(id, (number, name))| (*id, (mac(*number), hostname(*name)))).collect();
            prop_assert_eq!(got, wanted);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn of_two_devices_made_one_no_card_becomes_confirmed_by_the_way() {
    let house = House::new();
    let stays = house.approved(1).await;
    let inventory = Inventory {
        uuid: "4c4c4544-0000-4000-8000-000000000001".parse().ok(),
        ..Inventory::default()
    };
    let shown = inventory.clone();
    let goes = house
        .write(move |w| w.sight(mac(2), &shown, model::SeenBy::Script))
        .await
        .device;
    // A third one shows the UUID of the second, as anybody can.
    house
        .write(move |w| w.sight(mac(3), &inventory, model::SeenBy::Script))
        .await;
    let id = stays.id;
    let both = (stays.clone(), goes);
    house
        .write(move |w| w.merge_devices(&both.0, &both.1))
        .await;
    let cards = house.read(move |r| r.cards(id)).await;
    let confirmed = |n| {
        let mut cards = cards.iter();
        cards
            .find(|card| card.mac == mac(n))
            .unwrap()
            .confirmed_at
            .is_some()
    };
    assert!(confirmed(2) && !confirmed(3));
    assert_eq!(
        house.read(move |r| r.trusted_cards(&stays)).await,
        [mac(1), mac(2)]
    );
}

#[tokio::test]
async fn a_token_does_not_follow_a_device_to_another_mac() {
    let house = House::new();
    let mut device = house.approved(1).await;
    let id = device.id;
    let token = model::ConfigToken::from_random([1; model::ConfigToken::BYTES]);
    house.write(move |w| w.issue_token(id, &token)).await;
    device.mac = mac(2);
    house.write(move |w| w.update_device(&device)).await;
    assert_eq!(house.read(move |r| r.token_grant(id)).await, None);
}
