//! What each request is answered with, and what the director is told of it.

use super::*;

#[tokio::test]
async fn each_path_has_its_answer() {
    let running = start(Limits::default(), Told::default()).await;
    let port = running.address.port();
    for (method, target, headers, head, body) in [
        (
            "GET",
            format!("/boot/{MAC}"),
            "",
            "HTTP/1.1 200 OK\ncontent-type: text/plain; charset=utf-8\ncache-control: no-store",
            "#!ipxe\necho from 127.0.0.1\n".to_owned(),
        ),
        (
            "GET",
            "/autoexec.ipxe".into(),
            "",
            "HTTP/1.1 200 OK\ncontent-type: text/plain; charset=utf-8\ncache-control: no-store",
            format!("#!ipxe\nchain http://127.0.0.1:{port}/\n"),
        ),
        (
            "GET",
            "/boot.ipxe".into(),
            "",
            "HTTP/1.1 503 Service Unavailable\ncontent-type: text/plain; charset=utf-8",
            "the store does not answer\n".into(),
        ),
        (
            "GET",
            format!("/talos/configs/worker-{MAC}.yaml"),
            "Range: bytes=0-3\r\n",
            "HTTP/1.1 200 OK\ncontent-type: application/x-yaml\ncache-control: no-store",
            "version: v1alpha1\n".into(),
        ),
        (
            "GET",
            "/talos/configs/52-54-00-12-34-57.yaml".into(),
            "",
            "HTTP/1.1 403 Forbidden\ncontent-type: text/plain; charset=utf-8",
            "the device is pending\n".into(),
        ),
        (
            "GET",
            "/talos/configs/52-54-00-12-34-59.yaml".into(),
            "",
            "HTTP/1.1 503 Service Unavailable\ncontent-type: text/plain; charset=utf-8",
            "ask again\n".into(),
        ),
        (
            "GET",
            "/ipxe/snponly.efi".into(),
            "",
            "HTTP/1.1 200 OK\ncontent-type: application/efi\naccept-ranges: bytes",
            "0123456789".into(),
        ),
        (
            "HEAD",
            "/ipxe/snponly.efi".into(),
            "Range: bytes=0-3\r\n",
            "HTTP/1.1 200 OK\ncontent-type: application/efi\ncontent-length: 10\naccept-ranges: bytes",
            String::new(),
        ),
        (
            "GET",
            "/ipxe/snponly.efi".into(),
            "Range: bytes=2-4\r\n",
            "HTTP/1.1 206 Partial Content\ncontent-type: application/efi\naccept-ranges: bytes\ncontent-range: bytes 2-4/10",
            "234".into(),
        ),
        (
            "GET",
            "/ipxe/snponly.efi".into(),
            "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n",
            "HTTP/1.1 200 OK\ncontent-type: application/efi\naccept-ranges: bytes",
            "0123456789".into(),
        ),
        (
            "GET",
            "/ipxe/snponly.efi".into(),
            "Range: bytes=10-\r\n",
            "HTTP/1.1 416 Range Not Satisfiable\ncontent-type: application/efi\naccept-ranges: bytes\ncontent-range: bytes */10",
            String::new(),
        ),
        (
            "GET",
            "/ipxe/empty.efi".into(),
            "",
            "HTTP/1.1 200 OK\ncontent-type: application/efi\naccept-ranges: bytes",
            String::new(),
        ),
        (
            "GET",
            "/ipxe/other.efi".into(),
            "",
            "HTTP/1.1 404 Not Found\ncontent-type: text/plain; charset=utf-8",
            "no such loader; install the package ipxe\n".into(),
        ),
        (
            "GET",
            "/nothing-to-boot.efi".into(),
            "",
            "HTTP/1.1 404 Not Found\ncontent-type: text/plain; charset=utf-8",
            "sent to its disk: it was offered a file that does not exist, and goes on to its next boot entry\n".into(),
        ),
        (
            "GET",
            "/leave".into(),
            "",
            "HTTP/1.1 404 Not Found\ncontent-type: text/plain; charset=utf-8",
            "there is no such file here\n".into(),
        ),
        (
            "HEAD",
            "/leave".into(),
            "",
            "HTTP/1.1 404 Not Found\ncontent-type: text/plain; charset=utf-8\ncontent-length: 27",
            String::new(),
        ),
        (
            "HEAD",
            format!("/boot/{MAC}?since=1"),
            "",
            "HTTP/1.1 200 OK\ncontent-type: text/plain; charset=utf-8\ncache-control: no-store",
            String::new(),
        ),
        (
            "DELETE",
            "/boot.ipxe".into(),
            "",
            "HTTP/1.1 405 Method Not Allowed\ncontent-type: text/plain; charset=utf-8\nallow: GET, HEAD",
            "only GET, HEAD are answered here\n".into(),
        ),
    ] {
        let (got_head, got_body) = running.ask(method, &target, headers).await;
        let mut head: Vec<String> = head.lines().map(str::to_owned).collect();
        if method != "HEAD" {
            head.push(format!("content-length: {}", body.len()));
        }
        let mut got_head: Vec<String> = got_head.lines().map(str::to_owned).collect();
        head[1..].sort();
        got_head[1..].sort();
        assert_eq!(
            (got_head, got_body),
            (head, body),
            "{method} {target} {headers}"
        );
    }
    assert_eq!(running.counters.answers(HttpKind::Loader, 206), 1);
    assert_eq!(running.counters.answers(HttpKind::Other, 404), 2);
    assert_eq!(
        running.told.scripts.lock().unwrap().len(),
        1,
        "a HEAD asks for no script"
    );
}

#[tokio::test]
async fn a_script_request_carries_its_query_and_the_address_that_was_asked() {
    let running = start(Limits::default(), Told::default()).await;
    let asked = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 5), running.address.port());
    let mut stream = TcpStream::connect(asked).await.unwrap();
    let request = format!(
        "GET http://x/boot/{MAC}?serial=A%201&platform=efi HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("from 127.0.0.5\n"));
    let asks = running.told.scripts.lock().unwrap();
    assert_eq!(asks[0].site.server, *asked.ip());
    assert_eq!(asks[0].site.http_port, asked.port());
    let facts = asks[0].facts.as_ref().unwrap();
    assert_eq!(facts.inventory.serial.as_deref(), Some("A 1"));
}

#[tokio::test]
async fn a_file_goes_out_whole_or_in_part_and_is_told_once() {
    let (file, content) = kernel((3 << 20) + 17);
    let running = start(
        Limits::default(),
        Told {
            kernel: Some(file),
            ..Told::default()
        },
    )
    .await;
    for (range, part) in [
        ("", 0..content.len()),
        ("Range: bytes=1048570-2097160\r\n", 1_048_570..2_097_161),
    ] {
        let request = format!(
            "GET /talos/vmlinuz-amd64 HTTP/1.1\r\nHost: x\r\n{range}Connection: close\r\n\r\n"
        );
        let mut stream = running.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let body = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        assert!(answer[body..] == content[part], "{range}");
    }
    let (head, body) = running.ask("GET", "/talos/initramfs-amd64.xz", "").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert_eq!(body, "initramfs was not imported\n");
    use StageOutcome::{Done, Refused, Running};
    let (name, part) = (
        "talos/vmlinuz-amd64",
        "talos/vmlinuz-amd64, bytes 1048570-2097160/3145745",
    );
    assert_eq!(
        running.observed(5).await,
        [
            (BootStage::Kernel, Running, 0, name.to_owned()),
            (
                BootStage::Kernel,
                Done,
                content.len() as u64,
                name.to_owned()
            ),
            (BootStage::Kernel, Running, 0, part.to_owned()),
            (BootStage::Kernel, Done, 1_048_591, part.to_owned()),
            (
                BootStage::Initramfs,
                Refused,
                0,
                "initramfs was not imported".to_owned()
            ),
        ]
    );
}

#[tokio::test]
async fn a_config_that_went_out_is_told_once_and_so_is_one_that_did_not() {
    let running = start(Limits::default(), Told::default()).await;
    running
        .ask("HEAD", &format!("/talos/configs/{MAC}.yaml"), "")
        .await;
    running
        .ask("GET", &format!("/talos/configs/{MAC}.yaml"), "")
        .await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET /talos/configs/52-54-00-12-34-58.yaml HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    let seen = running.observed(2).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(
        (seen[0].1, seen[0].2),
        (StageOutcome::Done, CONFIG.len() as u64)
    );
    assert_eq!(seen[1].1, StageOutcome::Failed);
    let observed = running.told.observed.lock().unwrap();
    assert_eq!(observed[0].mac, Some(MAC.parse().unwrap()));
    assert_eq!(observed[0].stage, BootStage::Config);
    let configs = running.told.configs.lock().unwrap();
    let heads: Vec<bool> = configs.iter().map(|ask| ask.head_only).collect();
    assert_eq!(heads, [true, false, false]);
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_their_order() {
    let running = start(Limits::default(), Told::default()).await;
    let answer = running
        .converse(
            b"GET /ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\n\r\n\
              GET /leave HTTP/1.1\r\nHost: x\r\n\r\n\
              HEAD /ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\n\r\n\
              GET /ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=-1\r\n\r\n",
        )
        .await;
    let statuses: Vec<&str> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "404", "200", "206"]);
    assert!(answer.ends_with("\r\n\r\n9"), "{answer}");
    assert_eq!(running.counters.connections.load(Ordering::Relaxed), 1);
}
