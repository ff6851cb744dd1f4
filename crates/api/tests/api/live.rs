//! What listeners hear.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::world::{MAC_1, MAC_2, World, boots};

/// The goal for news is a second; a test fails beyond ten times that.
const IN_TIME: Duration = Duration::from_secs(10);

/// A listener, and what it has not read yet.
struct Listener {
    stream:
        std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    /// Messages that have come whole, and the beginning of the next.
    messages: VecDeque<String>,
    begun: Vec<u8>,
    patience: Duration,
}

impl Listener {
    async fn at(world: &World, query: &str, last: Option<&str>) -> Self {
        let mut request = world
            .http
            .get(format!("http://localhost/api/v1/events{query}"))
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut listener = Self {
            stream: Box::pin(response.bytes_stream()),
            messages: VecDeque::new(),
            begun: Vec::new(),
            patience: IN_TIME,
        };
        let (kind, _, _) = listener.next().await.unwrap();
        assert_eq!(kind, "hello");
        listener
    }

    /// The next message: its kind, its id and its data. `None` at the end.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                let field = |name: &str| {
                    let mut lines = message.lines();
                    lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                if let Some(kind) = field("event: ") {
                    let data = serde_json::from_str(&field("data: ").unwrap()).unwrap();
                    return Some((kind, field("id: ").unwrap_or_default(), data));
                }
                continue;
            }
            let next = tokio::time::timeout(self.patience, self.stream.next());
            let next = next.await.expect("news in time")?;
            self.begun.extend_from_slice(&next.ok()?);
            // A round of news is one piece of many messages, which may be cut anywhere.
            let end = self.begun.windows(2).rposition(|two| two == b"\n\n");
            if let Some(end) = end {
                let whole: Vec<u8> = self.begun.drain(..end + 2).collect();
                let whole = String::from_utf8(whole).unwrap();
                let messages = whole.trim_end().split("\n\n").map(str::to_owned);
                self.messages.extend(messages);
            }
        }
    }
}

#[tokio::test]
async fn a_listener_hears_events_devices_and_boots_within_a_second() {
    let world = World::new().await;
    let mut listener = Listener::at(&world, "", None).await;
    let device = world.add(MAC_1).await;
    let (kind, id, event) = listener.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &event["what"]["kind"]),
        ("event", &json!("device_added"))
    );
    assert_eq!(id, event["id"].to_string());
    let (kind, _, data) = listener.next().await.unwrap();
    assert_eq!((kind.as_str(), data), ("device", device));
    world.stage(MAC_1, model::BootStage::Discover);
    let (kind, _, data) = listener.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &data["boot"]["furthest"]),
        ("boot", &json!("discover"))
    );
    world
        .ok("DELETE", &format!("/devices/{MAC_1}"), Value::Null)
        .await;
    assert_eq!(
        listener.next().await.unwrap().2["what"]["kind"],
        "device_deleted"
    );
    assert_eq!(
        listener.next().await.unwrap().2,
        json!({"id": 1, "deleted": true})
    );
}

#[tokio::test]
async fn one_that_comes_back_hears_what_it_missed() {
    let world = World::new().await;
    world.add(MAC_1).await;
    let last = world.ok("GET", "/events", Value::Null).await[0]["id"].to_string();
    world.clock.advance(Duration::from_secs(1));
    world.add(MAC_2).await;
    world
        .ok("DELETE", &format!("/devices/{MAC_1}"), Value::Null)
        .await;
    for (query, header) in [
        (String::new(), Some(last.as_str())),
        (format!("?after={last}"), None),
    ] {
        let mut listener = Listener::at(&world, &query, header).await;
        let mut heard = Vec::new();
        for _ in 0..4 {
            let (kind, _, data) = listener.next().await.unwrap();
            heard.push((kind, data["what"]["kind"].clone(), data["deleted"].clone()));
        }
        let expected = [
            ("event", json!("device_added"), Value::Null),
            ("event", json!("device_deleted"), Value::Null),
            ("device", Value::Null, json!(true)),
            ("device", Value::Null, Value::Null),
        ];
        assert_eq!(
            heard,
            expected.map(|(kind, what, gone)| (kind.to_owned(), what, gone))
        );
    }
    // As after a restore: it has heard more than there is.
    let mut listener = Listener::at(&world, "?after=9999", None).await;
    assert_eq!(listener.next().await.unwrap().0, "resync");
    world.add(MAC_1).await;
    let (kind, _, event) = loop {
        let next = listener.next().await.unwrap();
        // The devices of a round that was under way come twice rather than never.
        if next.0 != "device" {
            break next;
        }
    };
    assert_eq!(
        (kind.as_str(), &event["what"]["kind"]),
        ("event", &json!("device_added"))
    );
}

#[tokio::test]
async fn the_stream_of_a_revoked_token_ends() {
    let mut world = World::new().await;
    let url = crate::people::by_tcp(&mut world).await;
    let made = world
        .ok(
            "POST",
            "/tokens",
            json!({"name": "ci", "authority": "viewer"}),
        )
        .await;
    let request = reqwest::Client::new()
        .get(format!("{url}/api/v1/events"))
        .header("accept", "text/event-stream")
        .bearer_auth(made["secret"].as_str().unwrap());
    let mut stream = Box::pin(request.send().await.unwrap().bytes_stream());
    world
        .ask("DELETE", &format!("/tokens/{}", made["id"]), Value::Null)
        .await;
    let end = async { while stream.next().await.is_some_and(|next| next.is_ok()) {} };
    // There is one every fifteen seconds.
    tokio::time::timeout(Duration::from_secs(60), end)
        .await
        .expect("it ends at the next heartbeat");
}

/// Whoever was told that a credential has ended may rely on it: its listener hears nothing more, and not at the next heartbeat only.
#[tokio::test]
async fn a_listener_whose_credential_ended_hears_nothing_more() {
    let mut world = World::new().await;
    let url = crate::people::by_tcp(&mut world).await;
    let (of_ada, csrf) = crate::people::new_user(&world, "ada").await;
    let (of_zoe, _) = crate::people::new_user(&world, "zoe").await;
    let (of_bob, _) = crate::people::new_user(&world, "bob").await;
    let ci = json!({"name": "ci", "authority": "viewer"});
    let ci = world.ok("POST", "/tokens", ci).await;
    let bearer = format!("Bearer {}", ci["secret"].as_str().unwrap());
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let password = json!({"password": "another good password"});
    let sign_out = async || {
        let asked = http.post(format!("{url}/sign-out"));
        let asked = asked.header("cookie", &of_ada).body(format!("csrf={csrf}"));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(asked.send().await.unwrap().status(), 303);
    };
    let token = format!("/tokens/{}", ci["id"]);
    for (number, (header, shown, end)) in [
        (
            "authorization",
            &bearer,
            Some(("DELETE", token.as_str(), Value::Null)),
        ),
        (
            "cookie",
            &of_zoe,
            Some(("DELETE", "/users/zoe", Value::Null)),
        ),
        ("cookie", &of_bob, Some(("PUT", "/users/bob", password))),
        ("cookie", &of_ada, None),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = http.get(format!("{url}/api/v1/events"));
        let asked = asked.header("accept", "text/event-stream");
        let answer = asked.header(header, shown).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{shown}");
        let mut stream = Box::pin(answer.bytes_stream());
        // It listens from here on.
        let mut heard = stream.next().await.unwrap().unwrap().to_vec();
        match end {
            Some((method, path, body)) => drop(world.ok(method, path, body).await),
            None => sign_out().await,
        }
        let mac = crate::world::mac(number as u8);
        world.add(&mac).await;
        let end = async {
            while let Some(Ok(more)) = stream.next().await {
                heard.extend_from_slice(&more);
            }
        };
        tokio::time::timeout(IN_TIME, end).await.expect("it ends");
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.contains("event: hello"), "{heard}");
        assert!(!heard.contains(&mac), "{shown}: {heard}");
    }
}

#[tokio::test]
async fn more_events_than_are_told_one_by_one_are_asked_for() {
    let world = World::new().await;
    let mut listener = Listener::at(&world, "", None).await;
    let many = world
        .store
        .write(store::Lane::Admin, model::Actor::System, |writer| {
            (0..600).try_for_each(|_| writer.event(None, model::EventKind::SignedOut).map(drop))
        });
    many.await.unwrap();
    assert_eq!(listener.next().await.unwrap().0, "resync");
}

#[tokio::test]
async fn no_account_and_no_token_has_all_places() {
    let mut world = World::new().await;
    let url = crate::people::by_tcp(&mut world).await;
    let token = async |name: &str| {
        let new = json!({"name": name, "authority": "viewer"});
        let made = world.ok("POST", "/tokens", new).await;
        made["secret"].as_str().unwrap().to_owned()
    };
    let (one, other) = (token("one").await, token("other").await);
    let http = reqwest::Client::new();
    let listen = async |token: &str| {
        let request = http
            .get(format!("{url}/api/v1/events"))
            .header("accept", "text/event-stream")
            .bearer_auth(token);
        request.send().await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..32 {
        let response = listen(&one).await;
        assert_eq!(response.status(), 200);
        held.push(response);
    }
    let refused = listen(&one).await;
    assert_eq!(refused.status(), 429);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "too_many_listeners");
    assert!(body["hint"].as_str().unwrap().contains("close"), "{body}");
    assert_eq!(listen(&other).await.status(), 200);
    // A place that is left is free again.
    held.pop();
    let given = async {
        while listen(&one).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), given)
        .await
        .expect("the place of a listener that went is given to another");
}

#[tokio::test]
async fn an_account_and_its_tokens_share_their_places() {
    let mut world = World::new().await;
    let url = crate::people::by_tcp(&mut world).await;
    let (cookie, csrf) = crate::people::new_user(&world, "ada").await;
    let http = reqwest::Client::new();
    let mut secrets = Vec::new();
    for name in ["one", "two", "three"] {
        let new = json!({"name": name, "authority": "viewer"}).to_string();
        let made = http
            .post(format!("{url}/api/v1/tokens"))
            .header("cookie", &cookie)
            .header("x-csrf-token", &csrf)
            .header("content-type", "application/json")
            .body(new)
            .send();
        let made: Value = made.await.unwrap().json().await.unwrap();
        secrets.push(made["secret"].as_str().unwrap().to_owned());
    }
    let ask = || {
        http.get(format!("{url}/api/v1/events"))
            .header("accept", "text/event-stream")
    };
    let mut held = vec![ask().header("cookie", &cookie).send().await.unwrap()];
    for number in 1..32 {
        let secret = &secrets[number % 2];
        held.push(ask().bearer_auth(secret).send().await.unwrap());
    }
    for response in &held {
        assert_eq!(response.status(), 200);
    }
    let refused = ask().bearer_auth(&secrets[2]).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let refused = ask().header("cookie", &cookie).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let (cookie, _) = crate::people::new_user(&world, "eve").await;
    let other = ask().header("cookie", &cookie).send().await.unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn more_devices_than_are_told_one_by_one_lose_nobody() {
    let world = World::new().await;
    let mut listener = Listener::at(&world, "", None).await;
    let many = world
        .store
        .write(store::Lane::Admin, model::Actor::System, |writer| {
            (0..600_u32).try_for_each(|number| {
                let [_, _, high, low] = number.to_be_bytes();
                let mac = format!("52:54:00:02:{high:02x}:{low:02x}").parse().unwrap();
                writer
                    .sight(mac, &model::Inventory::default(), model::SeenBy::Dhcp)
                    .map(drop)
            })
        });
    many.await.unwrap();
    assert_eq!(listener.next().await.unwrap().0, "resync");
    // The same listener hears what comes after it.
    world.add(MAC_1).await;
    let (kind, _, _) = listener.next().await.expect("it is not let go");
    assert_eq!(kind, "event");
    let (_, _, device) = listener.next().await.unwrap();
    assert_eq!(device["mac_address"], json!(MAC_1));
}

/// Machines that were never heard of boot one after the other; how long it takes. On a thread of their own, as beside the admin plane
/// of the daemon: the work of this test's listeners is not in their way.
async fn crowd(world: &World, numbers: std::ops::Range<u32>) -> Duration {
    let store = world.store.clone();
    let crowd = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let begun = tokio::time::Instant::now();
            for number in numbers {
                let [_, _, high, low] = number.to_be_bytes();
                boots(&store, &format!("52:54:00:01:{high:02x}:{low:02x}")).await;
            }
            begun.elapsed()
        })
    };
    tokio::task::spawn_blocking(crowd).await.unwrap()
}

#[tokio::test]
async fn two_hundred_listeners_and_some_that_never_read_slow_nobody() {
    let world = World::new().await;
    // Each is written to the disk, which may be busy with something else: a third of them, with nobody who listens.
    let alone = crowd(&world, 1000..1100).await * 3;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = UnixStream::connect(world.socket()).await.unwrap();
        let head = "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let mut listeners = Vec::new();
    for _ in 0..200 {
        let listener = Listener::at(&world, "", None).await;
        listeners.push(Listener {
            patience: Duration::from_secs(60),
            ..listener
        });
    }
    // The listeners read while it happens, as browsers do.
    let mut readers = tokio::task::JoinSet::new();
    for mut listener in listeners {
        readers.spawn(async move {
            let mut devices = 0;
            while devices < 300 {
                let (kind, _, _) = listener.next().await.expect("the ring is long enough");
                devices += usize::from(kind == "device");
            }
            listener
        });
    }
    // The news of a flood are more than the sockets of the silent ones hold.
    let took = crowd(&world, 0..300).await;
    assert!(
        took < alone.max(Duration::from_secs(1)) * 10,
        "300 sightings took {took:?}, and {alone:?} alone"
    );
    let listeners = readers.join_all().await;
    world.stop.cancel();
    for mut listener in listeners {
        while listener.next().await.is_some() {}
    }
}

#[tokio::test]
async fn a_kernel_log_is_read_on_from_where_news_say_it_is() {
    let world = World::new().await;
    world.add(MAC_1).await;
    let path = format!("/devices/{MAC_1}/kernel-log");
    let none = world.ok("GET", &path, Value::Null).await;
    assert_eq!(none, json!({"boot": null, "lines": [], "logs": []}));
    world.stage(MAC_1, model::BootStage::Talos);
    let mut listener = Listener::at(&world, "", None).await;
    world
        .store
        .write(store::Lane::Admin, model::Actor::System, |writer| {
            let line = |number: u64| model::KernelLogLine {
                message: format!("line {number}"),
                at: None,
                level: model::KernelLogLevel::Info,
                facility: "kern".to_owned(),
                priority: "info".to_owned(),
                sequence: number,
                clock_us: 1,
            };
            let device = writer.device_by_mac(MAC_1.parse().unwrap())?.unwrap();
            writer.keep_kernel_lines(device.id, &(1..=5).map(line).collect::<Vec<_>>())
        })
        .await
        .unwrap();
    let last = loop {
        let (kind, _, data) = listener.next().await.unwrap();
        if kind == "kernel_log" {
            break data["last"].as_i64().unwrap();
        }
    };
    for (query, expected) in [
        (String::new(), vec![1, 2, 3, 4, 5]),
        ("?limit=2".to_owned(), vec![4, 5]),
        (format!("?after={}", last - 3), vec![3, 4, 5]),
        (format!("?after={}&limit=1", last - 3), vec![3]),
        (format!("?after={last}"), vec![]),
        ("?boot=99".to_owned(), vec![]),
    ] {
        let log = world
            .ok("GET", &format!("{path}{query}"), Value::Null)
            .await;
        let lines = log["lines"].as_array().unwrap().iter();
        let numbers: Vec<u64> = lines
            .map(|line| line["sequence"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, expected, "{query}");
        assert_eq!(log["logs"][0]["lines"], 5);
    }
    let wrong = format!("{path}?bot=1");
    assert_eq!(world.ask("GET", &wrong, Value::Null).await.0, 422);
    let nobody = "/devices/9/kernel-log";
    assert_eq!(world.ask("GET", nobody, Value::Null).await.0, 404);
}
