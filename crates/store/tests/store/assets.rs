//! Assets: which one a machine gets.

use model::{Arch, Asset, AssetKind, AssetName, Sha256Digest, Timestamp};

use crate::House;

const KERNEL: AssetName = AssetName {
    arch: Arch::Amd64,
    kind: AssetKind::Kernel,
};

fn asset(version: &str, name: AssetName, size: u64) -> Asset {
    Asset {
        version: version.parse().unwrap(),
        arch: name.arch,
        kind: name.kind,
        size,
        sha256: Sha256Digest([7; 32]),
        imported_at: Timestamp::from_micros(9),
    }
}

#[tokio::test]
async fn the_newest_release_that_has_it_is_taken_and_a_pre_release_only_for_want_of_one() {
    let house = House::new();
    let newest = || house.read(|r| r.asset(None, KERNEL));
    assert_eq!(newest().await, None);
    for (version, expected) in [
        ("v1.14.0-rc.2", "v1.14.0-rc.2"),
        ("v1.14.0-rc.10", "v1.14.0-rc.10"),
        ("v1.9.9", "v1.9.9"),
        ("v1.13.0", "v1.13.0"),
        ("v1.8.0", "v1.13.0"),
    ] {
        assert!(
            house
                .write(move |w| w.insert_asset(&asset(version, KERNEL, 1)))
                .await
        );
        assert_eq!(newest().await.unwrap().version.to_string(), expected);
    }
    let arm = AssetName {
        arch: Arch::Arm64,
        ..KERNEL
    };
    let initramfs = AssetName {
        kind: AssetKind::Initramfs,
        ..KERNEL
    };
    assert!(
        house
            .write(move |w| w.insert_asset(&asset("v1.20.0", arm, 1)))
            .await
    );
    assert!(
        house
            .write(move |w| w.insert_asset(&asset("v1.21.0", initramfs, 1)))
            .await
    );
    assert_eq!(newest().await.unwrap().version.to_string(), "v1.13.0");
    let exact = "v1.14.0-rc.2".parse().unwrap();
    assert!(
        house
            .read(move |r| r.asset(Some(&exact), KERNEL))
            .await
            .is_some()
    );
    let absent = "v1.20.0".parse().unwrap();
    assert_eq!(
        house.read(move |r| r.asset(Some(&absent), KERNEL)).await,
        None
    );
    let all = house.read(|r| r.assets()).await;
    let versions: Vec<String> = all.iter().map(|asset| asset.version.to_string()).collect();
    assert_eq!(
        versions,
        [
            "v1.21.0",
            "v1.20.0",
            "v1.14.0-rc.10",
            "v1.14.0-rc.2",
            "v1.13.0",
            "v1.9.9",
            "v1.8.0"
        ]
    );
}

#[tokio::test]
async fn the_very_same_again_is_nothing_and_another_takes_its_place() {
    let house = House::new();
    let version = "v1.13.0";
    let mut changes = house.store.subscribe();
    assert!(
        house
            .write(move |w| w.insert_asset(&asset(version, KERNEL, 1)))
            .await
    );
    assert!(changes.recv().await.unwrap().assets);
    let later = Asset {
        imported_at: Timestamp::from_micros(10),
        ..asset(version, KERNEL, 1)
    };
    assert!(!house.write(move |w| w.insert_asset(&later)).await);
    assert!(changes.try_recv().is_err());
    assert!(
        house
            .write(move |w| w.insert_asset(&asset(version, KERNEL, 2)))
            .await
    );
    assert_eq!(
        house.read(|r| r.assets()).await,
        [asset(version, KERNEL, 2)]
    );

    let parsed = version.parse().unwrap();
    let gone = house.write(move |w| w.delete_asset(&parsed, KERNEL)).await;
    assert_eq!(gone, Some(asset(version, KERNEL, 2)));
    let parsed = version.parse().unwrap();
    assert_eq!(
        house.write(move |w| w.delete_asset(&parsed, KERNEL)).await,
        None
    );
    assert_eq!(house.read(|r| r.revision()).await, 3);
}
