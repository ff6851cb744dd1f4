//! Who waits for whom.

use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use model::{Actor, Inventory, SeenBy};
use store::{DeviceFilter, Error, Lane};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{House, mac, new};

/// Far beyond anything but a deadlock.
const AT_MOST: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_flood_of_admin_reads_does_not_hold_up_a_machine() {
    let house = House::new();
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let mut flood = JoinSet::new();
    for _ in 0..500 {
        let (store, wait) = (house.store.clone(), wait.clone());
        flood.spawn(async move {
            store
                .read(Lane::Admin, move |r| {
                    let _ = wait.lock().unwrap().recv();
                    r.devices(&DeviceFilter::default())
                })
                .await
        });
    }
    tokio::task::yield_now().await;
    for n in 0..20 {
        let seen = house
            .store
            .write(Lane::Boot, Actor::Device(mac(n)), move |w| {
                w.sight(mac(n), &Inventory::default(), SeenBy::Dhcp)
            });
        let device = timeout(AT_MOST, seen)
            .await
            .unwrap()
            .map_err(|err: Error| err)
            .unwrap()
            .device;
        let found = house
            .store
            .read(Lane::Boot, move |r| r.device_by_mac(mac(n)));
        assert_eq!(
            timeout(AT_MOST, found).await.unwrap().unwrap(),
            Some(device)
        );
    }
    assert!(
        flood.try_join_next().is_none(),
        "the flood was to wait all the while"
    );
    drop(release);
    while let Some(read) = flood.join_next().await {
        read.unwrap().unwrap();
    }
}

#[tokio::test]
async fn changes_of_machines_go_before_those_of_persons() {
    let house = House::new();
    let (release, wait) = mpsc::channel::<()>();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let store = house.store.clone();
    tasks.spawn(async move {
        store
            .write(Lane::Boot, Actor::System, move |_| {
                let _ = wait.recv();
                Ok::<_, Error>(())
            })
            .await
    });
    tokio::task::yield_now().await;
    for (lane, name) in [
        (Lane::Admin, "admin 1"),
        (Lane::Admin, "admin 2"),
        (Lane::Boot, "boot 1"),
        (Lane::Boot, "boot 2"),
    ] {
        let (store, order) = (house.store.clone(), order.clone());
        tasks.spawn(async move {
            store
                .write(lane, Actor::System, move |_| {
                    order.lock().unwrap().push(name);
                    Ok::<_, Error>(())
                })
                .await
        });
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(
        *order.lock().unwrap(),
        ["boot 1", "boot 2", "admin 1", "admin 2"]
    );
}

#[tokio::test]
async fn a_flood_of_machines_leaves_room_for_persons() {
    let house = House::new();
    let (release, wait) = mpsc::channel::<()>();
    assert!(house.store.submit(Actor::System, move |_| {
        let _ = wait.recv();
        Ok(())
    }));
    let mut taken = 0_u32;
    let made = Arc::new(Mutex::new(0_u32));
    loop {
        let made = made.clone();
        let more = house.store.submit(Actor::System, move |_| {
            *made.lock().unwrap() += 1;
            Ok(())
        });
        if !more {
            break;
        }
        taken += 1;
        assert!(taken < 100_000, "the queue is bounded");
    }
    let seen = made.clone();
    let admin = house.store.write(Lane::Admin, Actor::System, move |_| {
        Ok::<_, Error>(*seen.lock().unwrap())
    });
    let (before, _) = tokio::join!(admin, async { release.send(()).unwrap() });
    assert!(
        before.unwrap() < taken,
        "a person's change came only after {taken} of machines"
    );
    house.write(|_| Ok(())).await;
    // Nothing that was taken in is lost.
    house.store.clone().close();
    assert_eq!(*made.lock().unwrap(), taken);
}

#[tokio::test]
async fn a_panic_in_a_read_costs_that_read_alone() {
    let house = House::new();
    for lane in [Lane::Boot, Lane::Admin] {
        for _ in 0..8 {
            let broken = house
                .store
                .read::<()>(lane, |_| panic!("fault {}", 7))
                .await;
            assert!(
                matches!(&broken, Err(Error::Panicked(why)) if why == "fault 7"),
                "{broken:?}"
            );
        }
        assert_eq!(
            house
                .store
                .read(lane, |r| r.count_devices(None))
                .await
                .unwrap(),
            0
        );
    }
}

#[tokio::test]
async fn a_read_sees_one_moment() {
    let house = House::new();
    let (go, may_go) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let view = house.store.read(Lane::Admin, move |r| {
        let before = r.count_devices(None)?;
        let _ = begun.send(());
        let _ = may_go.recv();
        Ok((before, r.count_devices(None)?, r.revision()?))
    });
    let meanwhile = async {
        has_begun.await.unwrap();
        house.write(|w| w.insert_device(new(1))).await;
        go.send(()).unwrap();
    };
    let (seen, ()) = tokio::join!(view, meanwhile);
    assert_eq!(seen.unwrap(), (0, 0, 0));
    assert_eq!(house.read(|r| r.count_devices(None)).await, 1);
}

#[tokio::test]
async fn a_change_is_made_even_if_nobody_waits_for_it() {
    let house = House::new();
    let patience = Duration::from_nanos(1);
    let change = house.store.write(Lane::Admin, Actor::System, |w| {
        w.insert_device(new(1)).map_err(|err: Error| err)
    });
    let _ = timeout(patience, change).await;
    house.write(|_| Ok(())).await;
    assert_eq!(house.read(|r| r.count_devices(None)).await, 1);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let house = House::new();
    let path = house.folder.path().join("ktizo.db");
    house.write(|w| w.insert_device(new(1))).await;
    house.store.clone().close();
    assert!(matches!(
        house.store.read(Lane::Boot, |r| r.revision()).await,
        Err(Error::Closed)
    ));
    assert!(matches!(
        house.try_write(|w| w.insert_device(new(2))).await,
        Err(Error::Closed)
    ));
    assert!(!house.store.submit(Actor::System, |_| Ok(())));
    assert!(
        !path.with_extension("db-wal").exists(),
        "the write-ahead log was to be moved"
    );
}

#[tokio::test]
async fn the_last_clone_may_go_inside_of_a_closure() {
    for lane in [Lane::Boot, Lane::Admin] {
        let House { folder, store, .. } = House::new();
        let inside = store.clone();
        let write = store.write(lane, Actor::System, move |w| {
            let device = w.insert_device(new(1));
            drop(inside);
            device
        });
        write.await.map_err(|err: Error| err).unwrap();
        let inside = store.clone();
        let (begun, has_begun) = mpsc::channel::<()>();
        let (dropped, may_end) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel::<()>();
        let mut read = Box::pin(store.read(lane, move |_| {
            let _ = begun.send(());
            let _ = may_end.recv();
            drop(inside);
            let _ = ended.send(());
            Ok(())
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(&mut context).is_pending());
        has_begun.recv().unwrap();
        drop(read);
        drop(store);
        dropped.send(()).unwrap();
        end.recv_timeout(AT_MOST).unwrap();
        drop(folder);
    }
}
