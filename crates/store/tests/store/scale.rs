//! Ten thousand devices: figures are printed, what must hold is asserted.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Inventory, NetworkSettings, SeenBy, SystemClock};
use store::{DeviceFilter, Lane, NewDevice, Store};

use crate::{House, mac, new};

const DEVICES: u16 = 10_000;

#[tokio::test]
async fn ten_thousand_devices_are_opened_and_looked_up_fast() {
    let House {
        folder,
        store,
        clock,
    } = House::new();
    let house = House {
        folder,
        store,
        clock,
    };
    house
        .write(|w| {
            for n in 0..DEVICES {
                let device = w.insert_device(NewDevice {
                    hostname: Some(format!("node-{n}").parse().unwrap()),
                    ip_address: Some(crate::address(n)),
                    notes: format!("rack {}", n % 50),
                    ..new(n)
                })?;
                w.save_config(&device, model::Role::Worker, &vec![b'x'; 1000])?;
            }
            w.save_settings(&NetworkSettings::default())
        })
        .await;
    let path = house.folder.path().join("ktizo.db");
    house.store.close();

    let began = SystemClock.now();
    let store = Store::open(&path, Arc::new(SystemClock)).unwrap();
    let opened = SystemClock.now();

    const LOOKUPS: u16 = 20_000;
    let inside = store.read(Lane::Boot, |r| {
        let began = SystemClock.now();
        for n in 0..LOOKUPS {
            let known = r.device_by_mac(mac(n.wrapping_mul(7919) % DEVICES))?;
            assert!(known.is_some());
        }
        Ok(SystemClock.now().since(began))
    });
    let inside = inside.await.unwrap() / u32::from(LOOKUPS);

    const READS: u16 = 2_000;
    let reads_began = SystemClock.now();
    for n in 0..READS {
        let known = store.read(Lane::Boot, move |r| r.device_by_mac(mac(n)));
        assert!(known.await.unwrap().is_some());
    }
    let each = SystemClock.now().since(reads_began) / u32::from(READS);

    let search_began = SystemClock.now();
    let filter = DeviceFilter {
        search: Some("rack 49".into()),
        ..DeviceFilter::default()
    };
    let found = store
        .read(Lane::Admin, move |r| r.devices(&filter))
        .await
        .unwrap();
    let searched = SystemClock.now().since(search_began);
    assert_eq!(found.len(), usize::from(DEVICES / 50));

    let burst_began = SystemClock.now();
    let mut burst = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let store = store.clone();
        burst.spawn(async move {
            let actor = model::Actor::Device(mac(n));
            store
                .write(Lane::Boot, actor, move |w| {
                    w.sight(mac(n), &Inventory::default(), SeenBy::Dhcp)
                })
                .await
        });
    }
    while let Some(done) = burst.join_next().await {
        done.unwrap().map_err(|err: store::Error| err).unwrap();
    }
    let burst = SystemClock.now().since(burst_began);

    let opening: Duration = opened.since(began);
    println!(
        "{DEVICES} devices: open {opening:?}, device_by_mac {inside:?} in one view, {each:?} as a read of its own, \
         search {searched:?}, 1000 sights at once {burst:?}"
    );
}
