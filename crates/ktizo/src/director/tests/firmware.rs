//! What each kind of firmware is offered.

use super::*;
use model::{FirmwareProfile, FirmwareProfiles, NetworkSettings};

#[tokio::test]
async fn a_profile_gives_firmware_another_loader_and_no_option_43() {
    let house = equipped().await;
    let asks = |client| BootAsk {
        mac: house.device.mac,
        inventory: Inventory::default(),
        client,
        second_step: false,
        address: None,
        relay: None,
    };
    let (pxe, http) = (
        BootClient::Pxe(Platform::EfiX64),
        BootClient::Http(Platform::EfiX64),
    );
    let ipxe = BootClient::Ipxe {
        platform: Platform::EfiX64,
        http: true,
    };
    let before = [
        house.office.offer(&asks(pxe)).await,
        house.office.offer(&asks(http)).await,
    ];
    assert!(before.iter().all(|offer| offer.discovery_control));
    house
        .change(|writer, _| {
            let odd = FirmwareProfile {
                loader: Some("odd.efi".to_owned()),
                discovery_control: false,
            };
            writer.save_settings(&NetworkSettings {
                firmware: FirmwareProfiles {
                    efi_x64: odd,
                    ..FirmwareProfiles::default()
                },
                ..writer.settings()?
            })
        })
        .await;
    let odd = house.office.offer(&asks(pxe)).await;
    assert_eq!(
        odd.program,
        Program::Loader(LoaderName::parse("odd.efi").unwrap())
    );
    assert!(!odd.discovery_control);
    // Another kind gets what it got, and so does iPXE on the same machine.
    assert_eq!(house.office.offer(&asks(http)).await, before[1]);
    let script = house.office.offer(&asks(ipxe)).await;
    assert_eq!(script.program, Program::Script);
    assert!(script.discovery_control);
    // A device's own loader goes before it.
    house
        .change(|writer, device| {
            let mut device = device.clone();
            device.loader = Some("own.efi".to_owned());
            writer.update_device(&device)
        })
        .await;
    let own = house.office.offer(&asks(pxe)).await;
    assert_eq!(
        own.program,
        Program::Loader(LoaderName::parse("own.efi").unwrap())
    );
    assert!(!own.discovery_control);
}
