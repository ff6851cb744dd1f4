//! The server on real sockets of the loopback, at high ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::{AssetName, BootStage, StageOutcome, TalosVersion};
use netboot::core::classify::Ignored;
use netboot::director::{
    BootAsk, BootClient, ConfigAnswer, ConfigAsk, Content, LoaderName, Observation, Offer,
    Platform, Program, ScriptAsk, Site,
};
use netboot::net::dhcp::{DhcpConfig, DhcpCounters, DhcpPorts, DhcpServer, Sharing};
use netboot::net::interface::Served;
use netboot::sim::load::Load;
use netboot::sim::machine::{Machine, Next, Software, Source};
use netboot::{Director, Error};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Decides at once, except for machines of a card number that begins as it is told to be slow with.
#[derive(Default)]
pub(crate) struct Plain {
    seen: Mutex<Vec<Observation>>,
    slow: Option<u8>,
}

#[async_trait]
impl Director for Plain {
    async fn offer(&self, ask: &BootAsk) -> Offer {
        if self.slow == ask.mac.octets().last().copied() {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let program = match ask.client {
            BootClient::Ipxe { http: true, .. } => Program::Script,
            _ => Program::Loader(LoaderName::parse("snponly.efi").unwrap()),
        };
        Offer {
            program,
            server: None,
            discovery_control: true,
        }
    }

    async fn script(&self, _: ScriptAsk) -> String {
        String::new()
    }

    async fn autoexec(&self, _: Site) -> String {
        String::new()
    }

    async fn table(&self, _: Site) -> Result<String, String> {
        Err("not here".to_owned())
    }

    async fn config(&self, _: ConfigAsk) -> ConfigAnswer {
        ConfigAnswer::Refused("not here".to_owned())
    }

    async fn loader(&self, _: &LoaderName) -> Result<Content, String> {
        Err("not here".to_owned())
    }

    async fn asset(&self, _: Option<&TalosVersion>, _: AssetName) -> Result<Content, String> {
        Err("not here".to_owned())
    }

    fn observe(&self, seen: Observation) {
        self.seen.lock().unwrap().push(seen);
    }
}

/// Longer than anything takes that is to come.
const SOON: Duration = Duration::from_secs(20);

struct Running {
    ports: DhcpPorts,
    counters: Arc<DhcpCounters>,
    director: Arc<Plain>,
    client: UdpSocket,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts a server on free ports, and a client that listens at its own.
    async fn start(director: Plain, change: impl FnOnce(&mut DhcpConfig)) -> Self {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut config = DhcpConfig {
            served: Served::Named(BTreeSet::from(["lo".to_owned()])),
            ports: DhcpPorts {
                dhcp: 0,
                proxy: 0,
                client: client.local_addr().unwrap().port(),
            },
            // What a busy host answers late is the matter of one test.
            deadline: SOON,
            ..DhcpConfig::default()
        };
        change(&mut config);
        let server = DhcpServer::bind(config).unwrap();
        let (ports, counters) = (server.ports(), server.counters());
        let (director, stop) = (Arc::new(director), CancellationToken::new());
        #[expect(clippy::disallowed_methods, reason = "a test has no composition root")]
        let task =
            tokio::spawn(server.serve(Arc::clone(&director) as Arc<dyn Director>, stop.clone()));
        Self {
            ports,
            counters,
            director,
            client,
            stop,
            task,
        }
    }

    async fn send(&self, datagram: &[u8], port: u16) {
        self.client
            .send_to(datagram, (Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
    }

    /// Waits for an answer that is to come.
    async fn hear(&self) -> Option<(Vec<u8>, u16)> {
        let mut buffer = [0; 2048];
        let got = timeout(SOON, self.client.recv_from(&mut buffer)).await;
        let (len, from) = got.ok()?.unwrap();
        Some((buffer[..len].to_vec(), from.port()))
    }

    /// Whether no answer comes in a while.
    async fn is_silent(&self) -> bool {
        let mut buffer = [0; 2048];
        let a_while = Duration::from_millis(1500);
        let got = timeout(a_while, self.client.recv_from(&mut buffer)).await;
        got.is_err()
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.task)
            .await
            .expect("it ends when it is told to")
            .unwrap();
    }
}

fn machine(last: u8, software: Software) -> Machine {
    Machine {
        mac: model::MacAddr::from_bytes([0x52, 0x54, 0, 0, 0, last]).unwrap(),
        guid: Some([7; 16]),
        software,
        address: Ipv4Addr::LOCALHOST,
    }
}

/// A discover with `ciaddr`, so that the answer comes to this client alone.
fn discover(machine: &Machine, xid: u32) -> Vec<u8> {
    let mut bytes = machine.discover(xid);
    bytes[12..16].copy_from_slice(&machine.address.octets());
    bytes
}

const ROM: Software = Software::Ipxe {
    platform: Platform::EfiX64,
    http: true,
    chained: false,
};

#[tokio::test]
async fn both_ports_answer_and_each_step_is_told() {
    let running = Running::start(Plain::default(), |config| config.http_port = 8080).await;
    let efi = machine(1, Software::Edk2Pxe(Platform::EfiX64));
    let loader = Source::Tftp {
        server: Ipv4Addr::LOCALHOST,
        path: "ipxe/snponly.efi".to_owned(),
    };

    running.send(&discover(&efi, 1), running.ports.dhcp).await;
    let (offer, from) = running.hear().await.unwrap();
    assert_eq!(from, running.ports.dhcp);
    assert_eq!(efi.take_offer(&offer, 1), Ok(Next::Fetch(loader.clone())));

    let request = efi.proxy_request(2, Ipv4Addr::LOCALHOST);
    running.send(&request, running.ports.proxy).await;
    let (ack, from) = running.hear().await.unwrap();
    assert_eq!(from, running.ports.proxy);
    assert_eq!(efi.take_ack(&ack, 2), Ok(loader));

    let ipxe = machine(1, ROM);
    running.send(&discover(&ipxe, 3), running.ports.dhcp).await;
    let (offer, _) = running.hear().await.unwrap();
    let script = "http://127.0.0.1:8080/boot/52-54-00-00-00-01".to_owned();
    assert_eq!(
        ipxe.take_offer(&offer, 3),
        Ok(Next::Fetch(Source::Http(script)))
    );

    let seen: Vec<(BootStage, StageOutcome, String)> = running
        .director
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|seen| (seen.stage, seen.outcome, seen.detail.clone()))
        .collect();
    let done = |stage, detail: &str| (stage, StageOutcome::Done, detail.to_owned());
    assert_eq!(
        seen,
        [
            done(BootStage::Discover, "snponly.efi offered (UEFI x64)"),
            done(BootStage::ProxyRequest, "snponly.efi offered (UEFI x64)"),
            done(BootStage::Ipxe, "boot script offered (iPXE, UEFI x64)"),
        ]
    );
    assert_eq!(running.counters.answered(), 3);
    running.end().await;
}

#[tokio::test]
async fn silence_has_a_reason_and_is_counted() {
    let running = Running::start(Plain::default(), |_| {}).await;
    let efi = machine(1, ROM);
    running.send(b"nonsense", running.ports.dhcp).await;
    let request = efi.accept_lease(1, Ipv4Addr::new(10, 0, 0, 1));
    running.send(&request, running.ports.dhcp).await;
    // Answered last, and datagrams of one socket are taken in order.
    running.send(&discover(&efi, 2), running.ports.dhcp).await;
    assert!(running.hear().await.is_some());
    let counters = Arc::clone(&running.counters);
    assert_eq!(counters.received(), 3);
    assert_eq!(counters.answered(), 1);
    assert_eq!(counters.ignored(Ignored::OtherServer), 1);
    let malformed = counters.rows().into_iter().find(|row| row.1 == "malformed");
    assert_eq!(malformed, Some(("ignored", "malformed", 1)));
    running.end().await;
}

#[tokio::test]
async fn an_interface_that_is_not_served_gets_silence() {
    let running = Running::start(Plain::default(), |config| config.served = Served::All).await;
    running
        .send(&discover(&machine(1, ROM), 1), running.ports.dhcp)
        .await;
    assert!(running.is_silent().await);
    assert_eq!(running.counters.ignored(Ignored::NotServed), 1);
    running.end().await;
}

#[tokio::test]
async fn a_machine_that_asks_without_end_is_cut_off() {
    let running = Running::start(Plain::default(), |config| {
        config.limit.burst = 5;
        config.limit.refill = Duration::from_secs(3600);
    })
    .await;
    for xid in 0..9 {
        running
            .send(&discover(&machine(1, ROM), xid), running.ports.dhcp)
            .await;
    }
    running
        .send(&discover(&machine(2, ROM), 100), running.ports.dhcp)
        .await;
    for _ in 0..6 {
        assert!(running.hear().await.is_some());
    }
    assert!(running.is_silent().await);
    assert_eq!(running.counters.ignored(Ignored::RateLimited), 4);
    running.end().await;
}

/// Longer than it takes a busy host to go on with a test; shorter than the while in which nothing may come.
const DEADLINE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_slow_decision_blocks_nobody_and_is_never_sent_late() {
    let director = Plain {
        slow: Some(9),
        ..Plain::default()
    };
    let running = Running::start(director, |config| {
        config.deadline = DEADLINE;
    })
    .await;
    running
        .send(&discover(&machine(9, ROM), 1), running.ports.dhcp)
        .await;
    running
        .send(&discover(&machine(2, ROM), 2), running.ports.dhcp)
        .await;
    let (offer, _) = running.hear().await.unwrap();
    assert!(machine(2, ROM).take_offer(&offer, 2).is_ok());
    assert!(running.is_silent().await);
    let late = running
        .counters
        .rows()
        .into_iter()
        .find(|row| row.0 == "late");
    assert_eq!(late, Some(("late", "", 1)));
    let failed = running
        .director
        .seen
        .lock()
        .unwrap()
        .iter()
        .find(|seen| seen.outcome == StageOutcome::Failed)
        .map(|seen| seen.detail.clone());
    assert_eq!(failed.as_deref(), Some("no decision within 1000 ms"));
    running.end().await;
}

#[tokio::test]
async fn too_many_at_once_give_up_the_oldest() {
    let director = Plain {
        slow: Some(9),
        ..Plain::default()
    };
    let running = Running::start(director, |config| {
        config.in_flight = 4;
        config.deadline = Duration::from_secs(60);
    })
    .await;
    for xid in 0..10 {
        running
            .send(&discover(&machine(9, ROM), xid), running.ports.dhcp)
            .await;
    }
    running
        .send(&discover(&machine(2, ROM), 100), running.ports.dhcp)
        .await;
    let (offer, _) = running.hear().await.unwrap();
    assert!(machine(2, ROM).take_offer(&offer, 100).is_ok());
    assert_eq!(running.counters.ignored(Ignored::Overloaded), 7);
    running.task.abort();
}

#[tokio::test]
async fn a_loader_loop_is_broken_and_said() {
    let running = Running::start(Plain::default(), |_| {}).await;
    let rom = machine(1, Software::BiosRom);
    for xid in 0..10 {
        running.send(&discover(&rom, xid), running.ports.dhcp).await;
        let (offer, _) = running.hear().await.unwrap();
        let told = String::from_utf8_lossy(&offer);
        let (loader, script) = (told.contains("ipxe/snponly.efi"), told.contains("/boot/"));
        assert_eq!((loader, script), (xid < 8, xid >= 8), "{xid}");
    }
    let last = running
        .director
        .seen
        .lock()
        .unwrap()
        .last()
        .cloned()
        .unwrap();
    assert_eq!(
        last.detail,
        "boot script offered (iPXE, BIOS): it asked 10 times in a row for a loader that leads nowhere"
    );
    running.end().await;
}

#[tokio::test]
async fn a_thousand_machines_are_answered_once_each() {
    // An address that no other test has, so that none takes the port meanwhile.
    let free = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let client = match free.local_addr().unwrap() {
        std::net::SocketAddr::V4(address) => address,
        std::net::SocketAddr::V6(_) => unreachable!("it was bound to IPv4"),
    };
    drop(free);
    let running = Running::start(Plain::default(), |config| {
        config.ports.client = client.port();
    })
    .await;
    let load = Load {
        server: SocketAddrV4::new(Ipv4Addr::LOCALHOST, running.ports.dhcp),
        client,
        unicast: true,
        software: Software::Edk2Pxe(Platform::EfiX64),
        machines: 1000,
        per_second: 2000,
        patience: Duration::from_secs(5),
    };
    let report = load.run().await.unwrap();
    assert_eq!(
        (report.sent, report.answered, report.surplus),
        (1000, 1000, 0)
    );
    println!(
        "p50 {:?}, p99 {:?}",
        report.percentile(50),
        report.percentile(99)
    );
    running.end().await;
}

#[tokio::test]
async fn a_taken_port_is_refused_in_one_sentence() {
    let taken = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for ports in [
        DhcpPorts {
            dhcp: port,
            proxy: 0,
            client: 68,
        },
        DhcpPorts {
            dhcp: 0,
            proxy: port,
            client: 68,
        },
    ] {
        let config = DhcpConfig {
            ports,
            sharing: Sharing::Never,
            ..DhcpConfig::default()
        };
        let Err(error) = DhcpServer::bind(config) else {
            panic!("a taken port was bound");
        };
        assert!(matches!(error, Error::PortInUse { owner: Some(_), .. }));
        let sentence = error.to_string();
        let own = format!("(process {})", std::process::id());
        assert!(
            sentence.starts_with(&format!("UDP port {port} is in use by ")),
            "{sentence}"
        );
        assert!(sentence.ends_with(&own), "{sentence}");
    }
}
