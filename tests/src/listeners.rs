//! Listeners of the live events, browsers that read what they are told and some that never do, and somebody who gives them news.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::clock::poll;
use crate::daemon::Ktizo;
use crate::lan::{Host, inside};

/// Many listeners, until they are dropped.
#[derive(Debug)]
pub struct Listeners {
    /// Dropping it ends them.
    _stop: oneshot::Sender<()>,
    hand: Option<JoinHandle<io::Result<()>>>,
    count: Arc<Count>,
}

#[derive(Debug, Default)]
struct Count {
    /// Listeners that were let in.
    open: AtomicU32,
    /// Bytes that came to those who read.
    bytes: AtomicU64,
    /// How often one who reads was let go, and came back.
    let_go: AtomicU32,
}

/// Longer than it takes to let all in.
const PATIENCE: Duration = Duration::from_secs(60);
/// What one that never reads has room for, in bytes; the kernel doubles it.
const LITTLE_ROOM: u32 = 4096;

impl Listeners {
    /// Opens `reading` listeners that read, and `silent` ones that never do, on a host that reaches the admin plane at `to`.
    ///
    /// # Errors
    /// When not all of them are let in.
    pub fn start(host: &Host, to: &str, token: &str, reading: u32, silent: u32) -> Result<Self> {
        let to = to.parse().context("the address of the admin plane")?;
        let head = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: ktizo\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let (stop, mut stopped) = oneshot::channel();
        let count = Arc::<Count>::default();
        let (host, counted) = (host.clone(), Arc::clone(&count));
        let hand = std::thread::spawn(move || {
            inside(&host, || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async move {
                    let mut open: JoinSet<io::Result<()>> = JoinSet::new();
                    for number in 0..reading + silent {
                        let (head, count) = (head.clone(), Arc::clone(&counted));
                        open.spawn(async move {
                            if number < reading {
                                read(to, &head, &count).await
                            } else {
                                keep_silent(to, &head, &count).await
                            }
                        });
                    }
                    tokio::select! {
                        _ = &mut stopped => Ok(()),
                        Some(ended) = open.join_next() => match ended {
                            Ok(Err(err)) => Err(err),
                            _ => Err(io::Error::other("a listener ended")),
                        },
                    }
                })
            })
        });
        let listeners = Self {
            _stop: stop,
            hand: Some(hand),
            count,
        };
        let all =
            || (listeners.count.open.load(Ordering::Relaxed) >= reading + silent).then_some(());
        poll(PATIENCE, all).context("not all listeners were let in")?;
        Ok(listeners)
    }

    /// What came to them so far.
    pub fn told(&self) -> String {
        format!(
            "{:.0} MB told, {} let go and back",
            self.count.bytes.load(Ordering::Relaxed) as f64 / 1e6,
            self.count.let_go.load(Ordering::Relaxed)
        )
    }

    /// Ends them.
    ///
    /// # Errors
    /// When one of them ended before, or was not let in when it came back.
    pub fn end(mut self) -> Result<()> {
        let hand = self.hand.take();
        drop(self);
        let ended = hand.map(JoinHandle::join).transpose();
        ended.ok().flatten().context("the listeners panicked")??;
        Ok(())
    }
}

/// Reads all that comes; one that is let go comes back at once.
async fn read(to: std::net::SocketAddr, head: &str, count: &Count) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut is_first = true;
    loop {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut fresh = true;
        loop {
            let read = match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            if fresh && !buffer.starts_with(b"HTTP/1.1 200") {
                return Err(io::Error::other("a listener was not let in"));
            }
            if std::mem::take(&mut is_first) {
                count.open.fetch_add(1, Ordering::Relaxed);
            }
            fresh = false;
            count.bytes.fetch_add(read as u64, Ordering::Relaxed);
        }
        count.let_go.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks, and never reads again once it was let in.
async fn keep_silent(to: std::net::SocketAddr, head: &str, count: &Count) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(LITTLE_ROOM)?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await?;
    if first != *b"HTTP/1.1 200" {
        return Err(io::Error::other("a listener was not let in"));
    }
    count.open.fetch_add(1, Ordering::Relaxed);
    std::future::pending().await
}

/// Somebody who changes a device again and again, until it is dropped: each change is an event.
#[derive(Debug)]
pub struct Changes {
    stop: Arc<AtomicBool>,
    hand: Option<JoinHandle<Result<()>>>,
}

/// How long after one change the next is made.
const PAUSE: Duration = Duration::from_millis(20);

impl Changes {
    /// Begins, with the devices that there are.
    ///
    /// # Errors
    /// When they are not listed.
    pub fn start(ktizo: &Ktizo) -> Result<Self> {
        let (admin, stop) = (ktizo.admin(), Arc::<AtomicBool>::default());
        let listed = admin.get("/devices?limit=1000")?;
        ensure!(listed.status == 200, "no list: {}", listed.text());
        let listed = listed.json();
        let devices = listed.as_array().map(Vec::as_slice).unwrap_or_default();
        let devices: Vec<i64> = devices
            .iter()
            .filter_map(|device| device["id"].as_i64())
            .collect();
        ensure!(!devices.is_empty(), "there is no device to change");
        let stopped = Arc::clone(&stop);
        let hand = std::thread::spawn(move || {
            for (number, device) in devices.iter().cycle().enumerate() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let path = format!("/devices/{device}");
                let notes = json!({"notes": format!("change {number}")});
                let answer = admin.ask("PUT", &path, Some(&notes))?;
                ensure!(answer.status == 200, "PUT {path}: {}", answer.text());
                std::thread::sleep(PAUSE);
            }
            Ok(())
        });
        Ok(Self {
            stop,
            hand: Some(hand),
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When a change was refused or not answered.
    pub fn end(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.hand.take().map(JoinHandle::join).transpose();
        ended.ok().flatten().context("the changes panicked")?
    }
}
