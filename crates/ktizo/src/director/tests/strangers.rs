//! What anybody on the network can do to a device by asking for its script: nothing that lasts.

use std::time::Duration;

use model::{Install, StandingOrder, Wipe};
use netboot::director::{Facts, MenuChoice};

use super::orders::{gist, scene, settings};
use super::*;

const STRANGERS: [&str; 3] = ["10.0.0.66", "10.0.0.67", "192.0.2.1"];

impl House {
    /// The script that each stranger gets for the machine.
    async fn strangers_ask(&self, uuid: Option<&str>, choice: Option<MenuChoice>) -> Vec<String> {
        let mut scripts = Vec::new();
        for peer in STRANGERS {
            let inventory = Inventory {
                uuid: uuid.map(|uuid| uuid.parse().unwrap()),
                ..Inventory::default()
            };
            let facts = Facts {
                inventory,
                version: None,
            };
            let ask = ScriptAsk {
                mac: self.device.mac,
                site: site(peer.parse().unwrap()),
                facts: Some(facts),
                held_since: None,
                choice,
            };
            scripts.push(self.office.script(ask).await);
        }
        scripts
    }
}

#[tokio::test]
async fn a_stranger_spends_no_wipe() {
    let house = scene(settings()).await;
    house.orders_a_wipe(StandingOrder::Install).await;
    for script in house.strangers_ask(None, None).await {
        assert!(!script.contains("talos.experimental.wipe"), "{script}");
        assert!(script.contains("ordered, but is not sent"), "{script}");
    }
    assert!(matches!(house.life().await.wipe, Wipe::Ordered { .. }));
    house.power_on().await;
    assert_eq!(house.asks().await, "wipe");
}

#[tokio::test]
async fn a_stranger_uses_up_no_attempt() {
    let house = scene(settings()).await;
    house.power_on().await;
    house.asks().await;
    house.fetches_its_config().await;
    house.power_on().await;
    let before = house.life().await;
    assert!(matches!(before.install, Install::Begun { attempt: 1, .. }));
    for script in house.strangers_ask(None, None).await {
        assert!(script.contains("its config is not released"), "{script}");
    }
    assert_eq!(house.life().await, before);
    assert_eq!(house.asks().await, "install");
    assert_eq!(house.life().await.install.attempt(), 2);
}

#[tokio::test]
async fn a_wipe_is_asked_for_at_the_machine_alone() {
    let house = scene(settings()).await;
    house.strangers_ask(None, Some(MenuChoice::Wipe)).await;
    assert_eq!(house.life().await.wipe, Wipe::None);
    let own = ScriptAsk {
        choice: Some(MenuChoice::Wipe),
        ..house.script_ask(None)
    };
    house.office.script(own).await;
    assert!(matches!(house.life().await.wipe, Wipe::Asked { .. }));
}

#[tokio::test]
async fn a_stranger_brings_no_machine_into_a_conflict() {
    let house = equipped().await;
    // Before the machine has said what it is, and after.
    house.strangers_ask(Some(OTHER_BOARD), None).await;
    assert!(token_in(&house.says(MAC, BOARD, None).await).is_some());
    for script in house.strangers_ask(Some(OTHER_BOARD), None).await {
        assert!(script.contains("IDENTITY CONFLICT"), "{script}");
    }
    assert!(token_in(&house.says(MAC, BOARD, None).await).is_some());
    let conflicts = house
        .office
        .store
        .read(Lane::Admin, |reader| reader.conflicts());
    assert!(conflicts.await.unwrap().is_empty());
}

/// Switched off while it was held, and on again: the request that it gave up is still open when the approval comes.
#[tokio::test]
async fn a_request_that_was_given_up_takes_nothing_from_the_one_after_it() {
    let house = scene(settings()).await;
    house
        .change(|writer, device| {
            let mut device = device.clone();
            device.approval = Approval::Pending;
            writer.update_device(&device)
        })
        .await;
    let since = house.clock.now();
    house.clock.advance(Duration::from_secs(1));
    let poll = || house.office.script(house.script_ask(Some(since)));
    let approve = async {
        house
            .change(|writer, device| writer.update_device(device))
            .await;
    };
    // They come in this order.
    let (given_up, live, ()) = tokio::join!(poll(), poll(), approve);
    assert_eq!(gist(&given_up), "asks anew");
    assert_eq!(gist(&live), "install");
    let whole = ConfigAnswer::Serve(b"first".to_vec().into());
    assert_eq!(house.ask_with(token_in(&live), false).await, whole);
}

#[tokio::test]
async fn an_order_that_comes_before_the_token_puts_it_out_of_force() {
    let house = scene(settings()).await;
    let ask = house.script_ask(None);
    let seen = Inventory::default();
    let view = house.office.look(house.device.mac, &seen).await.unwrap();
    let decision = view.decide(house.clock.now(), None, None);
    assert!(matches!(decision, model::BootDecision::Install { .. }));
    house.orders(StandingOrder::Local).await;
    let release = house.office.release_for(&ask, &view, decision).await;
    assert_eq!(release.unwrap(), None, "it has to be decided anew");
    let id = house.device.id;
    let grant = house
        .office
        .store
        .read(Lane::Admin, move |reader| reader.token_grant(id));
    assert_eq!(grant.await.unwrap(), None);
}
