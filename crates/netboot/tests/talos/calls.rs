//! Calls of a real client over real connections.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use model::SystemClock;
use model::talos::{RestartCommand, TalosNotice};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::{Answer, Client, GRPC, PUBLISH, event, event_of, frame, whole};
use crate::taker::{Bench, Keeper, SOON};
use netboot::core::dampen::RateLimit;
use netboot::net::event_sink::{EventSinkLimits, EventSinkServer};
use netboot::net::places::ConnectionLimits;
use netboot::net::taker::NotTaken;

async fn bench() -> Bench {
    Bench::new(EventSinkLimits::default(), Keeper::default()).await
}

#[tokio::test]
async fn an_event_is_taken_and_answered_with_an_empty_message_and_ok() {
    let (bench, mut tasks) = (bench().await, JoinSet::new());
    let mut client = Client::connect(bench.address, &mut tasks).await;
    for kind in [GRPC, "application/grpc+proto", "application/grpc;x=y"] {
        let body = whole(&frame(&event("first")));
        let answer = client.call(PUBLISH, kind, body).await.unwrap();
        let expected = Answer {
            http: StatusCode::OK,
            refused: None,
            status: Some("0".to_owned()),
            body: Bytes::from_static(&[0; 5]),
        };
        assert_eq!(answer, expected);
    }
    let kept = bench.keeper.kept.lock().unwrap();
    let (sender, event) = &kept[0];
    assert_eq!(sender.peer, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(event.id, "first");
    let command = RestartCommand(1);
    assert_eq!(event.notice, TalosNotice::Restart { command });
    assert_eq!(bench.counters.taken.load(Relaxed), 3);
}

#[tokio::test]
async fn what_is_no_event_is_refused_with_its_status() {
    let limits = EventSinkLimits {
        message_bytes: 200,
        ..EventSinkLimits::default()
    };
    let (bench, mut tasks) = (Bench::new(limits, Keeper::default()).await, JoinSet::new());
    let mut client = Client::connect(bench.address, &mut tasks).await;
    let good = frame(&event("x"));
    let twice = [&good[..], &good].concat();
    let compressed = [&[1], &good[1..]].concat();
    for (path, kind, body, http, status) in [
        (
            "/events.EventSinkService/Other",
            GRPC,
            &good[..],
            200,
            Some("12"),
        ),
        ("/", GRPC, &good, 200, Some("12")),
        (PUBLISH, "application/json", &good, 415, None),
        (PUBLISH, "application/grpc-web", &good, 415, None),
        (PUBLISH, GRPC, &[], 200, Some("3")),
        (PUBLISH, GRPC, &good[..good.len() - 1], 200, Some("3")),
        (PUBLISH, GRPC, &frame(&[0xff]), 200, Some("3")),
        (PUBLISH, GRPC, &twice, 200, Some("12")),
        (PUBLISH, GRPC, &compressed, 200, Some("12")),
        (PUBLISH, GRPC, &frame(&[0; 201]), 200, Some("8")),
        (PUBLISH, GRPC, &frame(&[0x7a; 100_000]), 200, Some("8")),
    ] {
        let answer = client.call(path, kind, whole(body)).await.unwrap();
        assert_eq!(answer.http.as_u16(), http, "{path} {kind}");
        assert_eq!(answer.refused.as_deref(), status, "{path} {kind}");
        assert_eq!((answer.status, answer.body.len()), (None, 0));
    }
    assert!(bench.keeper.ids().is_empty());
    assert_eq!(
        client.publish(&event("y")).await.unwrap(),
        "0",
        "the connection still serves"
    );
    let counters = &bench.counters;
    let counted = [
        &counters.unimplemented,
        &counters.malformed,
        &counters.too_long,
        &counters.taken,
    ];
    assert_eq!(counted.map(|counter| counter.load(Relaxed)), [6, 3, 2, 1]);
}

#[tokio::test]
async fn an_event_that_was_not_kept_may_come_again() {
    let answers = VecDeque::from([NotTaken::Unavailable, NotTaken::Stranger]);
    let keeper = Keeper {
        answers: Mutex::new(answers),
        ..Keeper::default()
    };
    let bench = Bench::new(EventSinkLimits::default(), keeper).await;
    let mut tasks = JoinSet::new();
    let mut client = Client::connect(bench.address, &mut tasks).await;
    for expected in ["14", "7", "0"] {
        assert_eq!(client.publish(&event("a")).await.unwrap(), expected);
    }
    assert_eq!(bench.keeper.ids(), ["a"]);
    let counters = &bench.counters;
    assert_eq!(counters.unavailable.load(Relaxed), 1);
    assert_eq!(counters.strangers.load(Relaxed), 1);
}

#[tokio::test]
async fn an_event_of_an_unknown_kind_is_taken() {
    let (bench, mut tasks) = (bench().await, JoinSet::new());
    let mut client = Client::connect(bench.address, &mut tasks).await;
    for (url, value) in [
        ("x/machine.NewEvent", &[0xff][..]),
        ("x/machine.TaskEvent", &[0xff]),
    ] {
        let message = event_of(url, value, url);
        assert_eq!(client.publish(&message).await.unwrap(), "0");
    }
    assert_eq!(bench.counters.strange.load(Relaxed), 2);
    assert_eq!(bench.keeper.ids().len(), 2);
}

#[tokio::test]
async fn events_of_one_connection_keep_their_order() {
    let (bench, mut tasks) = (bench().await, JoinSet::new());
    let mut client = Client::connect(bench.address, &mut tasks).await;
    let ids: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    for id in &ids {
        assert_eq!(client.publish(&event(id)).await.unwrap(), "0");
    }
    assert_eq!(bench.keeper.ids(), ids);
    assert_eq!(bench.counters.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn more_calls_than_allowed_wait_for_their_turn() {
    let limits = EventSinkLimits {
        calls: 2,
        ..EventSinkLimits::default()
    };
    let keeper = Keeper {
        pause: Duration::from_millis(5),
        ..Keeper::default()
    };
    let (bench, mut tasks) = (Bench::new(limits, keeper).await, JoinSet::new());
    let mut client = Client::connect(bench.address, &mut tasks).await;
    // The limit is known to the client with the first answer.
    assert_eq!(client.publish(&event("first")).await.unwrap(), "0");
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let mut client = client.clone();
        calls.spawn(async move { client.publish(&event(&number.to_string())).await.unwrap() });
    }
    let answers = timeout(SOON, calls.join_all()).await.unwrap();
    assert!(answers.iter().all(|status| status == "0"));
    assert_eq!(bench.keeper.ids().len(), 41);
}

#[tokio::test]
async fn a_slow_message_and_a_slow_taker_are_given_up() {
    let limits = EventSinkLimits {
        receiving: Duration::from_secs(1),
        taking: Duration::from_millis(50),
        ..EventSinkLimits::default()
    };
    let keeper = Keeper {
        pause: Duration::from_secs(60),
        ..Keeper::default()
    };
    let (bench, mut tasks) = (Bench::new(limits, keeper).await, JoinSet::new());
    let mut client = Client::connect(bench.address, &mut tasks).await;
    let begun = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(&[0, 0])))]);
    let endless = futures_util::StreamExt::chain(begun, futures_util::stream::pending());
    let body = BodyExt::boxed(StreamBody::new(SyncStream(endless)));
    let answer = timeout(SOON, client.call(PUBLISH, GRPC, body))
        .await
        .unwrap();
    assert_eq!(answer.unwrap().refused.as_deref(), Some("4"));
    let status = timeout(SOON, client.publish(&event("a"))).await.unwrap();
    assert_eq!(status.unwrap(), "14");
}

/// A stream that may be shared, for it is only ever polled by its owner.
struct SyncStream<S>(S);

impl<S: futures_util::Stream + Unpin> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        std::pin::Pin::new(&mut self.0).poll_next(cx)
    }
}

#[tokio::test]
async fn a_machine_that_calls_too_often_is_kept_waiting() {
    let limits = EventSinkLimits {
        events: RateLimit {
            burst: 2,
            refill: Duration::from_secs(1),
        },
        ..EventSinkLimits::default()
    };
    let (bench, mut tasks) = (Bench::new(limits, Keeper::default()).await, JoinSet::new());
    let began = Instant::now();
    for id in ["a", "b", "c", "d"] {
        let mut client = Client::connect(bench.address, &mut tasks).await;
        assert_eq!(client.publish(&event(id)).await.unwrap(), "0");
    }
    assert!(
        began.elapsed() >= Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    assert!(bench.counters.delayed.load(Relaxed) >= 2);
}

#[tokio::test]
async fn the_most_silent_connection_gives_way() {
    let limits = EventSinkLimits {
        connections: ConnectionLimits {
            all: 10,
            of_peer: 2,
        },
        ..EventSinkLimits::default()
    };
    let (bench, mut tasks) = (Bench::new(limits, Keeper::default()).await, JoinSet::new());
    let mut clients = Vec::new();
    for id in ["a", "b", "c"] {
        let mut client = Client::connect(bench.address, &mut tasks).await;
        assert_eq!(client.publish(&event(id)).await.unwrap(), "0");
        clients.push(client);
    }
    let closed = timeout(SOON, clients[0].publish(&event("d")))
        .await
        .unwrap();
    assert!(closed.is_err());
    for client in &mut clients[1..] {
        assert_eq!(client.publish(&event("e")).await.unwrap(), "0");
    }
    assert_eq!(bench.counters.made_way.load(Relaxed), 1);
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_ends() {
    let keeper = Keeper {
        pause: Duration::from_millis(300),
        ..Keeper::default()
    };
    let (mut bench, mut tasks) = (
        Bench::new(EventSinkLimits::default(), keeper).await,
        JoinSet::new(),
    );
    let mut client = Client::connect(bench.address, &mut tasks).await;
    let _idle = Client::connect(bench.address, &mut tasks).await;
    let mut caller = client.clone();
    let mut call = JoinSet::new();
    call.spawn(async move { caller.publish(&event("a")).await.unwrap() });
    let under_way = async {
        while bench.counters.connections.load(Relaxed) < 2 || bench.keeper.begun.load(Relaxed) < 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(SOON, under_way).await.expect("the call comes");
    bench.stop.cancel();
    assert_eq!(call.join_next().await.unwrap().unwrap(), "0");
    assert!(
        timeout(SOON, client.publish(&event("b")))
            .await
            .unwrap()
            .is_err()
    );
    bench.ended().await;
    assert_eq!(bench.keeper.ids(), ["a"]);
    let refused = tokio::net::TcpStream::connect(bench.address).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let bench = bench().await;
    let taken = EventSinkServer::bind(bench.address, Arc::new(SystemClock)).await;
    let Err(err) = taken else {
        panic!("bound twice");
    };
    let text = err.to_string();
    assert!(text.contains(&bench.address.port().to_string()), "{text}");
}
