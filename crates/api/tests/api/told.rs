//! What is told of things: the audit of what was before and is since, the OpenAPI document of what answers carry, refusals of why.

use api::{auth, authorities};
use serde_json::{Value, json};

use crate::people::PASSWORD;
use crate::world::{MAC_1, MAC_2, World};

/// The changes that the last event of a kind tells.
async fn changes(world: &World, kind: &str) -> Vec<(String, String, String)> {
    let told = world
        .ok(
            "GET",
            &format!("/audit/logs?kind={kind}&limit=1"),
            Value::Null,
        )
        .await;
    let changes = told[0]["changes"].as_array().cloned().unwrap_or_default();
    let text = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
    let all = changes
        .iter()
        .map(|it| (text(it, "field"), text(it, "before"), text(it, "after")));
    all.collect()
}

fn change(field: &str, before: &str, after: &str) -> (String, String, String) {
    (field.to_owned(), before.to_owned(), after.to_owned())
}

#[tokio::test]
async fn the_audit_tells_what_was_before_and_is_since() {
    let world = World::with_control_plane().await;
    let new = json!({"mac_address": MAC_2, "hostname": "node-2", "notes": "rack 3", "labels": {"rack": "3"}});
    world.ok("POST", "/devices", new).await;
    let added = changes(&world, "device_added").await;
    let given = [
        change("hostname", "null", "node-2"),
        change("notes", "", "rack 3"),
        change("labels", "{}", r#"{"rack":"3"}"#),
    ];
    assert!(
        given.iter().all(|it| added.contains(it)) && added.len() == 3,
        "{added:?}"
    );
    let settings = json!({"install_image": "factory.example/installer:v1"});
    world
        .ok("PUT", &format!("/devices/{MAC_2}/settings"), settings)
        .await;
    world
        .ok("DELETE", &format!("/devices/{MAC_2}"), Value::Null)
        .await;
    let deleted = changes(&world, "device_deleted").await;
    let gone = [
        change("hostname", "node-2", "null"),
        change("notes", "rack 3", ""),
        change("install_image", "factory.example/installer:v1", "null"),
    ];
    assert!(gone.iter().all(|it| deleted.contains(it)), "{deleted:?}");

    let text = |value: &str| {
        format!("machine:\n  sysctls:\n    a.b: \"{value}\"\n  env:\n    PIN: secret-{value}\n")
    };
    let patch = |value: &str| json!({"scope": "cluster", "name": "one", "text": text(value)});
    world.ok("POST", "/patches", patch("1")).await;
    let (_, before, after) = changes(&world, "patch_saved").await.remove(0);
    assert!(before == "null" && after.contains("a.b: \"1\""), "{after}");
    world.ok("POST", "/patches", patch("2")).await;
    let (_, before, after) = changes(&world, "patch_saved").await.remove(0);
    assert!(
        before.contains("a.b: \"1\"") && after.contains("a.b: \"2\""),
        "{before} {after}"
    );
    let only_secret = text("2").replace("secret-2", "secret-3");
    let patch = json!({"scope": "cluster", "name": "one", "text": only_secret});
    world.ok("POST", "/patches", patch).await;
    let (_, before, after) = changes(&world, "patch_saved").await.remove(0);
    assert!(before != after && after.contains("masked"), "{after}");
    let operations = json!([{"op": "add", "path": "/machine/env", "value": {"PIN": "secret-4"}}]);
    let json_patch = json!({"scope": "cluster", "name": "two", "text": operations.to_string()});
    world.ok("POST", "/patches", json_patch).await;
    let (_, _, after) = changes(&world, "patch_saved").await.remove(0);
    assert_eq!(after, "add /machine/env: (secret)");
    let all = world.ok("GET", "/audit/logs?limit=1000", Value::Null).await;
    assert!(!all.to_string().contains("secret-"), "{all}");

    let zoe = json!({"name": "zoe", "authority": "viewer", "password": PASSWORD});
    world.ok("POST", "/users", zoe).await;
    let link = world.ok("POST", "/set-up-link", Value::Null).await;
    let token = link["path"].as_str().unwrap().split_once('=').unwrap().1;
    let made = auth::set_up(&world.gate, token, "zoe", "another good password", "::1").await;
    assert!(made.is_ok());
    let changed = changes(&world, "user_changed").await;
    let expected = [
        change("password", "(secret)", "(secret)"),
        change("authority", "viewer", "admin"),
    ];
    assert_eq!(changed, expected);
}

/// Whatever an answer carries is in the document, and whatever is refused for its version.
#[tokio::test]
async fn the_openapi_document_tells_what_answers_carry() {
    let world = World::with_control_plane().await;
    let patch = json!({"scope": "cluster", "name": "one", "text": "machine:\n  sysctls:\n    a.b: \"1\"\n"});
    world.ok("POST", "/patches", patch).await;
    let user = json!({"name": "zoe", "authority": "viewer", "password": PASSWORD});
    world.ok("POST", "/users", user).await;
    let document = world.ok("GET", "/openapi.json", Value::Null).await;
    let (mut carried, mut refused) = (0, 0);
    for (method, path, _) in authorities() {
        let operation =
            &document["paths"][format!("/api/v1{path}")][method.as_str().to_ascii_lowercase()];
        let real = path
            .replace("/devices/{id}", &format!("/devices/{MAC_1}"))
            .replace("{id}", "1")
            .replace("{role}", "worker")
            .replace("{name}", "zoe")
            .replace("{version}", "v1.13.0");
        let query = match path {
            "/devices" | "/events" | "/audit/logs" => "?limit=1",
            _ => "",
        };
        let ask = world
            .http
            .request(
                method.clone(),
                format!("http://localhost/api/v1{real}{query}"),
            )
            .header("if-match", "\"stale\"");
        let body = match path {
            "/devices/{id}/order" => json!({"order": "menu"}),
            "/devices/{id}/proof" => json!({"proof": "installed"}),
            "/devices/{id}/identity" => json!({"decision": "keep"}),
            "/patches/{id}" if method == "PUT" => json!({"text": "machine: {}\n"}),
            _ => json!({}),
        };
        let answer = if method == "GET" {
            ask
        } else {
            ask.body(body.to_string())
        };
        let answer = answer.send().await.unwrap();
        if answer.status() == 412 {
            refused += 1;
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            assert!(
                parameters.any(|it| it["name"] == "If-Match"),
                "{method} {path}"
            );
            assert!(operation["responses"]["412"].is_object(), "{method} {path}");
        }
        for name in ["ETag", "Next-Cursor", "Total-Count"] {
            if answer.status().is_success() && answer.headers().contains_key(name) {
                carried += 1;
                let told = &operation["responses"]["200"]["headers"][name];
                assert!(told.is_object(), "{method} {path} {name}");
            }
        }
    }
    assert!(refused >= 12 && carried >= 8, "{refused} {carried}");
    let events = &document["paths"]["/api/v1/events"]["get"];
    assert!(events["responses"]["200"]["content"]["text/event-stream"].is_object());
    let mut parameters = events["parameters"].as_array().unwrap().iter();
    assert!(parameters.any(|it| it["name"] == "Last-Event-ID"));
}

#[tokio::test]
async fn a_refusal_says_what_would_be_right() {
    let world = World::with_control_plane().await;
    for (method, path, body, field, message) in [
        (
            "GET",
            "/devices?limit=-1",
            Value::Null,
            "limit",
            "must be a whole number, 0 or more",
        ),
        (
            "PUT",
            "/network/settings",
            json!({"hold_limit_seconds": -1}),
            "hold_limit_seconds",
            "must be a whole number from 0 to 4294967295",
        ),
        (
            "PUT",
            "/network/settings",
            json!({"menu_seconds": "soon"}),
            "menu_seconds",
            "must be a whole number from 0 to 4294967295",
        ),
        (
            "PUT",
            "/devices/1",
            json!({"ip_address": "10.0.0"}),
            "ip_address",
            "is not an IPv4 address such as 192.168.1.23",
        ),
    ] {
        let (_, named, said) = world.refused(method, path, body).await;
        assert_eq!((named.as_str(), said.as_str()), (field, message), "{path}");
    }
    // A filter that is not looked at is refused.
    for (query, field) in [
        ("kind=bogus", "kind"),
        ("device=2", "device"),
        ("limit=5", "limit"),
    ] {
        let asked = world
            .http
            .get(format!("http://localhost/api/v1/events?{query}"));
        let answer = asked
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 422, "{query}");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["field"], field);
    }
}
