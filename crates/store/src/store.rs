//! The store: one database file, the threads that serve it, and the doors to them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::{Actor, Author, Clock};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::Instant;

use crate::commit::{Committer, Pending, WriteJob};
use crate::latency::{self, Latencies, Latency};
use crate::queue::Queue;
use crate::reader::{self, ReadJob};
use crate::{Change, Error, Reader, Writer, backup, connection};

/// The database of one ktizo. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// On whose behalf a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A machine that boots: it goes first.
    Boot = 0,
    /// A person, or housekeeping.
    Admin = 1,
}

/// Limits that keep strangers on the network from filling the disk, and what the rest of the daemon hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most devices that are kept although no person ever had a hand in them.
    pub undecided_devices: u64,
    /// The most events that are kept of machines and of ktizo itself. Those of persons are kept for ever.
    pub machine_events: u64,
    /// The most bytes that kernel logs may have together.
    pub kernel_log_bytes: u64,
    /// Whether somebody takes the events that machines send, so that their silence says something.
    pub takes_events: bool,
    /// Whether somebody takes their kernel logs.
    pub takes_kernel_logs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            undecided_devices: 4096,
            machine_events: 200_000,
            kernel_log_bytes: 256 << 20,
            takes_events: true,
            takes_kernel_logs: true,
        }
    }
}

/// Threads a lane of reads has.
const READERS: usize = 2;
/// Reads that may wait in a lane.
const READS_WAITING: usize = 1024;
/// Changes that may wait, in the boot lane and in the admin lane.
const WRITES_WAITING: [usize; 2] = [4096, 1024];
/// How long a caller waits for room in a full queue before it is told that the store is busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commits that a slow subscriber may be behind before it misses some.
const CHANGES_KEPT: usize = 256;

struct Inner {
    reads: [Arc<Queue<ReadJob, 1>>; 2],
    writes: Arc<Queue<Box<dyn WriteJob>, 2>>,
    changes: broadcast::Sender<Change>,
    ends: watch::Receiver<u64>,
    latencies: Latencies,
    config_failures: Arc<AtomicU64>,
    path: PathBuf,
    readers: Mutex<Vec<JoinHandle<()>>>,
    writer: Mutex<Vec<JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the database (mode 0600), brings it to the newest format, and starts the threads that serve it. Refuses a
    /// newer format, and a file that is something else.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_with(path, clock, Options::default())
    }

    /// The same, with limits of the caller's.
    pub fn open_with(path: &Path, clock: Arc<dyn Clock>, options: Options) -> Result<Self, Error> {
        let conn = connection::open_writer(path)?;
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let (ended, ends) = watch::channel(0);
        let inner = Inner {
            reads: std::array::from_fn(|_| Arc::new(Queue::new([READS_WAITING], PATIENCE))),
            writes: Arc::new(Queue::new(WRITES_WAITING, PATIENCE)),
            changes,
            ends,
            latencies: Latencies::default(),
            config_failures: Arc::default(),
            path: path.to_owned(),
            readers: Mutex::default(),
            writer: Mutex::default(),
        };
        for (queue, name) in inner.reads.iter().zip(["store-boot", "store-admin"]) {
            for _ in 0..READERS {
                let conn = connection::open_reader(path)?;
                let queue = Arc::clone(queue);
                start(path, name, &inner.readers, move || {
                    reader::serve(&conn, &queue);
                })?;
            }
        }
        let committer = Committer {
            conn,
            queue: Arc::clone(&inner.writes),
            clock,
            changes: inner.changes.clone(),
            ends: ended,
            options,
            config_failures: Arc::clone(&inner.config_failures),
        };
        start(path, "store-writer", &inner.writer, move || {
            committer.serve();
        })?;
        Ok(Self(Arc::new(inner)))
    }

    /// Runs `f` on one consistent view. Each lane has threads of its own, so that a long list never delays a boot.
    pub async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        f: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |conn| {
            // Whoever asked may have gone in the meantime.
            if !reply.is_closed() {
                let _ = reply.send(reader::view(conn, f));
            }
        });
        let began = Instant::now();
        self.0.reads[lane as usize].push(0, job).await?;
        let result = answer.await.unwrap_or(Err(Error::Closed));
        self.0.latencies.count(latency::READ, lane, began.elapsed());
        result
    }

    /// Runs `f` as one change: all of it and its events, or nothing if it returns an error. Durable when this returns. Several
    /// changes that wait are committed together, so that a burst costs one sync; those of [`Lane::Boot`] go first. Once queued,
    /// a change is made even if the caller stops waiting.
    pub async fn write<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        lane: Lane,
        author: impl Into<Author>,
        f: impl FnOnce(&Writer<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        let deliver = move |result| {
            let _ = reply.send(result);
        };
        let job = Box::new(Pending::new(author.into(), f, deliver));
        let began = Instant::now();
        self.0.writes.push(lane as usize, job).await?;
        let result = answer.await.unwrap_or_else(|_| Err(Error::Closed.into()));
        self.0
            .latencies
            .count(latency::WRITE, lane, began.elapsed());
        result
    }

    /// Hands a change to the writer without waiting, in the boot lane; false if that is full or closed. What goes wrong later is logged.
    pub fn submit(
        &self,
        actor: Actor,
        f: impl FnOnce(&Writer<'_>) -> Result<(), Error> + Send + 'static,
    ) -> bool {
        let deliver = |result: Result<(), Error>| {
            if let Err(err) = result {
                tracing::warn!(%err, "a sighting or boot stage was not recorded");
            }
        };
        let job = Box::new(Pending::new(actor.into(), f, deliver));
        self.0.writes.try_push(Lane::Boot as usize, job).is_ok()
    }

    /// Every commit from now on, after it is durable. A receiver that lags misses some and must read anew.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    /// Says how often sessions or API tokens have ended since the start, before anybody is told of the end.
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.0.ends.clone()
    }

    /// How long requests took since the start.
    pub fn latencies(&self) -> Vec<Latency> {
        self.0.latencies.rows()
    }

    /// How many device configs could not be made since the start.
    pub fn config_failures(&self) -> u64 {
        self.0.config_failures.load(Ordering::Relaxed)
    }

    /// Copies the database to a new file (mode 0600) while it is in use. Blocks for as long as that takes.
    pub fn back_up(&self, to: &Path) -> Result<(), Error> {
        backup::copy(&self.0.path, to)
    }

    /// Makes what is queued, moves the write-ahead log into the database and ends the threads. Other clones get [`Error::Closed`]
    /// from then on. Blocks for as long as that takes.
    pub fn close(self) {
        self.0.close();
    }
}

impl Inner {
    fn close(&self) {
        // Readers first: the log can be moved only when nobody looks at it.
        self.reads.iter().for_each(|queue| queue.close());
        join(&self.readers);
        self.writes.close();
        join(&self.writer);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Starts a thread and keeps its handle.
fn start(
    path: &Path,
    name: &str,
    threads: &Mutex<Vec<JoinHandle<()>>>,
    run: impl FnOnce() + Send + 'static,
) -> Result<(), Error> {
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|err| Error::Open {
            path: path.to_owned(),
            why: format!("no thread for it: {err}"),
        })?;
    threads
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(thread);
    Ok(())
}

/// Waits for the threads to end.
fn join(threads: &Mutex<Vec<JoinHandle<()>>>) {
    let ended = std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
    for thread in ended {
        // A closure may own the last clone of the store; its thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() {
            // A thread that panicked has told so already.
            let _ = thread.join();
        }
    }
}
