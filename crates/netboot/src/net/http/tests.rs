//! The server over loopback, against raw requests and a director that is told what to say.

mod answers;
mod clients;

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use model::{AssetKind, AssetName, BootStage, StageOutcome, TalosVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use super::*;
use crate::director::{
    BootAsk, ConfigAnswer, ConfigAsk, Content, LoaderName, Observation, Offer, Program, ScriptAsk,
    Site,
};

const MAC: &str = "52-54-00-12-34-56";
/// Longer than anything takes that is to come.
const SOON: Duration = Duration::from_secs(30);

/// Says what a test lays down, and keeps what it was asked and told.
#[derive(Default)]
struct Told {
    kernel: Option<Arc<File>>,
    scripts: Mutex<Vec<ScriptAsk>>,
    configs: Mutex<Vec<ConfigAsk>>,
    observed: Mutex<Vec<Observation>>,
    /// A held poll began.
    held: Notify,
    /// Lets held polls go.
    release: Notify,
    /// A held poll was dropped before it was let go.
    abandoned: Arc<Notify>,
}

const CONFIG: &[u8] = b"version: v1alpha1\n";

#[async_trait]
impl Director for Told {
    async fn offer(&self, _: &BootAsk) -> Offer {
        Offer {
            program: Program::Script,
            server: None,
            discovery_control: true,
        }
    }

    async fn script(&self, ask: ScriptAsk) -> String {
        let held = ask.held_since.is_some();
        let server = ask.site.server;
        self.scripts.lock().unwrap().push(ask);
        if held {
            let guard = NotifyOnDrop(Some(Arc::clone(&self.abandoned)));
            self.held.notify_one();
            self.release.notified().await;
            guard.disarm();
        }
        format!("#!ipxe\necho from {server}\n")
    }

    async fn autoexec(&self, site: Site) -> String {
        format!("#!ipxe\nchain http://{}:{}/\n", site.server, site.http_port)
    }

    async fn table(&self, _: Site) -> Result<String, String> {
        Err("the store does not answer".into())
    }

    async fn config(&self, ask: ConfigAsk) -> ConfigAnswer {
        self.configs.lock().unwrap().push(ask);
        match ask.mac.octets()[5] {
            0x56 => ConfigAnswer::Serve(Bytes::from_static(CONFIG)),
            0x57 => ConfigAnswer::Refused("the device is pending".into()),
            0x58 => ConfigAnswer::Serve(Bytes::from(vec![b'#'; 32 << 20])),
            _ => ConfigAnswer::Unavailable("ask again".into()),
        }
    }

    async fn loader(&self, name: &LoaderName) -> Result<Content, String> {
        match name.as_str() {
            "snponly.efi" => Ok(Content::Bytes(Bytes::from_static(b"0123456789"))),
            "empty.efi" => Ok(Content::Bytes(Bytes::new())),
            _ => Err("no such loader; install the package ipxe".into()),
        }
    }

    async fn asset(&self, _: Option<&TalosVersion>, name: AssetName) -> Result<Content, String> {
        match (&self.kernel, name.kind) {
            (Some(kernel), AssetKind::Kernel) => {
                let len = kernel.metadata().map_err(|err| err.to_string())?.len();
                Ok(Content::File(Arc::clone(kernel), len))
            }
            _ => Err("initramfs was not imported".into()),
        }
    }

    fn observe(&self, seen: Observation) {
        self.observed.lock().unwrap().push(seen);
    }
}

struct NotifyOnDrop(Option<Arc<Notify>>);

impl NotifyOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.0 {
            abandoned.notify_one();
        }
    }
}

/// A server that runs until it is dropped.
struct Running {
    address: SocketAddrV4,
    told: Arc<Told>,
    counters: Arc<BootHttpCounters>,
    stop: CancellationToken,
    serving: JoinSet<()>,
    _stop: DropGuard,
}

async fn start(limits: Limits, told: Told) -> Running {
    let server = BootHttpServer::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))
        .await
        .unwrap()
        .with_limits(limits);
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, server.local_addr().port());
    let (told, stop) = (Arc::new(told), CancellationToken::new());
    let counters = server.counters();
    let mut serving = JoinSet::new();
    let director: Arc<dyn Director> = Arc::<Told>::clone(&told);
    serving.spawn(server.serve(director, stop.clone()));
    Running {
        address,
        told,
        counters,
        _stop: stop.clone().drop_guard(),
        stop,
        serving,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects from another address of the loopback network.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::from(([127, 0, 0, last], 0)))
            .unwrap();
        socket.connect(self.address.into()).await.unwrap()
    }

    /// Sends raw bytes on a connection of its own and reads to its end.
    async fn converse(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_to_end(&mut stream).await
    }

    /// One request on a connection that closes after it; head without its date, and body.
    async fn ask(&self, method: &str, target: &str, headers: &str) -> (String, String) {
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        split(&self.converse(request.as_bytes()).await)
    }

    /// Waits until the director was told `count` things, and gives stage, outcome, bytes and detail of each.
    async fn observed(&self, count: usize) -> Vec<(BootStage, StageOutcome, u64, String)> {
        let told = async {
            while self.told.observed.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, told).await.expect("the director is told");
        // Twice would be wrong as well, and comes at once.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let seen = self.told.observed.lock().unwrap();
        seen.iter()
            .map(|seen| {
                let bytes = seen.bytes.unwrap_or_default();
                (seen.stage, seen.outcome, bytes, seen.detail.clone())
            })
            .collect()
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the server neither answers nor closes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn split(answer: &str) -> (String, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let lines: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("date:") && *line != "connection: close")
        .collect();
    (lines.join("\n"), body.to_owned())
}

fn kernel(len: usize) -> (Arc<File>, Vec<u8>) {
    let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    (Arc::new(file), content)
}
