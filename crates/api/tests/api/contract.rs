//! What every route answers to everybody.

use std::fmt::Write as _;

use api::authorities;
use model::Authority;
use serde_json::{Value, json};

use crate::people::{by_tcp, everybody};
use crate::world::{MAC_1, World};

/// The status of each route for somebody unknown, a viewer, an operator and an admin, without a body. Things that are asked for by
/// number or name are not there.
const TABLE: &str = include_str!("contract.txt");

#[tokio::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let mut world = World::with_control_plane().await;
    let url = by_tcp(&mut world).await;
    let tokens = everybody(&world).await;
    let http = reqwest::Client::new();
    let mut got = String::new();
    for (method, path, _) in authorities() {
        let real = path
            .replace("{id}", "99999")
            .replace("{version}", "v0.0.1")
            .replace("{name}", "nobody")
            .replace("{role}", "worker");
        write!(got, "{method} {path}").unwrap();
        let nobody = (None, None);
        let known = tokens.iter().map(|(who, token)| (Some(*who), Some(token)));
        for (who, token) in [nobody].into_iter().chain(known) {
            let mut request = http.request(method.clone(), format!("{url}/api/v1{real}"));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            assert_eq!(
                headers["x-content-type-options"], "nosniff",
                "{method} {path}"
            );
            assert_eq!(headers["cache-control"], "no-store", "{method} {path}");
            if status >= 400 {
                let body: Value = response.json().await.unwrap();
                for field in ["code", "message"] {
                    let text = body[field].as_str();
                    assert!(
                        text.is_some_and(|text| !text.is_empty()),
                        "{method} {path} {who:?}: {body}"
                    );
                }
            }
            write!(got, " {status}").unwrap();
        }
        got.push('\n');
    }
    assert!(
        got == TABLE,
        "the routes answer otherwise than contract.txt says:\n{got}"
    );
}

#[tokio::test]
async fn many_are_deleted_by_an_admin_alone() {
    let mut world = World::with_control_plane().await;
    let url = by_tcp(&mut world).await;
    let tokens = everybody(&world).await;
    world.add("52:54:00:00:00:09").await;
    let http = reqwest::Client::new();
    let asked =
        json!({"action": "delete", "devices": ["52:54:00:00:00:09"], "preview": true}).to_string();
    for (who, token) in &tokens {
        let request = http
            .post(format!("{url}/api/v1/devices/bulk"))
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(asked.clone());
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status == 403, *who < Authority::Admin, "{who}: {status}");
    }
}

#[tokio::test]
async fn to_do_a_thing_twice_is_to_do_it_once() {
    let world = World::with_control_plane().await;
    let path = |verb: &str| format!("/devices/{MAC_1}/{verb}");
    let same = json!({"hostname": "cp-1", "ip_address": "10.0.0.11", "role": "controlplane"});
    for (verb, body) in [("approve", Value::Null), ("approve", same)] {
        let before = world
            .ok("GET", &format!("/devices/{MAC_1}"), Value::Null)
            .await;
        let config = world.config(MAC_1).await;
        let events = world.kinds().await.len();
        let after = world.ok("POST", &path(verb), body).await;
        assert_eq!(after, before, "{verb}");
        assert_eq!(world.config(MAC_1).await, config);
        assert_eq!(
            world.kinds().await.len(),
            events,
            "nothing happened, so nothing is told"
        );
    }
    let first = world.ok("POST", "/devices/regenerate", Value::Null).await;
    let config = world.config(MAC_1).await;
    let second = world.ok("POST", "/devices/regenerate", Value::Null).await;
    assert_eq!(first["approved_devices"], second["approved_devices"]);
    assert_eq!(world.config(MAC_1).await, config);
    let other = "52:54:00:00:00:09";
    world.add(other).await;
    let first = world
        .ok("POST", &format!("/devices/{other}/reject"), Value::Null)
        .await;
    let events = world.kinds().await.len();
    let second = world
        .ok("POST", &format!("/devices/{other}/reject"), Value::Null)
        .await;
    assert_eq!((second, world.kinds().await.len()), (first, events));
}

#[tokio::test]
async fn a_viewer_reads_no_secret_by_any_route() {
    let mut world = World::with_control_plane().await;
    let url = by_tcp(&mut world).await;
    let tokens = everybody(&world).await;
    let patch = json!({"scope": "cluster", "name": "env", "text": "machine:\n  env:\n    PASSWORD: verysecret-env\n"});
    let saved = world.ok("POST", "/patches", patch).await;
    let changed = json!({"text": "machine:\n  env:\n    PIN: verysecret-2\n"});
    let path = format!("/patches/{}", saved["patch"]["id"]);
    let changed = world.ok("PUT", &path, changed).await;
    // What is short is found by trying all that have its fingerprint.
    let prints = [&saved, &changed].map(|done| done["patch"]["sha256"].as_str().unwrap());
    let http = reqwest::Client::new();
    for (who, token) in &tokens {
        for (method, path, least) in authorities() {
            if method != "GET" || path == "/backup" {
                continue;
            }
            let path = path
                .replace("/devices/{id}", &format!("/devices/{MAC_1}"))
                .replace("{id}", "1")
                .replace("{role}", "controlplane");
            let path = if path.ends_with("/explain") {
                format!("{path}?path=machine")
            } else {
                path
            };
            let request = http.get(format!("{url}/api/v1{path}")).bearer_auth(token);
            let response = request.send().await.unwrap();
            let (status, text) = (response.status(), response.text().await.unwrap());
            assert_eq!(status == 403, *who < least, "{path} {who}: {status} {text}");
            if *who < Authority::Admin {
                assert!(!text.contains("verysecret"), "{path} {who}: {text}");
                for print in prints {
                    assert!(!text.contains(print), "{path} {who}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_openapi_document_has_every_route_and_every_schema_it_names() {
    let world = World::new().await;
    let document = world.ok("GET", "/openapi.json", Value::Null).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut told: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            told.push(format!("{} {path}", method.to_uppercase()));
            assert!(!operation["summary"].as_str().unwrap().is_empty());
        }
    }
    let mut there: Vec<String> = authorities()
        .iter()
        .map(|(method, path, _)| format!("{method} /api/v1{path}"))
        .collect();
    told.sort();
    there.sort();
    assert_eq!(told, there);
    let text = document.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "{name}");
    }
    let device = &document["components"]["schemas"]["Device"]["properties"];
    let shown = world.add(MAC_1).await;
    for field in shown.as_object().unwrap().keys() {
        assert!(device[field].is_object(), "{field}");
    }
}
