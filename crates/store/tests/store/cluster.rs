//! Cluster settings, secrets, patches, and the configs that devices have.

use model::{Actor, Origin, PatchScope, ProofSource, Role, Scene, StandingOrder, Verdict};
use store::Error;

use crate::{House, mac};

#[tokio::test]
async fn a_secrets_bundle_that_is_replaced_is_kept_for_ever() {
    let house = House::new();
    assert_eq!(house.read(|r| r.secrets()).await, None);
    let mut changes = house.store.subscribe();
    assert!(
        house
            .write(|w| w.save_secrets("secret: a\n", Origin::Generated))
            .await
    );
    assert!(changes.recv().await.unwrap().base);
    assert!(
        !house
            .write(|w| w.save_secrets("secret: a\n", Origin::Imported))
            .await
    );
    assert!(changes.try_recv().is_err());
    for text in ["secret: b\n", "secret: a\n"] {
        house.pass(1);
        assert!(
            house
                .write(|w| w.save_secrets(text, Origin::Imported))
                .await
        );
    }
    let in_use = house.read(|r| r.secrets()).await.unwrap();
    assert_eq!(
        (in_use.text.as_str(), in_use.origin),
        ("secret: a\n", Origin::Imported)
    );
    let old = house.read(|r| r.replaced_secrets()).await;
    let texts: Vec<_> = old
        .iter()
        .map(|row| (row.text.as_str(), row.replaced_at.map(|at| at.as_micros())))
        .collect();
    assert_eq!(
        texts,
        [
            ("secret: a\n", Some(2_000_000)),
            ("secret: b\n", Some(3_000_000))
        ]
    );
    assert!(!format!("{in_use:?}{old:?}").contains("secret: "));
}

#[tokio::test]
async fn cluster_settings_are_json_and_nothing_else() {
    let house = House::new();
    assert_eq!(house.read(|r| r.cluster_settings()).await, None);
    house
        .write(|w| w.save_cluster_settings(r#"{"name":"lab"}"#))
        .await;
    assert_eq!(
        house.read(|r| r.cluster_settings()).await.unwrap(),
        r#"{"name":"lab"}"#
    );
    for wrong in ["", "x", "[]"] {
        let refused = house.try_write(|w| w.save_cluster_settings(wrong)).await;
        assert!(refused.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn patches_come_in_the_order_of_their_scopes_and_names() {
    let house = House::new();
    let device = house.approved(1).await.id;
    let saved = [
        (PatchScope::Device, Some(device), "a"),
        (PatchScope::Worker, None, "20-b"),
        (PatchScope::Worker, None, "10-b"),
        (PatchScope::Controlplane, None, "z"),
        (PatchScope::Cluster, None, "a"),
    ];
    for (scope, device, name) in saved {
        let (_, changed) = house
            .write(move |w| w.save_patch(scope, device, name, "machine: {token: hidden}\n"))
            .await;
        assert!(changed);
    }
    let patches = house.read(|r| r.patches()).await;
    let order: Vec<_> = patches
        .iter()
        .map(|patch| (patch.scope.as_str(), patch.name.as_str()))
        .collect();
    assert_eq!(
        order,
        [
            ("cluster", "a"),
            ("controlplane", "z"),
            ("worker", "10-b"),
            ("worker", "20-b"),
            ("device", "a")
        ]
    );
    assert!(!format!("{patches:?}").contains("hidden"));

    let (id, changed) = house
        .write(|w| w.save_patch(PatchScope::Worker, None, "10-b", "machine: {}\n"))
        .await;
    assert!(changed && id == patches[2].id);
    let (_, changed) = house
        .write(|w| w.save_patch(PatchScope::Worker, None, "10-b", "machine: {}\n"))
        .await;
    assert!(!changed);
    assert!(house.write(move |w| w.delete_patch(id)).await);
    assert!(!house.write(move |w| w.delete_patch(id)).await);

    // A patch of a device goes with it.
    house.write(move |w| w.delete_device(device)).await;
    assert_eq!(house.read(|r| r.patches()).await.len(), 3);
    let orphan = house.try_write(move |w| w.save_patch(PatchScope::Device, Some(device), "a", "x"));
    assert!(matches!(orphan.await, Err(Error::NoSuchDevice(id)) if id == device));
}

#[tokio::test]
async fn the_settings_of_a_device_go_with_it() {
    let house = House::new();
    let device = house.approved(1).await.id;
    house
        .write(move |w| w.save_device_settings(device, Some("{}")))
        .await;
    assert_eq!(
        house.read(|r| r.all_device_settings()).await,
        [(device, "{}".to_owned())]
    );
    house
        .write(move |w| w.save_device_settings(device, None))
        .await;
    assert_eq!(house.read(move |r| r.device_settings(device)).await, None);
    house
        .write(move |w| w.save_device_settings(device, Some("{}")))
        .await;
    house.write(move |w| w.delete_device(device)).await;
    assert!(house.read(|r| r.all_device_settings()).await.is_empty());
}

#[tokio::test]
async fn the_config_that_a_device_has_is_kept_until_it_has_another() {
    let house = House::new();
    let device = house.approved(1).await;
    assert_eq!(device.mac, mac(1));
    let id = device.id;
    let save = |text: &'static [u8]| {
        let device = device.clone();
        house.write(move |w| w.save_config(&device, Role::Worker, text))
    };
    let sha = || async { house.read(move |r| r.config(id)).await.unwrap().sha256 };
    let served = || house.read(move |r| r.served_config(id));

    save(b"first").await;
    assert_eq!(served().await, None);
    assert!(house.read(move |r| r.outdated(&[id])).await.is_empty());
    let first = sha().await;
    house.write(move |w| w.config_released(id, first)).await;
    // It is made anew while the old one is on its way.
    save(b"second").await;
    house.write(move |w| w.config_served(id, first)).await;
    assert_eq!(served().await.unwrap(), b"first");
    assert_eq!(house.read(move |r| r.outdated(&[id])).await, [id].into());
    assert!(house.read(move |r| r.is_outdated(id)).await);

    // A transfer that broke off leaves what the device has.
    let second = sha().await;
    house.write(move |w| w.config_released(id, second)).await;
    house.write(move |w| w.config_not_delivered(id)).await;
    assert_eq!(served().await.unwrap(), b"first");

    house.write(move |w| w.config_released(id, second)).await;
    house.write(move |w| w.config_served(id, second)).await;
    assert_eq!(served().await.unwrap(), b"second");
    assert!(house.read(move |r| r.outdated(&[id])).await.is_empty());
    assert!(!house.read(move |r| r.is_outdated(id)).await);

    // A wiped disk runs none.
    save(b"third").await;
    assert!(house.read(move |r| r.is_outdated(id)).await);
    let wiped = house.write(move |w| {
        let mut device = w.device(id)?.unwrap();
        let (life, now) = (&mut device.life, w.now());
        life.give_wipe(Actor::System, now, StandingOrder::Menu);
        life.spend_wipe(now);
        let told = life.hear(&Verdict::Wiped, ProofSource::Events, &Scene::default());
        w.live(&device, told)
    });
    assert!(wiped.await);
    assert!(house.read(move |r| r.outdated(&[id])).await.is_empty());
    assert!(!house.read(move |r| r.is_outdated(id)).await);
}
