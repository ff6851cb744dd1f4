//! Saying who a device is.

use std::time::Duration;

use model::{Actor, Inventory, SeenBy};
use serde_json::{Value, json};
use store::Lane;

use crate::world::{MAC_1, MAC_2, World, mac};

const BOARD: &str = "4c4c4544-0000-4000-8000-000000000001";
const SECOND: &str = "4c4c4544-0000-4000-8000-000000000002";

impl World {
    /// A machine tells by its script what it is.
    async fn tells(&self, card: &str, uuid: &str, serial: &str) {
        self.is_seen(SeenBy::Script, card, uuid, Some(serial)).await;
    }

    async fn is_seen(&self, by: SeenBy, card: &str, uuid: &str, serial: Option<&str>) {
        let inventory = Inventory {
            uuid: uuid.parse().ok(),
            serial: serial.map(ToOwned::to_owned),
            ..Inventory::default()
        };
        let mac = card.parse().unwrap();
        let write = self
            .store
            .write(Lane::Boot, Actor::Device(mac), move |writer| {
                writer.sight(mac, &inventory, by).map(drop)
            });
        write.await.unwrap();
    }
}

#[tokio::test]
async fn a_second_card_is_shown_and_confirmed_by_its_name() {
    let world = World::ready().await;
    world.tells(MAC_1, BOARD, "S1").await;
    world.tells(MAC_2, BOARD, "S1").await;
    let device = world
        .ok("GET", &format!("/devices/{MAC_2}"), Value::Null)
        .await;
    assert_eq!(device["mac_address"], MAC_1);
    assert_eq!(device["other_cards"][0]["mac"], MAC_2);
    assert_eq!(device["other_cards"][0]["confirmed_at"], Value::Null);
    let taken = json!({"mac_address": MAC_2});
    let (code, ..) = world.refused("POST", "/devices", taken).await;
    assert!(
        ["taken", "exists", "conflict"].contains(&code.as_str()),
        "{code}"
    );

    let path = format!("/devices/{MAC_2}/identity");
    let confirmed = world.ok("POST", &path, json!({"decision": "accept"})).await;
    assert_ne!(confirmed["other_cards"][0]["confirmed_at"], Value::Null);
    assert_eq!(world.kinds().await.last().unwrap(), "identity_decided");
    let list = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(list[0]["other_cards"], confirmed["other_cards"]);

    let own = format!("/devices/{MAC_1}/identity");
    let (code, ..) = world
        .refused("POST", &own, json!({"decision": "keep"}))
        .await;
    assert_eq!(code, "nothing_undecided");
}

#[tokio::test]
async fn conflicts_are_shown_and_decided() {
    let world = World::ready().await;
    world.tells(MAC_1, BOARD, "S1").await;
    world.tells(MAC_1, SECOND, "S9").await;
    let path = format!("/devices/{MAC_1}");
    let device = world.ok("GET", &path, Value::Null).await;
    assert_eq!(device["identity_conflict"]["kind"], "one_mac_two_machines");
    assert_eq!(device["uuid"], BOARD);
    let needy = "/devices?needs_person=true";
    let list = world.ok("GET", needy, Value::Null).await;
    assert_eq!(list[0]["mac_address"], MAC_1, "it needs a person");
    let decide = format!("{path}/identity");
    let (code, ..) = world
        .refused("POST", &decide, json!({"decision": "split"}))
        .await;
    assert_eq!(code, "one_mac");
    // Another machine came in its place after somebody had looked.
    let seen = device["identity_conflict"]["since"].clone();
    world.clock.advance(Duration::from_secs(1));
    world.tells(MAC_1, SECOND, "S10").await;
    let stale = json!({"decision": "accept", "since": seen});
    let (status, answer) = world.ask("POST", &decide, stale).await;
    assert_eq!((status, &answer["code"]), (412, &json!("stale")));
    // It is turned away, and after all accepted.
    let (keep, accept) = (json!({"decision": "keep"}), json!({"decision": "accept"}));
    let kept = world.ok("POST", &decide, keep).await;
    assert_eq!(kept["identity_conflict"], Value::Null);
    assert_eq!(
        (&kept["serial"], &kept["turned_away"]),
        (&json!("S1"), &json!(true))
    );
    let listed = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(listed[0]["turned_away"], true);
    let decided = world.ok("POST", &decide, accept.clone()).await;
    assert_eq!(
        (&decided["serial"], &decided["turned_away"]),
        (&json!("S10"), &json!(false))
    );
    assert_eq!(world.ok("GET", needy, Value::Null).await, json!([]));
    let (code, ..) = world.refused("POST", &decide, accept).await;
    assert_eq!(code, "nothing_undecided");

    // Two cards, one UUID, two serial numbers: one machine after all.
    let shared = "4c4c4544-0000-4000-8000-000000000003";
    world.tells(&mac(3), shared, "SA").await;
    world.tells(&mac(4), shared, "SB").await;
    let device = world
        .ok("GET", &format!("/devices/{}", mac(4)), Value::Null)
        .await;
    assert_eq!(device["identity_conflict"]["kind"], "one_uuid_two_serials");
    let merged = format!("/devices/{}/identity", mac(3));
    let one = world
        .ok("POST", &merged, json!({"decision": "accept"}))
        .await;
    assert_eq!(one["other_cards"][0]["mac"], mac(4));
    assert_eq!(one["identity_conflict"], Value::Null);
}

#[tokio::test]
async fn a_card_that_attached_itself_by_a_shared_uuid_is_another_machine() {
    let world = World::ready().await;
    world.tells(MAC_1, BOARD, "S1").await;
    // A DHCP request tells the UUID alone, and attaches the card; the script tells the serial number too.
    world.is_seen(SeenBy::Dhcp, MAC_2, BOARD, None).await;
    let of = async |card: &str| {
        world
            .ok("GET", &format!("/devices/{card}"), Value::Null)
            .await
    };
    assert_eq!(of(MAC_2).await["mac_address"], MAC_1);
    world.tells(MAC_2, BOARD, "S2").await;
    let (one, other) = (of(MAC_1).await, of(MAC_2).await);
    for (device, mac, serial, with) in [(&one, MAC_1, "S1", MAC_2), (&other, MAC_2, "S2", MAC_1)] {
        assert_eq!(device["mac_address"], mac);
        assert_eq!(device["serial"], serial);
        assert_eq!(device["identity_conflict"]["kind"], "one_uuid_two_serials");
        assert_eq!(device["identity_conflict"]["mac"], with);
    }
    assert_eq!(one["other_cards"], json!([]));
    let needy = world
        .ok("GET", "/devices?needs_person=true", Value::Null)
        .await;
    assert_eq!(needy.as_array().map(Vec::len), Some(2));
    // It goes on as two, whatever they show.
    let decide = format!("/devices/{MAC_2}/identity");
    world
        .ok("POST", &decide, json!({"decision": "split"}))
        .await;
    world.is_seen(SeenBy::Dhcp, MAC_2, BOARD, None).await;
    world.tells(MAC_2, BOARD, "S2").await;
    world.tells(MAC_1, BOARD, "S1").await;
    for card in [MAC_1, MAC_2] {
        let device = of(card).await;
        assert_eq!(device["mac_address"], card);
        assert_eq!(device["identity_conflict"], Value::Null, "{device}");
    }
}
