//! Everybody changes their own password, and nobody else's.

use api::auth;
use serde_json::{Value, json};

use crate::forms::{Browser, tags};
use crate::people::{PASSWORD, signed_in};
use crate::world::World;

const NEW: &str = "another good password";

#[tokio::test]
async fn a_signed_in_account_changes_its_own_password_by_page() {
    let mut world = World::new().await;
    let browser = Browser::of(&mut world).await;
    world
        .ok("PUT", "/users/ada", json!({"authority": "admin"}))
        .await;
    let (other, _) = signed_in(&world, "ada").await;
    let page = browser.get("/account").await;
    assert!(page.contains("You are signed in as ada"), "{page}");
    let form = |present, new, again| [("present", present), ("password", new), ("again", again)];
    for (fields, at) in [
        (form("wrong horse battery", NEW, NEW), "id=\"present\""),
        (form(PASSWORD, "short", "short"), "id=\"password\""),
        (form(PASSWORD, NEW, PASSWORD), "id=\"again\""),
    ] {
        let (status, page) = browser.post("/account/password", &fields).await;
        assert_eq!(status, 422, "{page}");
        let marked = tags(&page, "aria-invalid=\"true\"");
        assert!(marked.len() == 1 && marked[0].contains(at), "{marked:?}");
        assert!(!page.contains(PASSWORD) && !page.contains(NEW), "{page}");
    }
    let (status, page) = browser
        .post("/account/password", &form(PASSWORD, NEW, NEW))
        .await;
    assert_eq!(status, 303, "{page}");
    // This session goes on, the other has ended, and the new password is the one that counts.
    let page = browser.get("/account?said=password-changed").await;
    assert!(page.contains("your other sessions have ended"), "{page}");
    let ended = auth::Session::of_cookie(&world.gate, &other, "192.0.2.1").await;
    assert!(ended.unwrap().is_none());
    assert!(
        auth::sign_in(&world.gate, "ada", PASSWORD, "::1")
            .await
            .is_err()
    );
    assert!(auth::sign_in(&world.gate, "ada", NEW, "::1").await.is_ok());

    let told = world
        .ok("GET", "/audit/logs?kind=user_changed", Value::Null)
        .await;
    let event = &told[0];
    assert_eq!(event["actor"], "person:ada");
    assert_eq!(event["what"]["fields"], json!(["password"]));
    assert_eq!(event["changes"][0]["after"], "(secret)");
    assert!(!told.to_string().contains(NEW));
}

#[tokio::test]
async fn a_password_is_changed_by_who_has_one_and_guesses_are_slowed_down() {
    let mut world = World::new().await;
    let url = crate::people::by_tcp(&mut world).await;
    let zoe = json!({"name": "zoe", "authority": "viewer", "password": PASSWORD});
    world.ok("POST", "/users", zoe).await;
    let (cookie, csrf) = signed_in(&world, "zoe").await;
    let http = reqwest::Client::new();
    let change = async |present: &str| {
        let asked = http.put(format!("{url}/api/v1/users/me/password"));
        let asked = asked
            .header("cookie", &cookie)
            .header("x-csrf-token", &csrf);
        let body = json!({"present": present, "password": NEW}).to_string();
        let answer = asked.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
        (status, body["field"].clone(), body["code"].clone())
    };
    let wrong = (422, json!("present"), json!("invalid"));
    for _ in 0..5 {
        assert_eq!(change("wrong horse battery").await, wrong);
    }
    let slow = (422, json!("present"), json!("slow_down"));
    while change("wrong horse battery").await != slow {}
    assert_eq!(change(PASSWORD).await, slow);
    world.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(change(PASSWORD).await.0, 204);
    assert!(auth::sign_in(&world.gate, "zoe", NEW, "::1").await.is_ok());

    // Who is known to the host has no password.
    let asked = json!({"present": NEW, "password": PASSWORD});
    let (status, body) = world.ask("PUT", "/users/me/password", asked).await;
    assert_eq!((status, &body["code"]), (422, &json!("no_account")));
}
