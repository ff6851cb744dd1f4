//! API tokens: shown once, ended, revoked, and never more than who made them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::people::{PASSWORD, by_tcp, signed_in};
use crate::world::World;

#[tokio::test]
async fn a_token_is_shown_once_ends_and_can_be_revoked() {
    let mut world = World::new().await;
    let url = by_tcp(&mut world).await;
    let made = world
        .ok(
            "POST",
            "/tokens",
            json!({"name": "ci", "authority": "viewer", "days": 1}),
        )
        .await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    let listed = world.ok("GET", "/tokens", Value::Null).await;
    assert!(listed[0]["name"] == "ci" && !listed.to_string().contains(&secret));
    let (_, field, _) = world
        .refused(
            "POST",
            "/tokens",
            json!({"name": "ci", "authority": "viewer"}),
        )
        .await;
    assert_eq!(field, "name");
    let http = reqwest::Client::new();
    let status = async || {
        let request = http
            .get(format!("{url}/api/v1/whoami"))
            .bearer_auth(&secret);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 200);
    assert!(world.ok("GET", "/tokens", Value::Null).await[0]["last_used"].is_string());
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(status().await, 401);
    let other = world
        .ok(
            "POST",
            "/tokens",
            json!({"name": "ci-2", "authority": "viewer", "days": null}),
        )
        .await;
    let path = format!("/tokens/{}", other["id"]);
    assert_eq!(world.ask("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(world.ask("DELETE", &path, Value::Null).await.0, 404);
    assert!(
        !world
            .ok("GET", "/events?limit=1000", Value::Null)
            .await
            .to_string()
            .contains(&secret)
    );
}

/// A token may never do more than the account that made it may at that moment, and goes with it; one that was made on the host stays.
#[tokio::test]
async fn a_token_is_never_more_than_who_made_it() {
    let mut world = World::new().await;
    let url = by_tcp(&mut world).await;
    let ada = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", ada).await;
    let new = |name: &str| json!({"name": name, "authority": "admin"});
    let of_host = world.ok("POST", "/tokens", new("host")).await;
    let (cookie, csrf) = signed_in(&world, "ada").await;
    let http = reqwest::Client::new();
    let made = http
        .post(format!("{url}/api/v1/tokens"))
        .header("cookie", &cookie)
        .header("x-csrf-token", csrf)
        .header("content-type", "application/json")
        .body(new("ci").to_string());
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let secret = |made: &Value| made["secret"].as_str().unwrap().to_owned();
    // What a token makes is its account's as well.
    let child = http
        .post(format!("{url}/api/v1/tokens"))
        .bearer_auth(secret(&made))
        .header("content-type", "application/json")
        .body(new("child").to_string());
    let child: Value = child.send().await.unwrap().json().await.unwrap();
    let may = async |token: &Value| {
        let asked = http
            .get(format!("{url}/api/v1/whoami"))
            .bearer_auth(secret(token))
            .send();
        let answer: Value = asked.await.unwrap().json().await.unwrap();
        answer["authority"].as_str().unwrap_or("nothing").to_owned()
    };
    for token in [&of_host, &made, &child] {
        assert_eq!(may(token).await, "admin");
    }
    let second = json!({"name": "eve", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", second).await;
    world
        .ok("PUT", "/users/ada", json!({"authority": "viewer"}))
        .await;
    for (token, authority) in [(&of_host, "admin"), (&made, "viewer"), (&child, "viewer")] {
        assert_eq!(may(token).await, authority);
    }
    let listed = world.ok("GET", "/tokens", Value::Null).await;
    let ci = listed.as_array().unwrap().iter();
    let ci = ci.clone().find(|token| token["name"] == "ci").unwrap();
    assert_eq!(
        (&ci["authority"], &ci["in_force"]),
        (&json!("admin"), &json!("viewer"))
    );
    world.ok("DELETE", "/users/ada", Value::Null).await;
    for (token, authority) in [(&of_host, "admin"), (&made, "nothing"), (&child, "nothing")] {
        assert_eq!(may(token).await, authority);
    }
    // Whoever gets the name later gets none of it.
    let again = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", again).await;
    assert_eq!(may(&made).await, "nothing");
    let revoked: Vec<Value> = world
        .ok("GET", "/audit/logs?kind=token_revoked", Value::Null)
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["what"]["name"].clone())
        .collect();
    assert_eq!(
        revoked,
        [json!("child"), json!("ci")]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
}
