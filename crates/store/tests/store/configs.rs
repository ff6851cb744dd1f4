//! Device configs and the marks that keep a second install from happening unasked.

use model::{Approval, Device, Role, Sha256Digest, StandingOrder, Timestamp};
use store::Error;

use crate::{House, mac};

async fn with_config(house: &House) -> (Device, Sha256Digest) {
    let device = house.approved(1).await;
    let of_it = device.clone();
    assert!(
        house
            .write(move |w| w.save_config(&of_it, Role::Worker, b"machine: {}\n"))
            .await
    );
    let id = device.id;
    let config = house.read(move |r| r.config(id)).await.unwrap();
    (device, config.sha256)
}

#[tokio::test]
async fn a_config_is_written_only_when_it_differs() {
    let house = House::new();
    let (device, sha256) = with_config(&house).await;
    let id = device.id;
    let config = house.read(move |r| r.config(id)).await.unwrap();
    assert_eq!(
        (config.device, config.mac, config.role),
        (id, mac(1), Role::Worker)
    );
    assert_eq!(config.bytes, b"machine: {}\n");
    assert_eq!(
        sha256.to_string(),
        "2a5c1276ba1c0a483d83c671b8276645063d9bdb257415a6b259223fffdeb619"
    );
    let revision = house.read(|r| r.revision()).await;
    assert_eq!(config.revision, revision);

    house.pass(5);
    let same = device.clone();
    assert!(
        !house
            .write(move |w| w.save_config(&same, Role::Worker, b"machine: {}\n"))
            .await
    );
    assert_eq!(house.read(move |r| r.config(id)).await.unwrap(), config);
    assert!(
        house
            .read(move |r| r.configs_since(revision))
            .await
            .is_empty()
    );

    let other_role = device.clone();
    assert!(
        house
            .write(move |w| w.save_config(&other_role, Role::Controlplane, b"machine: {}\n"))
            .await
    );
    let newer = house.read(move |r| r.configs_since(revision)).await;
    assert_eq!(newer.len(), 1);
    assert_eq!(
        (newer[0].role, newer[0].generated_at),
        (Role::Controlplane, Timestamp::from_micros(6_000_000))
    );
    assert_eq!(
        house.read(|r| r.config_digests()).await,
        [(mac(1), Role::Controlplane, sha256)]
    );
    assert!(
        !format!("{newer:?}").contains("machine"),
        "a config must not show in a log"
    );

    let mut changes = house.store.subscribe();
    house.write(move |w| w.delete_config(id)).await;
    assert_eq!(changes.recv().await.unwrap().devices, [id]);
    house.write(move |w| w.delete_config(id)).await;
    assert!(changes.try_recv().is_err());
    assert!(house.read(|r| r.config_digests()).await.is_empty());
}

#[tokio::test]
async fn a_new_mac_renames_the_config() {
    let house = House::new();
    let (device, _) = with_config(&house).await;
    let revision = house.read(|r| r.revision()).await;
    house
        .write(move |w| {
            w.update_device(&Device {
                mac: mac(2),
                ..device
            })
        })
        .await;
    let renamed = house.read(move |r| r.configs_since(revision)).await;
    assert_eq!(renamed.len(), 1);
    assert_eq!(renamed[0].mac, mac(2));
}

#[tokio::test]
async fn a_config_needs_its_device() {
    let house = House::new();
    let (device, _) = with_config(&house).await;
    let id = device.id;
    house.write(move |w| w.delete_device(id)).await;
    let refused = house
        .try_write(move |w| w.save_config(&device, Role::Worker, b"x"))
        .await;
    assert!(
        matches!(refused, Err(Error::NoSuchDevice(_))),
        "{refused:?}"
    );
}

/// What a transfer of the config does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Release,
    Serve,
    BreakOff,
    OrderAnew,
}

/// Whether the mark of a release stands after the acts.
async fn marked_after(acts: &[Act]) -> bool {
    let house = House::new();
    let (device, sha256) = with_config(&house).await;
    let id = device.id;
    for act in acts.iter().copied() {
        house.pass(1);
        house
            .write(move |w| match act {
                Act::Release => w.config_released(id, sha256),
                Act::Serve => w.config_served(id, sha256),
                Act::BreakOff => w.config_not_delivered(id),
                Act::OrderAnew => {
                    let mut device = w.device(id)?.unwrap();
                    device.give_order(StandingOrder::Install);
                    w.update_device(&device)
                }
            })
            .await;
    }
    house
        .read(move |r| r.device(id))
        .await
        .unwrap()
        .config_released_at
        .is_some()
}

#[tokio::test]
async fn the_mark_of_a_release_falls_only_when_no_machine_can_have_the_config() {
    use Act::{BreakOff, OrderAnew, Release, Serve};
    for (acts, marked) in [
        (&[Release][..], true),
        (&[Release, BreakOff], false),
        (&[Release, Serve], true),
        (&[Release, Serve, Release, BreakOff], true),
        (&[Release, Release, BreakOff], true),
        (&[Release, Release, BreakOff, BreakOff], false),
        (&[Release, Release, BreakOff, Serve], true),
        (&[Release, Release, Serve, BreakOff], true),
        (&[Release, BreakOff, BreakOff, Release], true),
        (&[Release, Serve, OrderAnew], false),
        (&[Release, Serve, OrderAnew, Release, BreakOff], false),
        // The transfer began before the new order, and yet the machine has a config now.
        (&[Release, OrderAnew, Serve], true),
        (&[BreakOff], false),
    ] {
        assert_eq!(marked_after(acts).await, marked, "{acts:?}");
    }
}

#[tokio::test]
async fn what_was_served_is_remembered_with_its_moment() {
    let house = House::new();
    let (device, sha256) = with_config(&house).await;
    let id = device.id;
    assert_eq!(house.read(move |r| r.last_served(id)).await, None);
    house.write(move |w| w.config_released(id, sha256)).await;
    let released = house.read(move |r| r.device(id)).await.unwrap();
    assert_eq!(
        (released.config_released_at, released.last_config_download),
        (Some(Timestamp::from_micros(1_000_000)), None)
    );
    house.pass(1);
    house.write(move |w| w.config_served(id, sha256)).await;
    let at = Timestamp::from_micros(2_000_000);
    assert_eq!(
        house.read(move |r| r.last_served(id)).await,
        Some((sha256, at))
    );
    let served = house.read(move |r| r.device(id)).await.unwrap();
    assert_eq!(served.last_config_download, Some(at));
    assert_eq!(served.config_released_at, released.config_released_at);
    assert_eq!(served.updated_at, released.updated_at);
}

#[tokio::test]
async fn a_config_that_changed_in_the_meantime_must_not_go_out() {
    let house = House::new();
    let (device, sha256) = with_config(&house).await;
    let id = device.id;
    house
        .write(move |w| {
            w.update_device(&Device {
                approval: Approval::Pending,
                ..device
            })?;
            w.delete_config(id)
        })
        .await;
    let refused = house
        .try_write(move |w| w.config_released(id, sha256))
        .await;
    assert!(
        matches!(refused, Err(Error::ConfigChanged(changed)) if changed == id),
        "{refused:?}"
    );
    assert_eq!(
        house
            .read(move |r| r.device(id))
            .await
            .unwrap()
            .config_released_at,
        None
    );
    // The device may be gone when a transfer ends.
    house
        .write(move |w| {
            w.delete_device(id)?;
            w.config_served(id, sha256)?;
            w.config_not_delivered(id)
        })
        .await;
}
