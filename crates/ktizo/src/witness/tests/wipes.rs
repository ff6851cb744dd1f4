//! Whose word proves a wipe.

use model::proof::Testimony;
use model::talos::RestartCommand;
use model::{StandingOrder, Wipe};
use netboot::director::{BootAsk, BootClient, Platform};

use super::*;
use crate::witness::share::Share;

/// The proof of a wipe may let an install begin: an address alone is not enough for it, whoever asked for it or was to have it.
#[tokio::test]
async fn a_wipe_is_proven_from_a_card_of_the_device_or_through_its_relay() {
    let words = |base: u32| {
        let restart = TalosNotice::Restart {
            command: RestartCommand::COLD,
        };
        let words = [begins("initialize"), phase("wipeDisks"), restart];
        (base..).zip(words).map(|(id, notice)| event(id, notice))
    };
    let house = House::new();
    for n in [3, 4, 7, 8] {
        house.wiping(n).await;
    }
    let tell = async |n: u8, base: u32| {
        let mut answers = Vec::new();
        for event in words(base) {
            answers.push(house.witness.event(house.sender(n), event).await);
        }
        answers
    };
    let (heard, turned_away) = ([Ok(()); 3], [Err(NotTaken::Stranger); 3]);
    assert_eq!(tell(7, 1).await, heard, "its own card");
    assert!(house.is_wiped(7).await);
    assert_eq!(tell(8, 1).await, turned_away, "its address, another card");
    assert_eq!(
        tell(4, 1).await,
        turned_away,
        "its address, behind a router"
    );

    let (mac, from): (MacAddr, IpAddr) = (
        "52:54:00:00:00:03".parse().unwrap(),
        "127.7.0.33".parse().unwrap(),
    );
    house.peers.learn(Some(from), mac);
    assert_eq!(tell(33, 1).await, turned_away, "somebody asked in its name");
    house.peers.asked_by_dhcp(
        &BootAsk {
            mac,
            inventory: Inventory::default(),
            client: BootClient::Pxe(Platform::Bios),
            second_step: false,
            address: None,
            relay: Some("10.9.0.1".parse().unwrap()),
        },
        house.clock.now(),
    );
    assert_eq!(tell(33, 1).await, turned_away, "no script went there");
    assert!(house.peers.came_by_relay(mac, from, house.clock.now()));
    assert_eq!(tell(33, 1).await, heard, "through its relay");
    assert!(house.is_wiped(3).await);
    assert!(!house.is_wiped(4).await && !house.is_wiped(8).await);
    assert_eq!(house.counters.strangers(Stranger::Unsure), 12);
}

impl House {
    /// An approved device to which the script that wipes has gone out.
    async fn wiping(&self, n: u8) {
        let device = self.device(n, "approved").await;
        self.sends_the_wipe(device).await;
    }

    async fn sends_the_wipe(&self, mut device: Device) {
        let write = self.store.write(Lane::Admin, Actor::System, move |writer| {
            let by = Actor::Person("anna".into());
            device
                .life
                .give_wipe(by, writer.now(), StandingOrder::Install);
            let told = device.life.spend_wipe(writer.now());
            writer.live(&device, told)
        });
        assert!(write.await.unwrap());
    }

    async fn is_wiped(&self, n: u8) -> bool {
        let mac = format!("52:54:00:00:00:{n:02x}").parse().unwrap();
        let read = self
            .store
            .read(Lane::Admin, move |reader| reader.device_by_mac(mac));
        matches!(read.await.unwrap().unwrap().life.wipe, Wipe::Proven { .. })
    }
}

/// Its words began before the wipe was sent, when the address was enough.
#[tokio::test]
async fn a_word_that_overtakes_the_wipe_proves_nothing() {
    let house = House::new();
    let device = house.device(8, "approved").await;
    let restart = TalosNotice::Restart {
        command: RestartCommand::COLD,
    };
    let mut share = Share::new(device.clone(), None, Testimony::default());
    for (id, notice) in [
        (1, begins("initialize")),
        (2, phase("wipeDisks")),
        (3, restart),
    ] {
        let (taken, _) = oneshot::channel();
        let (event, sender) = (event(id, notice), house.sender(8));
        share.hear(
            Told::Event {
                event,
                sender,
                taken,
            },
            false,
        );
    }
    house.sends_the_wipe(device).await;
    share.write(&house.store).await.unwrap();
    assert!(!house.is_wiped(8).await);
}
