//! Where a machine asks from: whose address that is, behind a relay and on a network of this host.

use std::time::Duration;

use super::orders::{scene, settings};
use super::*;

const RELAY: Option<Ipv4Addr> = Some(Ipv4Addr::new(192, 0, 2, 1));

impl House {
    fn boot_ask(&self, mac: &str, client: BootClient, relay: Option<Ipv4Addr>) -> BootAsk {
        BootAsk {
            mac: mac.parse().unwrap(),
            inventory: Inventory::default(),
            client,
            second_step: false,
            address: None,
            relay,
        }
    }

    /// The machine's iPXE asks by DHCP.
    async fn asks_by_dhcp(&self, relay: Option<Ipv4Addr>) {
        let ipxe = BootClient::Ipxe {
            platform: Platform::Bios,
            http: true,
        };
        self.office.offer(&self.boot_ask(MAC, ipxe, relay)).await;
    }

    /// What its UEFI HTTP boot is offered.
    async fn http_boot(&self) -> Program {
        let client = BootClient::Http(Platform::EfiX64);
        let ask = self.boot_ask(MAC, client, None);
        self.office.offer(&ask).await.program
    }

    async fn is(&self, approval: Approval) {
        self.change(move |writer, device| {
            let mut device = device.clone();
            device.approval = approval;
            writer.update_device(&device)
        })
        .await;
    }

    /// The script for who asks from `peer` and says that it is held since then.
    async fn polls(&self, peer: IpAddr, since: i64) -> String {
        let ask = ScriptAsk {
            site: site(peer),
            ..self.script_ask(Some(Timestamp::from_micros(since)))
        };
        self.office.script(ask).await
    }

    async fn timeline(&self) -> Vec<model::StageRecord> {
        let id = self.device.id;
        // What was seen is written down in its order.
        self.change(|_, _| Ok(())).await;
        let read = self
            .office
            .store
            .read(Lane::Boot, move |reader| reader.boots(id, 9));
        let boots = read.await.unwrap().into_iter();
        boots.flat_map(|boot| boot.stages).collect()
    }
}

#[tokio::test]
async fn behind_a_relay_the_first_address_that_asks_in_a_boot_is_the_machine() {
    let house = equipped().await;
    let (far, other) = ("192.0.2.9".parse().unwrap(), "192.0.2.66".parse().unwrap());
    assert_eq!(token_in(&house.script(far).await), None);
    house.asks_by_dhcp(RELAY).await;
    assert!(token_in(&house.script(far).await).is_some());
    assert_eq!(token_in(&house.script(other).await), None);
    assert!(token_in(&house.script(far).await).is_some());
    // A neighbour is known by its card, whatever a relay said.
    assert_eq!(
        token_in(&house.script("10.0.0.66".parse().unwrap()).await),
        None
    );
    house.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(token_in(&house.script(far).await), None, "long ago");
    // One that was here a moment ago is not behind a router.
    house.asks_by_dhcp(None).await;
    house.asks_by_dhcp(RELAY).await;
    assert_eq!(token_in(&house.script(far).await), None);
}

/// A hold may last for a day, and each poll says that the machine is still there.
#[tokio::test]
async fn behind_a_relay_a_machine_that_is_held_for_long_is_still_known() {
    let mut held = settings();
    held.hold_limit_seconds = 3600;
    let house = scene(held).await;
    house.is(Approval::Pending).await;
    house.asks_by_dhcp(RELAY).await;
    let far = "192.0.2.9".parse().unwrap();
    let since = house.clock.now().as_micros();
    house.office.drain.cancel();
    for _ in 0..40 {
        house.clock.advance(Duration::from_secs(25));
        let script = house.polls(far, since).await;
        assert!(script.contains("waits for approval"), "{script}");
    }
    house.is(house.device.approval.clone()).await;
    assert!(token_in(&house.polls(far, since).await).is_some());
}

#[tokio::test]
async fn a_machine_behind_a_router_that_is_not_known_asks_by_dhcp_once_more() {
    let house = equipped().await;
    for (peer, asks) in [("192.0.2.9", true), ("10.0.0.66", false)] {
        let script = house.script(peer.parse().unwrap()).await;
        assert!(script.contains("its config is not released"), "{script}");
        assert_eq!(script.contains("dhcp netX"), asks, "{script}");
    }
}

#[tokio::test]
async fn an_address_that_went_to_another_machine_is_the_other_machines() {
    let house = equipped().await;
    let address: IpAddr = "10.0.0.66".parse().unwrap();
    house.office.peers.learn(Some(address), house.device.mac);
    let loads = || Observation {
        mac: None,
        peer: address,
        stage: BootStage::Loader,
        duration: None,
        bytes: Some(5),
        retries: None,
        outcome: StageOutcome::Done,
        detail: String::new(),
    };
    house.office.observe(loads());
    assert_eq!(house.timeline().await.len(), 1, "nothing else is known");
    let pxe = BootClient::Pxe(Platform::EfiX64);
    let other = house.boot_ask(SECOND_CARD, pxe, None);
    house.office.offer(&other).await;
    house.office.observe(loads());
    assert_eq!(house.timeline().await.len(), 1);
}

#[tokio::test]
async fn who_says_that_it_waited_for_ages_makes_no_timeline_of_it() {
    let house = scene(settings()).await;
    for approval in [
        Approval::Pending,
        Approval::Rejected {
            by: Actor::System,
            at: house.clock.now(),
        },
    ] {
        house.is(approval).await;
        let ages = -9_000_000_000_000_000_000;
        house.polls("10.0.0.66".parse().unwrap(), ages).await;
        assert_eq!(house.timeline().await, [], "a stranger");
        assert_ne!(house.http_boot().await, Program::NotFound);
    }
    house.clock.advance(Duration::from_secs(30 * 24 * 3600));
    house.polls(PEER, -9_000_000_000_000_000_000).await;
    let told = house.timeline().await;
    assert_eq!(told.len(), 2, "{told:?}");
    for stage in told {
        let day = Duration::from_secs(24 * 3600);
        assert!(house.clock.now().since(stage.at) <= day, "{stage:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_sends_no_held_machine_away() {
    let mut house = scene(settings()).await;
    house.is(Approval::Pending).await;
    let holds = Arc::new(ManualClock::new(house.clock.now()));
    house.office = house
        .office
        .with_holds_by(Arc::clone(&holds) as Arc<dyn Clock>);
    house.office.drain.cancel();
    let since = holds.now().as_micros();
    house.clock.advance(Duration::from_secs(600));
    let script = house.polls(PEER, since).await;
    assert!(script.contains("waits for approval"), "{script}");
    holds.advance(Duration::from_secs(301));
    let script = house.polls(PEER, since).await;
    assert!(script.contains("as long as it may be"), "{script}");
}

/// A card's own iPXE cannot try a disk under UEFI and come back, so that Talos is no choice there.
#[tokio::test]
async fn with_strict_mode_off_only_a_loader_that_comes_back_offers_talos() {
    let mut open = settings();
    open.strict_boot_mode = false;
    let house = scene(open).await;
    house.is(Approval::Pending).await;
    for (version, comes_back) in [("1.0.0+", false), ("2.0.0", true)] {
        let ask = ScriptAsk {
            facts: Some(netboot::director::Facts {
                inventory: Inventory {
                    firmware: Some(model::Firmware::Uefi),
                    ..Inventory::default()
                },
                version: Some(version.to_owned()),
            }),
            ..house.script_ask(None)
        };
        let script = house.office.script(ask).await;
        assert_eq!(script.contains("Run Talos"), comes_back, "{script}");
        assert_eq!(script.contains("goes to its disk"), !comes_back, "{script}");
        let offered = house.http_boot().await;
        assert_eq!(offered == Program::NotFound, !comes_back, "{version}");
    }
}

#[tokio::test]
async fn what_is_decided_after_a_machine_was_sent_to_its_disk_brings_it_back() {
    let house = scene(settings()).await;
    let approved = house.device.approval.clone();
    house.is(Approval::Pending).await;
    house.clock.advance(Duration::from_secs(3600));
    house.polls(PEER, 0).await;
    assert_eq!(house.http_boot().await, Program::NotFound);
    house.clock.advance(Duration::from_secs(10));
    house.is(approved).await;
    assert_ne!(house.http_boot().await, Program::NotFound);
}
