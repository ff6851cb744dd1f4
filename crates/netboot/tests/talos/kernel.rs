//! Kernel logs over real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::{KernelLogLine, SystemClock, TalosEvent};
use netboot::Error;
use netboot::core::dampen::RateLimit;
use netboot::net::kernel_log::{KernelLogCounters, KernelLogLimits, KernelLogServer};
use netboot::net::places::ConnectionLimits;
use netboot::net::port::Protocol;
use netboot::net::taker::{EventTaker, NotTaken, Sender};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::taker::SOON;

pub(crate) const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Default)]
pub(crate) struct Keeper {
    kept: Mutex<Vec<KernelLogLine>>,
    pause: Duration,
}

#[async_trait]
impl EventTaker for Keeper {
    async fn event(&self, _: Sender, _: TalosEvent) -> Result<(), NotTaken> {
        Err(NotTaken::Stranger)
    }

    async fn kernel_lines(&self, sender: Sender, lines: Vec<KernelLogLine>) {
        assert_eq!(sender.peer, LOCAL.ip());
        assert!(!lines.is_empty());
        sleep(self.pause).await;
        self.kept.lock().unwrap().extend(lines);
    }
}

pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    keeper: Arc<Keeper>,
    counters: Arc<KernelLogCounters>,
    stop: CancellationToken,
    server: JoinSet<()>,
}

impl Bench {
    pub(crate) async fn new(limits: KernelLogLimits, keeper: Keeper) -> Self {
        let server = KernelLogServer::bind(LOCAL, Arc::new(SystemClock))
            .await
            .unwrap()
            .with_limits(limits);
        let (address, counters) = (server.local_addr(), server.counters());
        let (keeper, stop) = (Arc::new(keeper), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(server.serve(Arc::clone(&keeper) as Arc<dyn EventTaker>, stop.clone()));
        Self {
            address,
            keeper,
            counters,
            stop,
            server: running,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until so many lines are kept, and answers with them.
    pub(crate) async fn lines(&self, number: usize) -> Vec<KernelLogLine> {
        let there = async {
            loop {
                let kept = self.keeper.kept.lock().unwrap().clone();
                if kept.len() >= number {
                    return kept;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(SOON, there).await.expect("the lines arrive")
    }

    async fn kept(&self, number: usize) -> Vec<String> {
        let lines = self.lines(number).await.into_iter();
        lines.map(|line| line.message).collect()
    }

    async fn ended(&mut self) {
        let ended = timeout(SOON, self.server.join_next()).await;
        ended.expect("it ends").expect("it ran").unwrap();
    }
}

async fn counted(counter: &AtomicU64, number: u64) {
    let there = async {
        while counter.load(Relaxed) < number {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(SOON, there).await.expect("it is counted");
}

fn line(text: &str) -> String {
    serde_json::json!({"msg": text, "seq": 1, "clock": 2, "facility": "user"}).to_string()
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| line(text) + "\n").collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn lines_over_tcp_arrive_in_order_however_they_are_cut() {
    let bench = Bench::new(KernelLogLimits::default(), Keeper::default()).await;
    let texts = numbered(500);
    let bytes = lines(&texts);
    let mut stream = bench.connect().await;
    for chunk in bytes.as_bytes().chunks(777) {
        stream.write_all(chunk).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.kept(500).await, texts);
    counted(&bench.counters.lines, 500).await;
}

#[tokio::test]
async fn bad_and_long_lines_are_passed_over() {
    let bench = Bench::new(KernelLogLimits::default(), Keeper::default()).await;
    let mut stream = bench.connect().await;
    let bytes = [
        line("first"),
        "no json".to_owned(),
        line(&"a".repeat(40_000)),
        String::new(),
        line("last"),
        String::new(),
    ]
    .join("\n");
    stream.write_all(bytes.as_bytes()).await.unwrap();
    assert_eq!(bench.kept(2).await, ["first", "last"]);
    assert_eq!(bench.counters.malformed.load(Relaxed), 2);
    assert_eq!(bench.counters.too_long.load(Relaxed), 1);
}

#[tokio::test]
async fn a_datagram_is_a_line() {
    let bench = Bench::new(KernelLogLimits::default(), Keeper::default()).await;
    let socket = UdpSocket::bind(LOCAL).await.unwrap();
    for datagram in [
        line("one"),
        "no json".to_owned(),
        String::new(),
        line("two") + "\n",
    ] {
        socket
            .send_to(datagram.as_bytes(), bench.address)
            .await
            .unwrap();
    }
    assert_eq!(bench.kept(2).await, ["one", "two"]);
    assert_eq!(bench.counters.malformed.load(Relaxed), 2);
}

fn few() -> KernelLogLimits {
    KernelLogLimits {
        lines: RateLimit {
            burst: 10,
            refill: Duration::from_millis(100),
        },
        ..KernelLogLimits::default()
    }
}

#[tokio::test]
async fn datagrams_beyond_the_limit_are_dropped() {
    let bench = Bench::new(few(), Keeper::default()).await;
    let socket = UdpSocket::bind(LOCAL).await.unwrap();
    for text in numbered(200) {
        socket
            .send_to(line(&text).as_bytes(), bench.address)
            .await
            .unwrap();
    }
    let counters = &bench.counters;
    let all = async {
        while counters.lines.load(Relaxed) + counters.dropped.load(Relaxed) < 200 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(SOON, all).await.unwrap();
    assert!(counters.lines.load(Relaxed) >= 10);
    assert!(counters.dropped.load(Relaxed) >= 50);
}

#[tokio::test]
async fn a_stream_beyond_the_limit_is_slowed_and_loses_nothing() {
    let bench = Bench::new(few(), Keeper::default()).await;
    let mut stream = bench.connect().await;
    let texts = numbered(30);
    let began = Instant::now();
    for text in &texts {
        let line = line(text) + "\n";
        stream.write_all(line.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.kept(30).await, texts);
    assert!(bench.counters.delayed.load(Relaxed) > 0);
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn the_most_silent_connection_gives_way_and_one_without_a_word_ends() {
    let limits = KernelLogLimits {
        connections: ConnectionLimits { all: 9, of_peer: 2 },
        opening: Duration::from_secs(2),
        ..KernelLogLimits::default()
    };
    let bench = Bench::new(limits, Keeper::default()).await;
    let mut streams = Vec::new();
    for number in 1..=3 {
        let mut stream = bench.connect().await;
        stream
            .write_all((line("hello") + "\n").as_bytes())
            .await
            .unwrap();
        bench.kept(number).await;
        streams.push(stream);
    }
    let mut rest = Vec::new();
    timeout(SOON, streams[0].read_to_end(&mut rest))
        .await
        .unwrap()
        .ok();
    counted(&bench.counters.made_way, 1).await;
    assert_eq!(bench.counters.made_way.load(Relaxed), 1);
    drop(streams);
    let mut silent = bench.connect().await;
    let end = timeout(SOON, silent.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(end.unwrap(), 0);
    counted(&bench.counters.silent, 1).await;
    assert_eq!(bench.counters.silent.load(Relaxed), 1);
}

#[tokio::test]
async fn a_taker_that_hangs_costs_its_lines_only() {
    let limits = KernelLogLimits {
        taking: Duration::from_millis(30),
        ..KernelLogLimits::default()
    };
    let keeper = Keeper {
        pause: Duration::from_secs(60),
        ..Keeper::default()
    };
    let bench = Bench::new(limits, keeper).await;
    let mut stream = bench.connect().await;
    for number in 1..=3 {
        stream
            .write_all((line("lost") + "\n").as_bytes())
            .await
            .unwrap();
        counted(&bench.counters.not_taken, number).await;
    }
}

#[tokio::test]
async fn a_drain_hands_on_what_has_arrived() {
    let keeper = Keeper {
        pause: Duration::from_millis(1),
        ..Keeper::default()
    };
    let mut bench = Bench::new(KernelLogLimits::default(), keeper).await;
    let texts = numbered(2000);
    let mut stream = bench.connect().await;
    stream.write_all(lines(&texts).as_bytes()).await.unwrap();
    let socket = UdpSocket::bind(LOCAL).await.unwrap();
    for text in numbered(100) {
        socket
            .send_to(line(&text).as_bytes(), bench.address)
            .await
            .unwrap();
    }
    counted(&bench.counters.connections, 1).await;
    bench.stop.cancel();
    bench.ended().await;
    assert_eq!(bench.kept(2100).await.len(), 2100);
    assert!(TcpStream::connect(bench.address).await.is_err());
}

#[tokio::test]
async fn a_busy_sender_does_not_hold_up_a_drain() {
    let mut bench = Bench::new(KernelLogLimits::default(), Keeper::default()).await;
    let mut stream = bench.connect().await;
    let mut sender = JoinSet::new();
    sender.spawn(async move {
        while stream
            .write_all((line("more") + "\n").as_bytes())
            .await
            .is_ok()
        {
            sleep(Duration::from_millis(1)).await;
        }
    });
    bench.kept(10).await;
    bench.stop.cancel();
    bench.ended().await;
}

#[tokio::test]
async fn a_port_in_use_is_named_for_either_protocol() {
    let bench = Bench::new(KernelLogLimits::default(), Keeper::default()).await;
    let taken = KernelLogServer::bind(bench.address, Arc::new(SystemClock)).await;
    assert!(
        matches!(taken.err(), Some(Error::PortInUse { port, protocol: Protocol::Tcp, .. }) if port == bench.address.port())
    );
    let udp = UdpSocket::bind(LOCAL).await.unwrap();
    let address = udp.local_addr().unwrap();
    let taken = KernelLogServer::bind(address, Arc::new(SystemClock)).await;
    assert!(matches!(
        taken.err(),
        Some(Error::PortInUse {
            protocol: Protocol::Udp,
            ..
        })
    ));
}
