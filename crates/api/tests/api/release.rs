//! Renewing the token with which a machine fetches its config.

use std::time::Duration;

use model::{Actor, ConfigToken, DeviceId};
use serde_json::Value;
use store::Lane;

use crate::world::{MAC_1, World};

#[tokio::test]
async fn a_token_is_renewed_for_the_machine_that_has_it_and_shown_to_nobody() {
    let world = World::with_control_plane().await;
    let device = world.ok("GET", "/devices?limit=1", Value::Null).await[0].clone();
    let id = device["id"].as_i64().unwrap();
    let path = format!("/devices/{id}/config-release");
    let (code, ..) = world.refused("POST", &path, Value::Null).await;
    assert_eq!(code, "no_token");

    let token = ConfigToken::from_random([0xc3; 24]);
    let issue = world.store.write(
        Lane::Boot,
        Actor::Device(MAC_1.parse().unwrap()),
        move |writer| {
            writer.issue_token(DeviceId(id), &token)?;
            writer.take_token(DeviceId(id), Some(&token), true)
        },
    );
    assert_eq!(issue.await.unwrap(), Ok(()));
    let shown = world
        .ok("GET", &format!("/devices/{id}"), Value::Null)
        .await;
    assert_eq!(shown["config_token"]["fetches"], 1);
    assert_eq!(shown["config_token"]["fetches_allowed"], 50);
    assert_eq!(shown["config_token"]["expires_at"], "2026-11-23T10:00:00Z");

    world.clock.advance(Duration::from_secs(4 * 3600));
    let renewed = world.ok("POST", &path, Value::Null).await;
    assert_eq!(renewed["config_token"]["fetches"], 0);
    assert_eq!(
        renewed["config_token"]["expires_at"],
        "2026-11-23T14:00:00Z"
    );
    assert_eq!(world.kinds().await.last().unwrap(), "config_token_renewed");
    let list = world.ok("GET", "/devices", Value::Null).await;
    assert_eq!(list[0]["config_token"], renewed["config_token"]);
    let everything = format!("{list} {}", world.ok("GET", "/events", Value::Null).await);
    assert!(!everything.contains("c3c3"), "{everything}");
}
