//! Events: filtered, kept, and bounded where strangers can make them.

use model::{Actor, EventId, EventKind};
use store::{EventFilter, Options};

use crate::{House, mac, new};

#[tokio::test]
async fn filters_narrow_the_list_together() {
    let house = House::new();
    let ada = Actor::Person("ada".into());
    let device = house.write(|w| w.insert_device(new(1))).await;
    let of_it = device.clone();
    house
        .write_as(ada.clone(), move |w| {
            w.event(Some(&of_it), EventKind::DeviceAdded)?;
            w.event(None, EventKind::StrictModeSwitched { on: false })
        })
        .await;
    house.pass(1);
    let of_it = device.clone();
    house
        .write_as(Actor::Device(mac(1)), move |w| {
            w.event(Some(&of_it), EventKind::WipeAsked)?;
            w.event(None, EventKind::DevicesForgotten { count: 3 })
        })
        .await;
    let base = EventFilter::default;
    for (filter, ids) in [
        (base(), &[4, 3, 2, 1][..]),
        (EventFilter { limit: 2, ..base() }, &[4, 3]),
        (
            EventFilter {
                before: Some(EventId(3)),
                ..base()
            },
            &[2, 1],
        ),
        (
            EventFilter {
                after: Some(EventId(1)),
                before: Some(EventId(4)),
                ..base()
            },
            &[3, 2],
        ),
        (
            EventFilter {
                device: Some(device.id),
                ..base()
            },
            &[3, 1],
        ),
        (
            EventFilter {
                kind: Some("wipe_asked".into()),
                ..base()
            },
            &[3],
        ),
        (
            EventFilter {
                kind: Some("nonsense".into()),
                ..base()
            },
            &[],
        ),
        (
            EventFilter {
                person_only: true,
                ..base()
            },
            &[2, 1],
        ),
        (
            EventFilter {
                person_only: true,
                device: Some(device.id),
                ..base()
            },
            &[1],
        ),
    ] {
        let shown = format!("{filter:?}");
        let got = house.read(move |r| r.events(&filter)).await;
        assert_eq!(
            got.iter().map(|event| event.id.0).collect::<Vec<_>>(),
            ids,
            "{shown}"
        );
    }
    let all = house.read(|r| r.events(&EventFilter::default())).await;
    assert_eq!(
        (&all[3].actor, all[3].device, all[3].mac),
        (&ada, Some(device.id), Some(mac(1)))
    );
    assert_eq!(all[0].what, EventKind::DevicesForgotten { count: 3 });
    assert_eq!(all[0].at.as_micros() - all[3].at.as_micros(), 1_000_000);
}

#[tokio::test]
async fn old_events_of_machines_make_room_and_those_of_persons_stay() {
    let house = House::with(Options {
        machine_events: 500,
        ..Options::default()
    });
    let ada = Actor::Person("ada".into());
    house
        .write_as(ada, |w| w.event(None, EventKind::DeviceAdded))
        .await;
    house
        .write(|w| {
            for _ in 0..5000 {
                w.event(None, EventKind::WipeAsked)?;
            }
            Ok(())
        })
        .await;
    let all = house
        .read(|r| {
            r.events(&EventFilter {
                limit: 9999,
                ..EventFilter::default()
            })
        })
        .await;
    assert!((501..501 + 1024).contains(&all.len()), "{}", all.len());
    assert_eq!(all.last().unwrap().id, EventId(1));
    assert_eq!(all[0].id, EventId(5001));
}

#[tokio::test]
async fn what_was_told_cannot_be_changed_replaced_or_cleared() {
    let house = House::new();
    let ada = Actor::Person("ada".into());
    house
        .write_as(ada, |w| w.event(None, EventKind::DeviceAdded))
        .await;
    // Somebody with the file in hand, past all of the code.
    let other = rusqlite::Connection::open(house.folder.path().join("ktizo.db")).unwrap();
    for (sql, why) in [
        ("UPDATE events SET actor = 'system'", "never changed"),
        ("DELETE FROM events", "never deleted"),
        (
            "INSERT OR REPLACE INTO events (id, happened_at, actor, kind, what) VALUES (1, 0, 'system', 'x', '{}')",
            "never changed",
        ),
    ] {
        let err = other.execute(sql, []).unwrap_err().to_string();
        assert!(err.contains(why), "{sql}: {err}");
    }
}
