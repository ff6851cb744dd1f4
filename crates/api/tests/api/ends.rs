//! The end of sessions, tokens and set-up links, whatever the host's clock is set to.

use std::time::Duration;

use api::auth;
use model::{Actor, Author};
use serde_json::{Value, json};

use crate::people::by_tcp;
use crate::world::World;

const PASSWORD: &str = "correct horse battery";
const HOUR: Duration = Duration::from_secs(3600);

/// What one can come in by: a session, a token with an end and one without, a set-up link.
struct Keys {
    url: String,
    cookie: String,
    tokens: [String; 2],
    link: String,
}

impl Keys {
    async fn made(world: &mut World) -> Self {
        let url = by_tcp(world).await;
        let user = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
        world.ok("POST", "/users", user).await;
        let session = auth::sign_in(&world.gate, "ada", PASSWORD, "::1");
        let cookie = session.await.unwrap().cookie(false);
        let [(_, cookie)] = cookie.0;
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap().into();
        let mut secrets = Vec::new();
        for (name, days) in [("ends", json!(1)), ("stays", Value::Null)] {
            let token = json!({"name": name, "authority": "viewer", "days": days});
            let made = world.ok("POST", "/tokens", token).await;
            secrets.push(made["secret"].as_str().unwrap().to_owned());
        }
        let link = auth::make_set_up_link(&world.gate, Author::from(Actor::System)).await;
        Self {
            url,
            cookie,
            tokens: secrets.try_into().unwrap(),
            link: link.unwrap(),
        }
    }

    /// Which of them open: the session, the two tokens, the link.
    async fn open(&self, world: &World) -> [bool; 4] {
        let session = auth::Session::of_cookie(&world.gate, &self.cookie, "::1");
        let session = session.await.unwrap().is_some();
        let http = reqwest::Client::new();
        let lets_in = async |secret: &str| {
            let request = http.get(format!("{}/api/v1/whoami", self.url));
            let answer = request.bearer_auth(secret).send().await.unwrap();
            answer.status() == 200
        };
        let [ends, stays] = &self.tokens;
        let link = auth::set_up_open(&world.gate, &self.link).await.unwrap();
        [session, lets_in(ends).await, lets_in(stays).await, link]
    }
}

#[tokio::test]
async fn what_is_over_stays_so_where_the_clock_is_set_back() {
    let mut world = World::new().await;
    let keys = Keys::made(&mut world).await;
    world.gate.end_by_time().await.unwrap();
    assert_eq!(keys.open(&world).await, [true; 4]);
    let only_stays = [false, false, true, false];
    world.clock.advance(25 * HOUR);
    assert_eq!(keys.open(&world).await, only_stays);
    world.gate.end_by_time().await.unwrap();
    // Back to within the time of each.
    world.clock.set_back(24 * HOUR);
    assert_eq!(keys.open(&world).await, only_stays);
    world.gate.end_by_time().await.unwrap();
    assert_eq!(keys.open(&world).await, only_stays);
    let listed = world.ok("GET", "/tokens", Value::Null).await;
    assert!(listed[0]["ended_at"].is_string(), "{listed}");
    assert!(listed[1]["ended_at"].is_null(), "{listed}");
    // What is made by the clock as it is holds by it.
    assert!(
        auth::sign_in(&world.gate, "ada", PASSWORD, "::1")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn nothing_lasts_longer_by_a_clock_that_is_set_back_behind_its_beginning() {
    let mut world = World::new().await;
    let keys = Keys::made(&mut world).await;
    // A little, as a clock is put right.
    world.clock.set_back(HOUR / 2);
    assert_eq!(keys.open(&world).await[..3], [true; 3]);
    world.clock.set_back(2 * HOUR);
    assert_eq!(keys.open(&world).await[..3], [false, false, true]);
}
