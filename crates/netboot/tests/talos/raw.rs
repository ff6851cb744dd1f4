//! HTTP/2 by hand (RFC 9113): what a client that is none, or a dead one, gets.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{GRPC, PUBLISH, event, frame};
use crate::taker::{Bench, Keeper, SOON};
use netboot::net::event_sink::EventSinkLimits;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// The types of frames, and their flags.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn h2_frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// The head of a call in HPACK (RFC 7541), without its tables as far as it goes.
fn head() -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [
        // `:method: POST` and `:scheme: http` of the static table, then `:path` and `:authority` by name.
        vec![0x83, 0x86, 0x04],
        text(PUBLISH),
        vec![0x01],
        text("sink"),
        vec![0x0f, 0x10],
        text(GRPC),
        vec![0x00],
        text("te"),
        text("trailers"),
    ]
    .concat()
}

struct Wire(TcpStream);

impl Wire {
    async fn open(bench: &Bench, settings: &[u8]) -> Self {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        let hello = [PREFACE, &h2_frame(SETTINGS, 0, 0, settings)].concat();
        stream.write_all(&hello).await.unwrap();
        Self(stream)
    }

    /// The next frame: type, flags, stream and content.
    async fn next(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, s, t, u, v] = head;
        let mut content = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut content).await?;
        Ok((kind, flags, u32::from_be_bytes([s, t, u, v]), content))
    }

    async fn send(&mut self, id: &str) {
        let call = [
            h2_frame(HEADERS, END_HEADERS, 1, &head()),
            h2_frame(DATA, END_STREAM, 1, &frame(&event(id))),
        ]
        .concat();
        self.0.write_all(&call).await.unwrap();
    }

    /// Waits until the server closes the connection.
    async fn closed(&mut self) {
        let end = async { while self.next().await.is_ok() {} };
        timeout(SOON, end).await.expect("the connection is closed");
    }
}

async fn counted(counter: &AtomicU64, number: u64) {
    let all = async {
        while counter.load(Relaxed) < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, all).await.expect("it is counted");
}

#[tokio::test]
async fn a_call_made_by_hand_is_answered_with_message_and_trailer() {
    let bench = Bench::new(EventSinkLimits::default(), Keeper::default()).await;
    let mut wire = Wire::open(&bench, &[]).await;
    wire.send("by hand").await;
    let mut answer = Vec::new();
    while answer.len() < 3 {
        let (kind, flags, stream, content) = timeout(SOON, wire.next()).await.unwrap().unwrap();
        if stream == 1 {
            answer.push((kind, flags, content));
        }
    }
    let [head, message, trailer] = &answer[..] else {
        panic!("{answer:?}");
    };
    assert_eq!((head.0, head.1), (HEADERS, END_HEADERS));
    assert_eq!(message, &(DATA, 0, vec![0; 5]));
    assert_eq!((trailer.0, trailer.1), (HEADERS, END_HEADERS | END_STREAM));
    assert_eq!(bench.keeper.ids(), ["by hand"]);
}

#[tokio::test]
async fn what_is_no_http_2_is_closed() {
    let bench = Bench::new(EventSinkLimits::default(), Keeper::default()).await;
    for bytes in [
        &b"POST /events.EventSinkService/Publish HTTP/1.1\r\nhost: sink\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on, for 24 bytes",
    ] {
        let mut wire = Wire(TcpStream::connect(bench.address).await.unwrap());
        wire.0.write_all(bytes).await.unwrap();
        wire.closed().await;
    }
    counted(&bench.counters.broken, 1).await;
}

#[tokio::test]
async fn who_says_nothing_is_closed() {
    let limits = EventSinkLimits {
        opening: Duration::from_millis(50),
        ..EventSinkLimits::default()
    };
    let bench = Bench::new(limits, Keeper::default()).await;
    let mut silent = Wire(TcpStream::connect(bench.address).await.unwrap());
    silent.closed().await;
    let mut polite = Wire::open(&bench, &[]).await;
    polite.closed().await;
    counted(&bench.counters.silent, 2).await;
    assert_eq!(bench.counters.silent.load(Relaxed), 2);
}

#[tokio::test]
async fn who_takes_no_answer_is_closed() {
    let limits = EventSinkLimits {
        stalled: Duration::from_millis(100),
        ..EventSinkLimits::default()
    };
    let bench = Bench::new(limits, Keeper::default()).await;
    // The setting 4, the window of a stream, is 0.
    let mut wire = Wire::open(&bench, &[0, 4, 0, 0, 0, 0]).await;
    wire.send("a").await;
    wire.closed().await;
    counted(&bench.counters.silent, 1).await;
}

#[tokio::test]
async fn who_answers_no_ping_is_closed() {
    let limits = EventSinkLimits {
        ping: Duration::from_millis(50),
        ..EventSinkLimits::default()
    };
    let bench = Bench::new(limits, Keeper::default()).await;
    let mut wire = Wire::open(&bench, &[]).await;
    let mut pings = 0;
    let end = async {
        while let Ok((kind, ..)) = wire.next().await {
            pings += u32::from(kind == PING);
        }
    };
    timeout(SOON, end).await.expect("the connection is closed");
    assert!(pings > 0);
    counted(&bench.counters.broken, 1).await;
}
