//! Clients that are slow, silent, gone or no clients at all.

use super::*;

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_connection_ends() {
    let running = start(Limits::default(), Told::default()).await;
    let huge = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(300));
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "a/".repeat(4_000)
    );
    for (request, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"GET\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"\0\0\0\0\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (huge.into_bytes(), "HTTP/1.1 431"),
        (many.into_bytes(), "HTTP/1.1 431"),
        (long.into_bytes(), "HTTP/1.1 404"),
        (b"POST /boot.ipxe HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".to_vec(), "HTTP/1.1 405"),
    ] {
        let answer = running.converse(&request).await;
        // A reset may overtake the answer where more was sent than was read; to be closed is all that counts then.
        let shown = String::from_utf8_lossy(&request[..request.len().min(30)]).into_owned();
        assert!(answer.starts_with(status) || (answer.is_empty() && request.len() > 8_000), "{shown}: {answer}");
    }
    assert!(running.counters.malformed.load(Ordering::Relaxed) >= 5);
    assert!(
        running
            .ask("GET", "/ipxe/snponly.efi", "")
            .await
            .0
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn slow_clients_shut_nobody_out() {
    let limits = Limits {
        heading: Duration::from_secs(3),
        connections: 8,
        connections_of_peer: 4,
        ..Limits::default()
    };
    let running = start(limits, Told::default()).await;
    let mut slow = Vec::new();
    for peer in [2, 3, 4] {
        for _ in 0..6 {
            let mut stream = running.connect_from(peer).await;
            stream
                .write_all(b"GET /boot.ipxe HTTP/1.1\r\nX: ")
                .await
                .unwrap();
            slow.push(stream);
        }
    }
    let began = Instant::now();
    let (head, _) = running.ask("GET", "/ipxe/snponly.efi", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // Long before the slow ones have to go by themselves.
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    // One more byte now and then buys no more time.
    for stream in &mut slow {
        let dripping = async {
            let mut end = [0; 1];
            loop {
                match timeout(Duration::from_millis(50), stream.read(&mut end)).await {
                    Ok(Ok(0) | Err(_)) => break,
                    _ => drop(stream.write_all(b"x").await),
                }
            }
        };
        assert!(timeout(SOON, dripping).await.is_ok());
    }
    assert!(running.counters.slow_heads.load(Ordering::Relaxed) > 0);
    assert!(running.counters.made_way.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_kept_connection_may_idle_longer_than_a_head_may_take() {
    let limits = Limits {
        heading: Duration::from_millis(250),
        idle: Duration::from_secs(5),
        ..Limits::default()
    };
    let running = start(limits, Told::default()).await;
    let mut stream = running.connect().await;
    let request = b"GET /ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut answer = vec![0; 400];
    for _ in 0..3 {
        stream.write_all(request).await.unwrap();
        let mut len = 0;
        while !answer[..len].ends_with(b"0123456789") {
            len += stream.read(&mut answer[len..]).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let end = timeout(SOON, stream.read(&mut answer)).await;
    assert_eq!(end.expect("it ends").unwrap(), 0);
    assert_eq!(running.counters.slow_heads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_and_told_of() {
    let limits = Limits {
        stalled: Duration::from_millis(200),
        ..Limits::default()
    };
    let (file, _) = kernel(32 << 20);
    let running = start(
        limits,
        Told {
            kernel: Some(file),
            ..Told::default()
        },
    )
    .await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET /talos/vmlinuz-amd64 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let seen = running.observed(2).await;
    assert_eq!(
        (seen[1].0, seen[1].1),
        (BootStage::Kernel, StageOutcome::Failed)
    );
    assert!(
        seen[1].2 < 32 << 20,
        "no more is read than the client takes"
    );
    assert_eq!(running.counters.stalled.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_held_machine_is_answered_late_and_one_that_left_is_forgotten() {
    let limits = Limits {
        heading: Duration::from_millis(100),
        idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let running = start(limits, Told::default()).await;
    let poll = format!("GET /boot/{MAC}?since=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut left = running.connect().await;
    left.write_all(poll.as_bytes()).await.unwrap();
    running.told.held.notified().await;
    drop(left);
    timeout(SOON, running.told.abandoned.notified())
        .await
        .expect("the director is told that the machine has left");
    let mut held = running.connect().await;
    held.write_all(poll.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    running.told.release.notify_one();
    assert!(read_to_end(&mut held).await.ends_with("from 127.0.0.1\n"));
}

#[tokio::test]
async fn draining_finishes_what_is_under_way_and_nothing_else() {
    let (file, content) = kernel(24 << 20);
    let mut running = start(
        Limits::default(),
        Told {
            kernel: Some(file),
            ..Told::default()
        },
    )
    .await;
    let mut fresh = running.connect().await;
    let mut idle = running.connect().await;
    idle.write_all(b"GET /leave HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 1000]).await.unwrap() > 0);
    let mut busy = running.connect().await;
    busy.write_all(b"GET /talos/vmlinuz-amd64 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 1000];
    busy.read_exact(&mut first).await.unwrap();
    running.stop.cancel();
    assert_eq!(idle.read(&mut [0; 10]).await.unwrap_or(0), 0);
    assert_eq!(fresh.read(&mut [0; 10]).await.unwrap_or(0), 0);
    let closed = async {
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, closed).await.expect("the port is closed");
    assert!(
        running.serving.try_join_next().is_none(),
        "it waits for the transfer"
    );
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&content[content.len() - 1000..]));
    let ended = timeout(SOON, running.serving.join_next()).await;
    assert!(matches!(ended, Ok(Some(Ok(())))));
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence() {
    let first = BootHttpServer::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let again = BootHttpServer::bind(first.local_addr()).await.unwrap_err();
    let sentence = again.to_string();
    let port = first.local_addr().port();
    assert!(
        sentence.starts_with(&format!("TCP port {port} is in use by ")),
        "{sentence}"
    );
}
