//! The server over loopback, against simulated machines and a director that is told what to say.

mod differential;
mod flood;
mod machine;

use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use model::{AssetKind, AssetName, TalosVersion};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::*;
use crate::director::{
    BootAsk, ConfigAnswer, ConfigAsk, Content, LoaderName, Observation, Offer, Program, ScriptAsk,
    Site,
};
use crate::wire::tftp::Options;

use self::machine::{Machine, fetch};

/// Has one loader, one kernel and the scripts, and keeps what it is told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) loader: Vec<u8>,
    kernel: Option<(Arc<File>, u64)>,
    observed: Mutex<Vec<Observation>>,
}

#[async_trait]
impl Director for Told {
    async fn offer(&self, _: &BootAsk) -> Offer {
        Offer {
            program: Program::Script,
            server: None,
            discovery_control: true,
        }
    }

    async fn script(&self, _: ScriptAsk) -> String {
        panic!("no device's script goes by TFTP")
    }

    async fn autoexec(&self, site: Site) -> String {
        format!(
            "#!ipxe\n# {}:{} for {}\n",
            site.server, site.http_port, site.peer
        )
    }

    async fn table(&self, _: Site) -> Result<String, String> {
        Ok("#!ipxe\n# table\n".to_owned())
    }

    async fn config(&self, _: ConfigAsk) -> ConfigAnswer {
        panic!("no device's config goes by TFTP")
    }

    async fn loader(&self, name: &LoaderName) -> Result<Content, String> {
        if name.as_str() == "snponly.efi" {
            Ok(Content::Bytes(self.loader.clone().into()))
        } else {
            Err(format!("there is no loader {name}"))
        }
    }

    async fn asset(&self, _: Option<&TalosVersion>, name: AssetName) -> Result<Content, String> {
        match (&self.kernel, name.kind) {
            (Some((file, size)), AssetKind::Kernel) => Ok(Content::File(Arc::clone(file), *size)),
            _ => Err(format!("{name} was not imported")),
        }
    }

    fn observe(&self, seen: Observation) {
        self.observed.lock().unwrap().push(seen);
    }
}

/// Longer than anything takes that is to come.
const SOON: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
pub(super) struct Served {
    pub(super) address: SocketAddrV4,
    counters: Arc<TftpCounters>,
    director: Arc<Told>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Served {
    pub(super) fn new(told: Told, limits: Limits) -> Self {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let server = TftpServer::bind(any, 8080).unwrap().with_limits(limits);
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, server.local_addr().port());
        let (director, stop) = (Arc::new(told), CancellationToken::new());
        let counters = server.counters();
        let mut task = JoinSet::new();
        task.spawn(server.serve(Arc::clone(&director) as Arc<dyn Director>, stop.clone()));
        Self {
            address,
            counters,
            director,
            stop,
            task,
        }
    }

    /// What the director was told, a line each: stage, outcome, bytes, detail.
    fn heard(&self) -> Vec<String> {
        let observed = self.director.observed.lock().unwrap();
        observed
            .iter()
            .map(|seen| {
                let bytes = seen
                    .bytes
                    .map(|bytes| format!(" {bytes}"))
                    .unwrap_or_default();
                format!("{} {}{bytes} {}", seen.stage, seen.outcome, seen.detail)
            })
            .collect()
    }

    /// Waits until a counter shows `value`.
    async fn until(&self, counter: impl Fn(&TftpCounters) -> &AtomicU64, value: u64) {
        let reached = async {
            while counter(&self.counters).load(Ordering::Relaxed) < value {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(SOON, reached).await;
        assert!(waited.is_ok(), "{:?}", self.counters);
    }
}

pub(super) fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 % 251) as u8).collect()
}

fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn told() -> Told {
    Told {
        loader: content(300_000),
        kernel: Some((file(&content(1_000_000)), 1_000_000)),
        ..Told::default()
    }
}

pub(super) fn edk2() -> Options {
    Options {
        blksize: Some(1468),
        tsize: None,
        timeout: None,
        windowsize: Some(4),
    }
}

#[tokio::test]
async fn files_and_scripts_arrive_whole_and_the_director_hears_of_it() {
    let served = Served::new(told(), Limits::default());
    let ipxe = Options {
        blksize: Some(1432),
        tsize: Some(0),
        ..Options::default()
    };
    for (name, options, wanted) in [
        ("ipxe/snponly.efi", edk2(), content(300_000)),
        ("\\snponly.efi", Options::default(), content(300_000)),
        ("/talos/vmlinuz-amd64", ipxe, content(1_000_000)),
        ("talos/v1.13.9/vmlinuz-amd64", edk2(), content(1_000_000)),
        ("pxe/boot.ipxe", ipxe, b"#!ipxe\n# table\n".to_vec()),
        (
            "ipxe/autoexec.ipxe",
            ipxe,
            b"#!ipxe\n# 127.0.0.1:8080 for 127.0.0.1\n".to_vec(),
        ),
    ] {
        let fetched = fetch(Ipv4Addr::LOCALHOST, served.address, name, options).await;
        assert!(fetched.content.unwrap() == wanted, "{name}");
        assert_eq!(
            fetched.agreed.tsize,
            options.tsize.map(|_| wanted.len() as u64),
            "{name}"
        );
        assert_ne!(
            fetched.from.port(),
            served.address.port(),
            "a port of its own"
        );
    }
    served.until(|counters| &counters.done, 6).await;
    let heard: Vec<String> = served.heard();
    let done: Vec<&String> = heard
        .iter()
        .filter(|line| line.contains(" done "))
        .collect();
    assert_eq!(
        done,
        [
            "loader done 300000 ipxe/snponly.efi",
            "loader done 300000 ipxe/snponly.efi",
            "kernel done 1000000 talos/vmlinuz-amd64",
            "kernel done 1000000 talos/v1.13.9/vmlinuz-amd64",
            "script done 15 boot.ipxe",
            "autoexec done 38 autoexec.ipxe",
        ]
    );
    assert_eq!(heard[0], "loader running 0 ipxe/snponly.efi");
    assert_eq!(served.counters.bytes.load(Ordering::Relaxed), 2_600_053);
}

#[tokio::test]
async fn the_rest_is_refused_with_a_sentence() {
    let served = Served::new(Told::default(), Limits::default());
    for (request, answer) in [
        (
            &b"\0\x01ipxe/old.kpxe\0octet\0"[..],
            "1 there is no loader old.kpxe",
        ),
        (
            b"\0\x01talos/vmlinuz-amd64\0octet\0",
            "1 vmlinuz-amd64 was not imported",
        ),
        (
            b"\0\x01pxelinux.cfg/default\0octet\0",
            "1 there is no such file here",
        ),
        (
            b"\0\x01../etc/passwd\0octet\0",
            "2 the name must not contain ..",
        ),
        (
            b"\0\x01talos/configs/52-54-00-12-34-56.yaml\0octet\0",
            "2 this is served by HTTP only",
        ),
        (
            b"\0\x01boot.ipxe\0mail\0",
            "4 the transfer mode must be octet",
        ),
        (
            b"\0\x01boot.ipxe\0",
            "4 the request has no file name or no transfer mode",
        ),
        (
            b"\0\x02boot.ipxe\0octet\0",
            "2 files are only read here, not written",
        ),
    ] {
        let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
        machine.send(request).await;
        let answered = machine.recv().await.unwrap();
        let Ok(Packet::Error { code, message }) = Packet::parse(&answered) else {
            panic!("{request:?}");
        };
        assert_eq!(format!("{code} {message}"), answer);
    }
    let stray = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    for datagram in [
        &b""[..],
        b"\0",
        b"\0\x04\0\x01",
        b"\0\x05\0\x01x\0",
        b"\0\x03\0\x01",
        b"\x09",
    ] {
        stray.send(datagram).await;
    }
    served.until(|counters| &counters.stray, 6).await;
    let answer = stray.recv_soon().await;
    assert_eq!(answer, None, "no answer to what is no request");
    assert_eq!(served.counters.stray.load(Ordering::Relaxed), 6);
    assert_eq!(
        served.heard(),
        [
            "loader refused ipxe/old.kpxe: there is no loader old.kpxe",
            "kernel refused talos/vmlinuz-amd64: vmlinuz-amd64 was not imported",
        ]
    );
}

#[tokio::test]
async fn answers_leave_from_the_address_that_was_asked() {
    let served = Served::new(told(), Limits::default());
    for last in [1, 9, 77] {
        let asked = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), served.address.port());
        let fetched = fetch(Ipv4Addr::LOCALHOST, asked, "snponly.efi", edk2()).await;
        assert_eq!(fetched.from.ip(), asked.ip());
        let machine = Machine::new(Ipv4Addr::LOCALHOST, asked).await;
        machine.send(b"\0\x01nothing\0octet\0").await;
        assert!(machine.recv().await.unwrap().starts_with(b"\0\x05\0\x01"));
        assert_eq!(machine.heard_from(), Some(asked));
    }
}

#[tokio::test]
async fn a_size_question_ends_at_once_and_is_no_failure() {
    let served = Served::new(told(), Limits::default());
    let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    let probe = Options {
        tsize: Some(0),
        ..edk2()
    };
    for round in 1..=3 {
        machine.send(&machine::request("snponly.efi", probe)).await;
        let oack = Packet::OptionAck(Options {
            tsize: Some(300_000),
            ..edk2()
        });
        assert_eq!(machine.recv().await.unwrap(), oack.print());
        machine
            .answer(b"\0\x05\0\x08User aborted the transfer\0")
            .await;
        served.until(|counters| &counters.size_probes, round).await;
    }
    // From the same port, at once, the file itself.
    let fetched = machine.fetch("snponly.efi", edk2()).await;
    assert!(fetched.content.unwrap() == content(300_000));
    served.until(|counters| &counters.done, 1).await;
    assert!(
        served.heard().iter().all(|line| !line.contains("failed")),
        "{:?}",
        served.heard()
    );
}

#[tokio::test]
async fn an_abort_half_way_is_told_with_what_was_sent() {
    let served = Served::new(told(), Limits::default());
    let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    machine.send(b"\0\x01snponly.efi\0octet\0").await;
    machine.recv().await.unwrap();
    machine.answer(b"\0\x04\0\x01").await;
    machine.recv().await.unwrap();
    machine.answer(b"\0\x05\0\x03Disk full\0").await;
    served.until(|counters| &counters.aborted, 1).await;
    assert_eq!(
        served.heard(),
        [
            "loader running 512 ipxe/snponly.efi",
            "loader failed 512 ipxe/snponly.efi: the machine broke it off with error 3 Disk full",
        ]
    );
}

#[tokio::test]
async fn a_machine_that_closes_its_port_frees_its_session_at_once() {
    let served = Served::new(told(), Limits::default());
    let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    machine.send(b"\0\x01snponly.efi\0octet\0").await;
    machine.recv().await.unwrap();
    machine.answer(b"\0\x04\0\x01").await;
    drop(machine);
    served.until(|counters| &counters.silent, 1).await;
}

#[tokio::test]
async fn a_repeated_request_joins_the_session_under_way() {
    let served = Served::new(told(), Limits::default());
    let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    let request = machine::request("snponly.efi", edk2());
    let mut ports = Vec::new();
    for _ in 0..3 {
        machine.send(&request).await;
        assert_eq!(
            machine.recv().await.unwrap(),
            Packet::OptionAck(edk2()).print()
        );
        ports.push(machine.heard_from().unwrap().port());
    }
    assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    assert_eq!(served.counters.begun.load(Ordering::Relaxed), 1);
    assert_eq!(served.counters.repeated.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_to_the_machine_and_to_the_director() {
    let kernel = Some((file(&content(100_000)), 200_000));
    let served = Served::new(
        Told {
            kernel,
            ..Told::default()
        },
        Limits::default(),
    );
    let fetched = fetch(
        Ipv4Addr::LOCALHOST,
        served.address,
        "talos/vmlinuz-amd64",
        edk2(),
    )
    .await;
    let (code, message) = fetched.content.unwrap_err();
    assert_eq!(code, ErrorCode::NOT_DEFINED);
    assert!(
        message.starts_with("the server cannot read the file: "),
        "{message}"
    );
    served.until(|counters| &counters.broken, 1).await;
    assert!(
        served
            .heard()
            .last()
            .unwrap()
            .starts_with("kernel failed 64592 talos/vmlinuz-amd64")
    );
}

#[tokio::test]
async fn transfers_under_way_go_on_when_the_daemon_stops_and_others_are_dropped() {
    let mut served = Served::new(told(), Limits::default());
    let asking = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    asking.send(&machine::request("snponly.efi", edk2())).await;
    asking.recv().await.unwrap();
    let machine = Machine::new(Ipv4Addr::LOCALHOST, served.address).await;
    machine
        .send(b"\0\x01boot.ipxe\0octet\0blksize\x008\0")
        .await;
    let options = machine.recv().await.unwrap();
    machine.answer(b"\0\x04\0\0").await;
    let first = machine.recv_after(&options).await.unwrap();
    assert_eq!(first, b"\0\x03\0\x01#!ipxe\n#");

    served.stop.cancel();
    served.until(|counters| &counters.displaced, 1).await;
    machine.answer(b"\0\x04\0\x01").await;
    let second = machine.recv_after(&first).await.unwrap();
    assert_eq!(second, b"\0\x03\0\x02 table\n");
    assert!(served.task.try_join_next().is_none());
    machine.answer(b"\0\x04\0\x02").await;
    let ended = timeout(SOON, served.task.join_next()).await;
    ended.unwrap().unwrap().unwrap();
    assert_eq!(served.counters.done.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let first = TftpServer::bind(any, 80).unwrap();
    let error = TftpServer::bind(first.local_addr(), 80).unwrap_err();
    let sentence = error.to_string();
    let port = first.local_addr().port();
    assert!(
        sentence.starts_with(&format!("UDP port {port} is in use by ")),
        "{sentence}"
    );
}
