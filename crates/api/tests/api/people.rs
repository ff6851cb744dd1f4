//! Signing in, users, and who may use what.

use std::net::SocketAddr;
use std::time::Duration;

use api::auth::{self, SignInRefusal};
use api::{TcpServer, Token, authorities};
use model::{Actor, Authority};
use serde_json::{Value, json};

use crate::world::{MAC_1, World};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// The API by TCP.
pub(crate) async fn by_tcp(world: &mut World) -> String {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let token = Token::new("0123456789abcdef0123456789abcdef");
    let server = TcpServer::bind(any, token).await.unwrap();
    let url = format!("http://{}", server.local_addr());
    let serving = server.serve(world.app.clone(), world.stop.clone());
    world.serving.spawn(serving);
    url
}

/// Makes a user of each authority, and a token for each; returns the tokens.
pub(crate) async fn everybody(world: &World) -> Vec<(Authority, String)> {
    let mut tokens = Vec::new();
    for authority in Authority::ALL {
        let name = format!("{authority}-1");
        let user = json!({"name": name, "authority": authority, "password": PASSWORD});
        world.ok("POST", "/users", user).await;
        let token = json!({"name": name, "authority": authority});
        let made = world.ok("POST", "/tokens", token).await;
        tokens.push((*authority, made["secret"].as_str().unwrap().to_owned()));
    }
    tokens
}

#[tokio::test]
async fn every_route_asks_who_it_is_and_lets_in_whom_it_names() {
    let mut world = World::with_control_plane().await;
    let url = by_tcp(&mut world).await;
    let tokens = everybody(&world).await;
    let http = reqwest::Client::new();
    let ask = async |method: reqwest::Method, path: &str, token: Option<&str>| {
        // Nothing is there, so that a route that lets in changes nothing.
        let path = path
            .replace("{id}", "99999")
            .replace("{version}", "v0.0.1")
            .replace("{name}", "nobody");
        let mut request = http.request(method, format!("{url}/api/v1{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        // A live answer does not end.
        let body = if status >= 400 {
            response.json().await.unwrap()
        } else {
            Value::Null
        };
        (status, body)
    };
    let routes = authorities();
    assert!(routes.len() > 30);
    for (method, path, least) in routes {
        let (status, body) = ask(method.clone(), path, None).await;
        assert_eq!(
            (status, &body["code"]),
            (401, &json!("unauthorized")),
            "{method} {path}"
        );
        let (status, _) = ask(method.clone(), path, Some("ktizo_wrong")).await;
        assert_eq!(status, 401, "{method} {path}");
        for (authority, token) in &tokens {
            let (status, body) = ask(method.clone(), path, Some(token)).await;
            if *authority < least {
                assert_eq!(
                    (status, &body["code"]),
                    (403, &json!("forbidden")),
                    "{method} {path} {authority}"
                );
                assert!(body["hint"].as_str().unwrap().contains("ask an admin"));
            } else {
                assert!(
                    ![401, 403, 405, 500].contains(&status),
                    "{method} {path} {authority}: {status} {body}"
                );
            }
        }
    }
    // Whoever may look at a config sees its secrets only as an admin.
    let preview = "/devices/{id}/config/preview";
    for (authority, token) in &tokens {
        let shown = format!("{preview}?secrets=true");
        let (status, _) = ask(reqwest::Method::GET, &shown, Some(token)).await;
        assert_eq!(status == 403, *authority < Authority::Admin, "{authority}");
        let (status, _) = ask(reqwest::Method::GET, preview, Some(token)).await;
        assert_ne!(status, 403, "{authority}");
    }
}

#[tokio::test]
async fn a_browser_sets_up_signs_in_and_out() {
    let mut world = World::new().await;
    let url = by_tcp(&mut world).await;
    let gate = world.gate.clone();
    assert!(!auth::has_users(&gate).await.unwrap());
    let first = auth::make_set_up_link(&gate, Actor::System.into())
        .await
        .unwrap();
    let link = auth::make_set_up_link(&gate, Actor::System.into())
        .await
        .unwrap();
    for bad in ["", "x", &first] {
        let refused = auth::set_up(&gate, bad, "ada", PASSWORD, "192.0.2.1").await;
        assert!(
            refused.unwrap_err().to_string().contains("not good"),
            "{bad}"
        );
    }
    for (name, password, field) in [("a b", PASSWORD, "name"), ("ada", "short", "password")] {
        let refused = auth::set_up(&gate, &link, name, password, "192.0.2.2").await;
        let api::Error::Refused(refusal) = refused.unwrap_err() else {
            panic!()
        };
        assert_eq!(refusal.field.as_deref(), Some(field));
    }
    let new = auth::set_up(&gate, &link, "Ada", PASSWORD, "192.0.2.2")
        .await
        .unwrap();
    assert_eq!(
        (new.name.as_str(), new.authority),
        ("ada", Authority::Admin)
    );
    assert!(
        !auth::set_up_open(&gate, &link).await.unwrap(),
        "a link is good once"
    );
    // Who is slowed down is told so, and does not throw a good link away.
    let link = auth::make_set_up_link(&gate, Actor::System.into());
    let link = link.await.unwrap();
    for _ in 0..6 {
        let guess = auth::sign_in(&gate, "bob", "wrong", "192.0.2.3").await;
        assert!(guess.is_err());
    }
    let slowed = auth::set_up(&gate, &link, "eve", PASSWORD, "192.0.2.3").await;
    let told = slowed.unwrap_err().to_string();
    assert!(told.contains("try again in"), "{told}");

    let signed = auth::sign_in(&gate, "ADA", PASSWORD, "192.0.2.2")
        .await
        .unwrap();
    let cookie = header(&signed.cookie(true));
    assert!(
        cookie.contains("HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let token = cookie.split_once('=').unwrap().1.to_owned();
    let raw = std::fs::read(world.path("ktizo.db-wal")).unwrap();
    assert!(
        !raw.windows(token.len())
            .any(|part| part == token.as_bytes()),
        "only a fingerprint is kept"
    );

    let http = reqwest::Client::new();
    let who = http
        .get(format!("{url}/api/v1/whoami"))
        .header("cookie", &cookie);
    let who: Value = who.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        who,
        json!({"actor": "person:ada", "authority": "admin", "from": "127.0.0.1"})
    );
    let add = |csrf: &str| {
        http.post(format!("{url}/api/v1/devices"))
            .header("cookie", &cookie)
            .header("x-csrf-token", csrf)
            .json(&json!({"mac_address": MAC_1}))
            .send()
    };
    assert_eq!(add("").await.unwrap().status(), 403);
    assert_eq!(add("wrong").await.unwrap().status(), 403);
    let session = session(&world, &cookie).await.unwrap();
    assert_eq!(add(&session.csrf).await.unwrap().status(), 201);
    let audit = world
        .ok("GET", "/audit/logs?kind=device_added", Value::Null)
        .await;
    assert_eq!(
        (&audit[0]["actor"], &audit[0]["from"]),
        (&json!("person:ada"), &json!("127.0.0.1"))
    );

    auth::sign_out(&gate, session).await.unwrap();
    assert!(self::session(&world, &cookie).await.is_none());
    let after = http
        .get(format!("{url}/api/v1/whoami"))
        .header("cookie", &cookie);
    assert_eq!(after.send().await.unwrap().status(), 401);
}

/// The value of a `Set-Cookie` header.
fn header(
    cookie: &axum::response::AppendHeaders<[(axum::http::HeaderName, axum::http::HeaderValue); 1]>,
) -> String {
    cookie.0[0].1.to_str().unwrap().to_owned()
}

/// The session of a cookie, as the extractor of the pages finds it.
async fn session(world: &World, cookie: &str) -> Option<auth::Session> {
    auth::Session::of_cookie(&world.gate, cookie, "127.0.0.1")
        .await
        .unwrap()
}

#[tokio::test]
async fn a_session_ends_by_idleness_by_age_and_with_its_password() {
    let world = World::new().await;
    let user = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", user).await;
    let sign_in = async || {
        let new = auth::sign_in(&world.gate, "ada", PASSWORD, "::1")
            .await
            .unwrap();
        header(&new.cookie(false))
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    let idle = sign_in().await;
    world.clock.advance(Duration::from_secs(11 * 3600));
    assert!(session(&world, &idle).await.is_some());
    world.clock.advance(Duration::from_secs(11 * 3600));
    assert!(
        session(&world, &idle).await.is_some(),
        "it was used in between"
    );
    world.clock.advance(Duration::from_secs(13 * 3600));
    assert!(session(&world, &idle).await.is_none());
    let old = sign_in().await;
    for _ in 0..16 {
        world.clock.advance(Duration::from_secs(10 * 3600));
        assert!(session(&world, &old).await.is_some());
    }
    world.clock.advance(Duration::from_secs(10 * 3600));
    assert!(
        session(&world, &old).await.is_none(),
        "seven days are the most"
    );
    let changed = sign_in().await;
    world
        .ok(
            "PUT",
            "/users/ada",
            json!({"password": "another horse battery"}),
        )
        .await;
    assert!(session(&world, &changed).await.is_none());
}

#[tokio::test]
async fn guessing_is_slowed_down_by_account_and_by_address() {
    let world = World::new().await;
    let user = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", user).await;
    for _ in 0..6 {
        let refused = auth::sign_in(&world.gate, "ada", "wrong", "192.0.2.9").await;
        assert!(matches!(refused, Err(SignInRefusal::Wrong)));
    }
    for (name, from) in [("ada", "192.0.2.10"), ("bob", "192.0.2.9")] {
        let refused = auth::sign_in(&world.gate, name, PASSWORD, from).await;
        assert!(
            matches!(refused, Err(SignInRefusal::SlowDown { .. })),
            "{name} {from}"
        );
    }
    world.clock.advance(Duration::from_secs(31));
    auth::sign_in(&world.gate, "ada", PASSWORD, "192.0.2.10")
        .await
        .unwrap();
    let refused = world
        .ok("GET", "/events?kind=sign_in_refused", Value::Null)
        .await;
    assert_eq!(refused.as_array().unwrap().len(), 6);
    assert_eq!(
        (&refused[0]["actor"], &refused[0]["from"]),
        (&json!("system"), &json!("192.0.2.9"))
    );
}

#[tokio::test]
async fn what_others_do_with_a_name_does_not_keep_its_owner_out() {
    let world = World::new().await;
    for (name, authority) in [("ada", "admin"), ("eve", "viewer")] {
        let user = json!({"name": name, "authority": authority, "password": PASSWORD});
        world.ok("POST", "/users", user).await;
    }
    let sign_in = async |name: &str, password: &str, from: &str| {
        auth::sign_in(&world.gate, name, password, from).await
    };
    let (home, elsewhere) = ("192.0.2.10", "192.0.2.66");
    sign_in("ada", PASSWORD, home).await.unwrap();
    for _ in 0..20 {
        world.clock.advance(Duration::from_secs(31));
        assert!(sign_in("ada", "wrong", elsewhere).await.is_err());
    }
    let held = sign_in("ada", PASSWORD, "192.0.2.11").await;
    assert!(
        matches!(held, Err(SignInRefusal::SlowDown { .. })),
        "{held:?}"
    );
    sign_in("ada", PASSWORD, home).await.unwrap();

    // Who has an account cannot wash guesses at another's off, from one address or from a network of them.
    for round in 0..3 {
        for last in 0..3 {
            let from = format!("2001:db8:0:1::{round}:{last}");
            let guess = sign_in("bob", "wrong", &from).await;
            assert!(guess.is_err());
        }
        let own = sign_in("eve", PASSWORD, "2001:db8:0:1::1").await;
        let slowed = matches!(own, Err(SignInRefusal::SlowDown { .. }));
        assert_eq!(slowed, round > 0, "{round}");
    }
    sign_in("eve", PASSWORD, "2001:db8:0:2::1").await.unwrap();
}

#[tokio::test]
async fn the_last_admin_stays() {
    let world = World::new().await;
    let user = |name: &str, authority: &str| json!({"name": name, "authority": authority, "password": PASSWORD});
    world.ok("POST", "/users", user("ada", "admin")).await;
    world.ok("POST", "/users", user("bob", "viewer")).await;
    for (method, body) in [
        ("DELETE", Value::Null),
        ("PUT", json!({"authority": "operator"})),
    ] {
        let (code, ..) = world.refused(method, "/users/ada", body).await;
        assert_eq!(code, "last_admin");
    }
    world
        .ok("PUT", "/users/bob", json!({"authority": "admin"}))
        .await;
    assert_eq!(world.ask("DELETE", "/users/ada", Value::Null).await.0, 204);
    let audit = world.ok("GET", "/audit/logs", Value::Null).await;
    assert_eq!(
        audit[1]["changes"],
        json!([{"field": "authority", "before": "viewer", "after": "admin"}])
    );
    assert_eq!(
        world.ok("GET", "/users", Value::Null).await[0]["name"],
        "bob"
    );
}

#[tokio::test]
async fn who_uses_what_is_noted_only_if_it_can_be() {
    let mut world = World::new().await;
    let url = by_tcp(&mut world).await;
    let tokens = everybody(&world).await;
    let signed = auth::sign_in(&world.gate, "ada", PASSWORD, "127.0.0.1");
    assert!(signed.await.is_err());
    let user = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", user).await;
    let signed = auth::sign_in(&world.gate, "ada", PASSWORD, "127.0.0.1").await;
    let cookie = header(&signed.unwrap().cookie(false));
    // As a full disk would.
    let database = rusqlite::Connection::open(world.path("ktizo.db")).unwrap();
    for table in ["sessions", "api_tokens"] {
        let refuse = format!(
            "CREATE TRIGGER full_{table} BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
        );
        database.execute_batch(&refuse).unwrap();
    }
    world.clock.advance(Duration::from_secs(120));
    let http = reqwest::Client::new();
    for (name, value) in [
        ("cookie", cookie.split(';').next().unwrap().to_owned()),
        ("authorization", format!("Bearer {}", tokens[0].1)),
    ] {
        let asked = http
            .get(format!("{url}/api/v1/status"))
            .header(name, value)
            .send();
        assert_eq!(asked.await.unwrap().status(), 200, "{name}");
    }
}

#[tokio::test]
async fn a_page_puts_no_patch_in_the_place_of_one_that_was_not_read() {
    let mut world = World::with_control_plane().await;
    let url = by_tcp(&mut world).await;
    let user = json!({"name": "ada", "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", user).await;
    let signed = auth::sign_in(&world.gate, "ada", PASSWORD, "127.0.0.1").await;
    let cookie = header(&signed.unwrap().cookie(false));
    let cookie = cookie.split(';').next().unwrap();
    let csrf = session(&world, cookie).await.unwrap().csrf;
    let text = |server: &str| format!("machine:\n  time:\n    servers: [{server}]\n");
    let first =
        json!({"scope": "device", "device": MAC_1, "name": "ntp", "text": text("first.example")});
    world.ok("POST", "/patches", first).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let read = world.ok("GET", "/patches/1", Value::Null).await["sha256"].clone();
    let (hyphens, zeros) = (MAC_1.replace(':', "-"), "\"000000000000000000000000\"");
    for (device, seen, status) in [(MAC_1, "", 422), (&hyphens, "", 422), (MAC_1, zeros, 409)] {
        let form = [
            ("csrf", csrf.as_str()),
            ("scope", "device"),
            ("device", device),
            ("name", "ntp"),
            ("text", &text("second.example")),
            ("seen", seen),
            ("then", "save"),
        ];
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let sent = http
            .post(format!("{url}/cluster/patches"))
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.finish());
        assert_eq!(
            sent.send().await.unwrap().status(),
            status,
            "{device} {seen}"
        );
    }
    let after = world.ok("GET", "/patches/1", Value::Null).await["sha256"].clone();
    assert_eq!(after, read);
}

/// An admin with this name: the cookie and the CSRF token of a session.
pub(crate) async fn new_user(world: &World, name: &str) -> (String, String) {
    let user = json!({"name": name, "authority": "admin", "password": PASSWORD});
    world.ok("POST", "/users", user).await;
    signed_in(world, name).await
}

/// The cookie and the CSRF token of a new session.
pub(crate) async fn signed_in(world: &World, name: &str) -> (String, String) {
    let session = auth::sign_in(&world.gate, name, PASSWORD, "192.0.2.1").await;
    let cookie = header(&session.unwrap().cookie(false));
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let session = auth::Session::of_cookie(&world.gate, &cookie, "192.0.2.1").await;
    (cookie, session.unwrap().unwrap().csrf)
}

#[tokio::test]
async fn no_page_has_a_password_in_it() {
    let mut world = World::new().await;
    let url = by_tcp(&mut world).await;
    let (cookie, csrf) = new_user(&world, "ada").await;
    // The name is taken, so the form comes back with what was typed.
    let form = format!("csrf={csrf}&name=ada&authority=viewer&password=typed-in-vain");
    let posted = reqwest::Client::new()
        .post(format!("{url}/people/users"))
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send();
    let answer = posted.await.unwrap();
    assert_eq!(answer.status(), 422);
    let page = answer.text().await.unwrap();
    assert!(
        page.contains("value=\"ada\"") && page.contains("is taken"),
        "{page}"
    );
    assert!(
        !page.contains("typed-in-vain"),
        "the password is in the page"
    );
}

/// An open page asks for itself anew and for news, also when nobody is there any more: that keeps no session open, and the page is told.
#[tokio::test]
async fn what_a_page_does_by_itself_is_no_use_of_its_session() {
    let mut world = World::new().await;
    let url = by_tcp(&mut world).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let by_itself = [
        ("/devices", "x-requested-with", "app.js", 303),
        ("/api/v1/events", "accept", "text/event-stream", 401),
    ];
    let by_a_person = [
        ("/devices", "accept", "text/html", 303),
        ("/api/v1/devices", "accept", "*/*", 401),
    ];
    for (name, asked, stays) in [("ada", by_itself, false), ("bob", by_a_person, true)] {
        for (path, header, value, over) in asked {
            let ask = async |cookie: &str| {
                let asked = http.get(format!("{url}{path}")).header("cookie", cookie);
                asked
                    .header(header, value)
                    .send()
                    .await
                    .unwrap()
                    .status()
                    .as_u16()
            };
            let user = format!("{name}-{}", u8::from(path == "/devices"));
            let (cookie, _) = new_user(&world, &user).await;
            world.clock.advance(Duration::from_secs(11 * 3600));
            assert_eq!(ask(&cookie).await, 200, "{path}");
            world.clock.advance(Duration::from_secs(2 * 3600));
            let then = if stays { 200 } else { over };
            assert_eq!(ask(&cookie).await, then, "{path} {header}");
        }
    }
}
