//! Settings and base configs.

use model::{
    ConfigRelease, FirmwareProfile, FirmwareProfiles, NetworkSettings, Origin, Payload, Role,
};
use store::Change;

use crate::House;

#[tokio::test]
async fn settings_are_the_defaults_until_they_are_saved_whole() {
    let house = House::new();
    assert_eq!(
        house.read(|r| r.settings()).await,
        NetworkSettings::default()
    );
    let mut changes = house.store.subscribe();
    let whole = NetworkSettings {
        strict_boot_mode: false,
        hold_limit_seconds: u32::MAX,
        menu_seconds: 0,
        node_subnet: Some("10.1.0.0/16".parse().unwrap()),
        gateway: Some("10.1.0.1".parse().unwrap()),
        nameservers: vec!["9.9.9.9".parse().unwrap(), "2620:fe::fe".parse().unwrap()],
        server_address: Some("10.1.0.2".parse().unwrap()),
        talos_version: Some("v1.14.0-rc.1".parse().unwrap()),
        payload: Payload::Tftp,
        config_release: ConfigRelease::Mac,
        extra_kernel_args: vec!["console=ttyS0".into(), "a=\"b\"".into()],
        reports: false,
        install_attempts: 7,
        proof_limit_seconds: 61,
        firmware: FirmwareProfiles {
            efi_x64: FirmwareProfile {
                loader: Some("ipxe.efi".to_owned()),
                discovery_control: false,
            },
            ..FirmwareProfiles::default()
        },
    };
    for settings in [whole, NetworkSettings::default()] {
        let saved = settings.clone();
        house.write(move |w| w.save_settings(&saved)).await;
        assert_eq!(house.read(|r| r.settings()).await, settings);
        assert_eq!(
            changes.recv().await.unwrap(),
            Change {
                settings: true,
                ..Change::default()
            }
        );
    }
    assert_eq!(house.read(|r| r.revision()).await, 2);
}

#[tokio::test]
async fn a_base_config_is_written_only_when_it_differs() {
    let house = House::new();
    assert!(house.read(|r| r.base(Role::Worker)).await.is_none());
    let mut changes = house.store.subscribe();
    assert!(
        house
            .write(|w| w.save_base(Role::Worker, "secret: a\n", Origin::Imported))
            .await
    );
    assert_eq!(
        changes.recv().await.unwrap(),
        Change {
            base: true,
            ..Change::default()
        }
    );
    let first = house.read(|r| r.base(Role::Worker)).await.unwrap();
    house.pass(1);
    assert!(
        !house
            .write(|w| w.save_base(Role::Worker, "secret: a\n", Origin::Imported))
            .await
    );
    assert_eq!(house.read(|r| r.base(Role::Worker)).await.unwrap(), first);
    assert!(
        house
            .write(|w| w.save_base(Role::Worker, "secret: b\n", Origin::Imported))
            .await
    );
    let second = house.read(|r| r.base(Role::Worker)).await.unwrap();
    assert_eq!(second.text, "secret: b\n");
    assert_ne!(
        (second.sha256, second.imported_at),
        (first.sha256, first.imported_at)
    );
    assert!(house.read(|r| r.base(Role::Controlplane)).await.is_none());
    assert!(
        !format!("{second:?}").contains("secret"),
        "a base config must not show in a log"
    );
}
