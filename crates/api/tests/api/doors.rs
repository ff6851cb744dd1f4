//! Who gets in, how refusals look, and how the servers start and end.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use api::{
    Access, BindError, Certificate, Client, ClientError, EventQuery, TcpServer, Token, Trust,
    UnixServer,
};
use model::{Actor, Arch, Asset, AssetKind, Inventory, SeenBy, Sha256Digest};
use serde_json::{Value, json};
use store::Lane;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::{MAC_1, World, access, files, until};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The same API by TCP.
async fn by_tcp(world: &World) -> (SocketAddr, CancellationToken, JoinSet<()>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TcpServer::bind(any, Token::new(TOKEN)).await.unwrap();
    let (address, stop, mut serving) = (
        server.local_addr(),
        CancellationToken::new(),
        JoinSet::new(),
    );
    serving.spawn(server.serve(world.app.clone(), stop.clone()));
    (address, stop, serving)
}

#[tokio::test]
async fn by_tcp_only_the_token_opens() {
    let world = World::new().await;
    let (address, _stop, _serving) = by_tcp(&world).await;
    let url = format!("http://{address}");
    let http = reqwest::Client::new();
    for header in [
        None,
        Some("Bearer wrong"),
        Some("Bearer "),
        Some("Basic dG9rZW46"),
        Some(TOKEN),
    ] {
        for path in [
            "/api/v1/devices",
            "/api/v1/nothing",
            "/api/v1/assets/uploads",
        ] {
            let mut request = http.get(format!("{url}{path}"));
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{header:?} {path}");
            assert_eq!(
                response.headers()["www-authenticate"],
                "Bearer realm=\"ktizo\""
            );
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["code"], "unauthorized");
            let hint = body["hint"].as_str().unwrap();
            assert!(
                hint.contains("--unix-socket") && hint.contains("Bearer"),
                "{hint}"
            );
        }
    }
    let bearer = format!("bearer {TOKEN}");
    let response = http
        .get(format!("{url}/api/v1/devices"))
        .header("authorization", bearer);
    assert_eq!(response.send().await.unwrap().status(), 200);
    let client = Client::tcp(&format!("{url}/"), Some(TOKEN.into()), &Trust::Host).unwrap();
    client
        .register_device(&api::types::NewDevice::new(MAC_1.parse().unwrap()))
        .await
        .unwrap();
    let audit = client.audit(&EventQuery::default()).await.unwrap();
    assert_eq!(audit[0].event.actor.to_string(), "person:token");
    for path in ["/healthz", "/readyz"] {
        let status = http
            .get(format!("{url}{path}"))
            .send()
            .await
            .unwrap()
            .status();
        assert!(status == 200 || status == 503, "{path} needs no token");
    }
}

#[tokio::test]
async fn root_is_known_at_the_socket_by_name() {
    let world = World::new().await;
    world.add(MAC_1).await;
    let audit = world.ok("GET", "/audit/logs", Value::Null).await;
    let own = nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .unwrap()
        .unwrap();
    assert_eq!(audit[0]["actor"], format!("person:{}", own.name));
}

/// What the other process of the next test does: the copy of this program, as another user.
#[tokio::test]
#[ignore = "is run by the test below, as another user"]
async fn asks_as_another_user() {
    let socket = std::env::var("KTIZO_TEST_SOCKET").unwrap();
    let client = Client::unix(socket.as_ref()).unwrap();
    match client.status().await {
        Ok(_) => println!("admitted"),
        Err(ClientError::Refused { status, body }) => println!("{status} {}", body.message),
        Err(other) => println!("{other}"),
    }
}

#[tokio::test]
async fn a_stranger_at_the_socket_is_told_who_may() {
    if !nix::unistd::Uid::effective().is_root() {
        assert!(std::env::var("CI").is_err(), "needs root");
        println!("skipped: only root can ask as another user");
        return;
    }
    let world = World::new().await;
    std::fs::set_permissions(world.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = world.path("ask");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let group = nix::unistd::Group::from_gid(nobody.gid).unwrap().unwrap();
    let mut serving = JoinSet::new();
    for (group, told) in [
        (
            "ktizo-test-group-of-nobody",
            "403 nobody is neither root nor a member of group ktizo-test-group-of-nobody",
        ),
        (
            "daemon",
            "403 nobody is neither root nor a member of group daemon",
        ),
        (group.name.as_str(), "admitted"),
    ] {
        let socket = world.path(&format!("{group}.sock"));
        let group = group.to_owned();
        let server = UnixServer::bind(&socket, Access { group }).await.unwrap();
        serving.spawn(server.serve(world.app.clone(), CancellationToken::new()));
        let mut asking = Command::new(&program);
        asking
            .args([
                "--exact",
                "doors::asks_as_another_user",
                "--ignored",
                "--nocapture",
            ])
            .env("KTIZO_TEST_SOCKET", &socket)
            .current_dir("/")
            .uid(nobody.uid.as_raw())
            .gid(nobody.gid.as_raw());
        let output = tokio::task::spawn_blocking(move || asking.output())
            .await
            .unwrap()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            printed.contains(told),
            "{printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[tokio::test]
async fn every_refusal_has_the_same_shape() {
    let world = World::new().await;
    let deep = format!(
        "{{\"mac_address\": {}1{}}}",
        "[".repeat(2000),
        "]".repeat(2000)
    );
    let large = format!("{{\"notes\": \"{}\"}}", "x".repeat(9 << 20));
    for (method, path, body, status, code) in [
        ("POST", "/api/v1/devices", "{".to_owned(), 400, "malformed"),
        (
            "POST",
            "/api/v1/devices",
            "[1]".to_owned(),
            400,
            "malformed",
        ),
        (
            "POST",
            "/api/v1/devices",
            "\u{1}\u{2}".to_owned(),
            400,
            "malformed",
        ),
        ("POST", "/api/v1/devices", deep, 400, "malformed"),
        ("POST", "/api/v1/devices", large, 413, "too_large"),
        ("GET", "/api/v1/nothing", String::new(), 404, "not_found"),
        ("GET", "/nothing", String::new(), 404, "not_found"),
        (
            "PATCH",
            "/api/v1/devices",
            String::new(),
            405,
            "method_not_allowed",
        ),
        ("POST", "/healthz", String::new(), 405, "method_not_allowed"),
    ] {
        let (got, answer) = world.ask_raw(method, path, body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        assert_eq!(answer["code"], code, "{method} {path}: {answer}");
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
}

/// A release of one architecture is imported; an approved machine has the other. Then a file goes.
#[tokio::test]
async fn readyz_names_the_assets_that_machines_lack() {
    let world = World::with_control_plane().await;
    let reasons = async || {
        let (status, text) = world.ask_raw("GET", "/readyz", String::new()).await;
        (status, text.as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(reasons().await.1.matches("was imported").count(), 2);
    let (mac, sha256) = (MAC_1.parse().unwrap(), Sha256Digest([7; 32]));
    let imported = world
        .store
        .write(Lane::Admin, Actor::System, move |writer| {
            for kind in AssetKind::ALL {
                writer.insert_asset(&Asset {
                    version: "v1.13.9".parse().unwrap(),
                    arch: Arch::Amd64,
                    kind: *kind,
                    size: 3,
                    sha256,
                    imported_at: writer.now(),
                })?;
            }
            let shown = Inventory {
                arch: Some(Arch::Arm64),
                ..Inventory::default()
            };
            writer.sight(mac, &shown, SeenBy::Dhcp).map(drop)
        });
    imported.await.unwrap();
    let (status, text) = reasons().await;
    assert_eq!(status, 503);
    for why in [
        "vmlinuz-arm64 of Talos v1.13.9 was not imported, and approved machines need it",
        "initramfs-arm64.xz of Talos v1.13.9 was not imported",
        "the file of vmlinuz-amd64 of Talos v1.13.9 is gone from the state folder",
    ] {
        assert!(text.contains(why), "{why}: {text}");
    }
    std::fs::write(world.path("assets").join(sha256.to_string()), "abc").unwrap();
    let amd64 = Inventory {
        arch: Some(Arch::Amd64),
        ..Inventory::default()
    };
    let seen = world
        .store
        .write(Lane::Admin, Actor::System, move |writer| {
            writer.sight(mac, &amd64, SeenBy::Dhcp).map(drop)
        });
    seen.await.unwrap();
    assert_eq!(reasons().await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn the_status_says_what_is_still_to_do() {
    let world = World::new().await;
    assert_eq!(
        world.ask_raw("GET", "/healthz", String::new()).await,
        (200, json!("ok\n"))
    );
    let status = world.client.status().await.unwrap();
    assert_eq!(status.service.serves[0].what, "ProxyDHCP");
    assert_eq!(status.missing.len(), 4, "{:?}", status.missing);
    assert!(status.strict_boot_mode && status.talos_version.is_none());
    let (code, reasons) = world.ask_raw("GET", "/readyz", String::new()).await;
    assert_eq!(code, 503);
    assert!(
        reasons
            .as_str()
            .unwrap()
            .contains("ktizo cluster import DIR"),
        "{reasons}"
    );
    let world = World::with_control_plane().await;
    let status = world.client.status().await.unwrap();
    assert_eq!((status.devices.approved, status.devices.pending), (1, 0));
    assert_eq!(status.base_configs, model::Role::ALL);
    assert!(
        status
            .missing
            .iter()
            .all(|missing| missing.contains("assets import")),
        "{:?}",
        status.missing
    );
}

#[tokio::test]
async fn events_are_filtered_and_paged() {
    let world = World::with_control_plane().await;
    let all = world.client.events(&EventQuery::default()).await.unwrap();
    assert!(
        all.windows(2)
            .all(|pair| pair[0].event.id > pair[1].event.id),
        "newest first"
    );
    let query = EventQuery {
        before: Some(all[1].event.id),
        limit: Some(2),
        ..EventQuery::default()
    };
    assert_eq!(world.client.events(&query).await.unwrap(), all[2..4]);
    let query = EventQuery {
        after: Some(all[2].event.id),
        ..EventQuery::default()
    };
    assert_eq!(world.client.events(&query).await.unwrap(), all[..2]);
    let query = EventQuery {
        kind: Some("device_approved".into()),
        device: Some(MAC_1.into()),
        ..EventQuery::default()
    };
    let approved = world.client.events(&query).await.unwrap();
    assert_eq!(approved.len(), 1);
    assert_eq!(
        approved[0].message,
        "approved as controlplane cp-1 with address 10.0.0.11"
    );
    let secret = serde_json::to_string(&all).unwrap();
    assert!(!secret.contains("verysecret"));
    let (_, field, _) = world
        .refused("GET", "/events?device=x_y", Value::Null)
        .await;
    assert_eq!(field, "device");
}

#[tokio::test]
async fn a_socket_is_replaced_only_if_nobody_answers_at_it() {
    let mut world = World::new().await;
    let socket = world.socket();
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o666
    );
    let err = UnixServer::bind(&socket, access()).await.unwrap_err();
    assert!(matches!(err, BindError::SocketInUse { .. }), "{err}");
    world.stop.cancel();
    assert!(
        tokio::time::timeout(Duration::from_secs(20), world.serving.join_next())
            .await
            .is_ok()
    );
    assert!(!socket.exists(), "the socket goes with its server");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(UnixServer::bind(&socket, access()).await.unwrap());
    std::fs::write(&socket, "a file").unwrap();
    let err = UnixServer::bind(&socket, access()).await.unwrap_err();
    assert!(matches!(err, BindError::NotASocket { .. }), "{err}");
    assert_eq!(std::fs::read(&socket).unwrap(), b"a file");
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence() {
    let world = World::new().await;
    let (address, ..) = by_tcp(&world).await;
    let held = std::net::TcpListener::bind((address.ip(), 0)).unwrap();
    let taken = held.local_addr().unwrap();
    let err = TcpServer::bind(taken, Token::new(TOKEN)).await.unwrap_err();
    assert!(
        err.to_string().starts_with(&format!(
            "TCP port {} of the admin API is in use",
            taken.port()
        )),
        "{err}"
    );
}

#[tokio::test]
async fn draining_ends_a_request_that_is_under_way_and_no_other() {
    let mut world = World::new().await;
    let mut fresh = UnixStream::connect(world.socket()).await.unwrap();
    let mut busy = UnixStream::connect(world.socket()).await.unwrap();
    let head = "POST /api/v1/assets/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc";
    busy.write_all(head.as_bytes()).await.unwrap();
    let uploads = world.path("assets/uploads");
    until("the upload begins", || files(&uploads).len() == 1).await;
    world.stop.cancel();
    assert_eq!(fresh.read(&mut [0; 10]).await.unwrap_or(0), 0);
    let socket = world.socket();
    until("the socket is closed", || {
        std::os::unix::net::UnixStream::connect(&socket).is_err()
    })
    .await;
    busy.write_all(b"def").await.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(
        tokio::time::timeout(Duration::from_secs(20), world.serving.join_next())
            .await
            .is_ok()
    );
}

/// The same API by TLS, with a certificate of its own making; and its folder.
async fn by_tls(world: &mut World) -> (SocketAddr, std::sync::Arc<Certificate>) {
    let folder = world.path("tls");
    std::fs::create_dir(&folder).unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    // The clock of the host judges it, not the one of the test.
    let now = model::Clock::now(&model::SystemClock);
    let certificate = Certificate::read_or_make(&folder, names, now).unwrap();
    let certificate = std::sync::Arc::new(certificate);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TcpServer::bind(any, Token::new(TOKEN)).await.unwrap();
    let server = server
        .with_tls(std::sync::Arc::clone(&certificate))
        .unwrap();
    let address = server.local_addr();
    let serving = server.serve(world.app.clone(), world.stop.clone());
    world.serving.spawn(serving);
    (address, certificate)
}

#[tokio::test]
async fn by_tls_the_certificate_is_known_by_fingerprint_or_by_its_file() {
    let mut world = World::new().await;
    let (address, certificate) = by_tls(&mut world).await;
    let url = format!("https://{address}");
    let fingerprint = certificate.fingerprint();
    assert_eq!(Client::fingerprint_at(&url).await.unwrap(), fingerprint);
    let ask = async |trust: Trust| {
        let client = Client::tcp(&url, Some(TOKEN.into()), &trust).unwrap();
        client.whoami().await.map(|who| who.authority)
    };
    for trust in [
        Trust::Fingerprint(fingerprint),
        Trust::Authority(world.path("tls/tls.crt")),
    ] {
        assert_eq!(ask(trust).await.unwrap(), model::Authority::Admin);
    }
    let mut other = fingerprint;
    other.0[31] ^= 1;
    for trust in [Trust::Host, Trust::Fingerprint(other)] {
        let err = ask(trust.clone()).await.unwrap_err();
        assert!(
            matches!(err, ClientError::Unreachable { .. }),
            "{trust:?}: {err}"
        );
    }
    let missing = Client::tcp(&url, None, &Trust::Authority(world.path("no.crt"))).unwrap_err();
    assert!(
        missing.to_string().contains("no.crt: No such file"),
        "{missing}"
    );

    // A certificate that was renewed is shown to the next who connects.
    let renewed = Certificate::read_or_make(
        &{
            let folder = world.path("renewed");
            std::fs::create_dir(&folder).unwrap();
            folder
        },
        vec!["localhost".to_owned()],
        model::Clock::now(&model::SystemClock),
    )
    .unwrap();
    for name in ["tls.key", "tls.crt"] {
        std::fs::rename(
            world.path("renewed").join(name),
            world.path("tls").join(name),
        )
        .unwrap();
    }
    assert!(certificate.refresh().unwrap());
    assert_eq!(
        Client::fingerprint_at(&url).await.unwrap(),
        renewed.fingerprint()
    );
}

#[tokio::test]
async fn a_cookie_that_was_given_by_tls_stays_there() {
    let mut world = World::new().await;
    let (address, certificate) = by_tls(&mut world).await;
    let user = json!({"name": "ada", "authority": "admin", "password": "correct horse battery"});
    world.ok("POST", "/users", user).await;
    let http = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let form = "name=ada&password=correct+horse+battery";
    let answer = http
        .post(format!("https://{address}/sign-in"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.ends_with("HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
    drop(certificate);
}

#[tokio::test]
async fn strangers_on_the_tls_port_hold_nobody_up() {
    let mut world = World::new().await;
    let (address, certificate) = by_tls(&mut world).await;
    // Some say nothing, some stop in the middle of the handshake.
    let mut silent = Vec::new();
    for number in 0..50_u8 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        silent.push(stream);
    }
    // Plain HTTP is told where it is.
    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut told = String::new();
    plain.read_to_string(&mut told).await.ok();
    assert!(
        told.starts_with("HTTP/1.1 400") && told.contains("use https://"),
        "{told}"
    );
    let trust = Trust::Fingerprint(certificate.fingerprint());
    let client = Client::tcp(&format!("https://{address}"), Some(TOKEN.into()), &trust).unwrap();
    client.whoami().await.unwrap();
    for mut stream in silent {
        let mut rest = [0; 8];
        let end = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut rest));
        let end = end.await.expect("the handshake has an end");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[tokio::test]
async fn strangers_send_small_heads_and_small_forms() {
    let world = World::new().await;
    let (address, _stop, _serving) = by_tcp(&world).await;
    let http = reqwest::Client::new();
    let post = async |path: &str, header: (&str, &str), body: String| {
        let request = http
            .post(format!("http://{address}{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(header.0, header.1)
            .body(body);
        request.send().await.unwrap().status()
    };
    let own = format!("http://{address}");
    for path in ["/sign-in", "/set-up"] {
        let form = "name=ada&password=wrong".to_owned();
        let large = format!("name=ada&{}", "a&".repeat(1 << 20));
        assert_eq!(post(path, ("x-a", "b"), form.clone()).await, 422, "{path}");
        assert_eq!(post(path, ("origin", &own), form.clone()).await, 422);
        assert_eq!(post(path, ("x-a", "b"), large).await, 400, "{path}");
        // By plain HTTP a browser tells by `Origin` alone that another site sent the form.
        assert_eq!(
            post(path, ("origin", "http://evil.example"), form).await,
            403
        );
    }
    let head = "x".repeat(300 << 10);
    let status = post("/sign-in", ("x-long", &head), String::new()).await;
    assert_eq!(status, 431);
}
