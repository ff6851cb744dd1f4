//! The one thread that writes: takes what has queued up, commits it together, and only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Author, Clock};
use rusqlite::Connection;
use tokio::sync::{broadcast, watch};

use crate::queue::Queue;
use crate::{Change, Error, Lane, Options, Writer};

/// The most changes in one transaction: what a caller may have to wait for beside its own.
const BATCH: usize = 256;

/// A change that waits to be made, and then to be committed.
pub(crate) trait WriteJob: Send {
    /// Who makes it.
    fn author(&self) -> Author;
    /// Makes it; false if it has to be undone.
    fn run(&mut self, writer: &Writer<'_>) -> bool;
    /// Tells the caller what became of it, once that is certain.
    fn settle(self: Box<Self>, committed: Result<(), Error>);
}

/// A closure, what it returned, and where that goes.
pub(crate) struct Pending<F, T, E, D> {
    author: Author,
    f: Option<F>,
    outcome: Option<Result<T, E>>,
    deliver: D,
}

impl<F, T, E, D> Pending<F, T, E, D> {
    pub(crate) fn new(author: Author, f: F, deliver: D) -> Self {
        Self {
            author,
            f: Some(f),
            outcome: None,
            deliver,
        }
    }
}

impl<F, T, E, D> WriteJob for Pending<F, T, E, D>
where
    F: FnOnce(&Writer<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
    D: FnOnce(Result<T, E>) + Send,
{
    fn author(&self) -> Author {
        self.author.clone()
    }

    fn run(&mut self, writer: &Writer<'_>) -> bool {
        let Some(f) = self.f.take() else { return false };
        let outcome = catch_unwind(AssertUnwindSafe(|| f(writer)))
            .unwrap_or_else(|payload| Err(Error::panicked(&*payload).into()));
        self.outcome.insert(outcome).is_ok()
    }

    fn settle(self: Box<Self>, committed: Result<(), Error>) {
        let result = match (self.outcome, committed) {
            (Some(Err(err)), _) => Err(err),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(err)) => Err(err.into()),
            (None, Ok(())) => Err(Error::Closed.into()),
        };
        (self.deliver)(result);
    }
}

/// The thread's own things.
pub(crate) struct Committer {
    pub(crate) conn: Connection,
    pub(crate) queue: Arc<Queue<Box<dyn WriteJob>, 2>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) changes: broadcast::Sender<Change>,
    /// How often sessions or API tokens ended.
    pub(crate) ends: watch::Sender<u64>,
    pub(crate) options: Options,
    /// Device configs that could not be made, ever since the start.
    pub(crate) config_failures: Arc<AtomicU64>,
}

impl Committer {
    /// Makes changes until the queue is closed and empty, then moves the write-ahead log into the database.
    pub(crate) fn serve(&self) {
        let mut first = Lane::Boot as usize;
        while let Some((lane, job)) = self.queue.pop(first) {
            let filled = self.batch(lane, job);
            // A flood in the boot lane fills batch after batch; between two of them the admin lane gets one change in.
            first = if filled { Lane::Admin } else { Lane::Boot } as usize;
        }
        let log_moved = self
            .conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(err) = log_moved {
            tracing::warn!(%err, "the write-ahead log stays; the next start takes it in");
        }
    }

    /// Makes `job` and what waits behind it in its lane in one transaction. Stops for the boot lane. Says whether it was full.
    fn batch(&self, lane: usize, job: Box<dyn WriteJob>) -> bool {
        if let Err(err) = self.sql("BEGIN IMMEDIATE") {
            job.settle(Err(err));
            return false;
        }
        let mut kept = Vec::new();
        let mut change = Change::default();
        let mut next = Some(job);
        let mut made = 0;
        while let Some(mut job) = next.take() {
            match self.make(&mut *job) {
                Ok(Some(touched)) => {
                    change.merge(touched);
                    kept.push(job);
                }
                Ok(None) => job.settle(Ok(())),
                Err(err) => job.settle(Err(err)),
            }
            made += 1;
            // A failing disk can make SQLite give up the whole transaction.
            if self.conn.is_autocommit() {
                let lost = Error::Disk("a change committed together with this one failed".into());
                kept.into_iter()
                    .for_each(|job| job.settle(Err(lost.clone())));
                return false;
            }
            if made < BATCH {
                next = self.queue.try_pop(lane);
            }
        }
        let committed = self.sql("COMMIT");
        match &committed {
            Ok(()) if !change.is_empty() => {
                self.config_failures
                    .fetch_add(change.config_failures, Ordering::Relaxed);
                if change.credentials {
                    // Before anybody is told that they ended.
                    self.ends.send_modify(|ends| *ends += 1);
                }
                // Nobody may be listening.
                let _ = self.changes.send(change);
            }
            Ok(()) => {}
            Err(err) => {
                tracing::error!(%err, changes = kept.len(), "a commit failed");
                if !self.conn.is_autocommit()
                    && let Err(err) = self.sql("ROLLBACK")
                {
                    tracing::error!(%err, "a rollback failed");
                }
            }
        }
        kept.into_iter()
            .for_each(|job| job.settle(committed.clone()));
        made == BATCH
    }

    /// Makes one change inside of the transaction; `None` if it was undone by its own wish.
    fn make(&self, job: &mut dyn WriteJob) -> Result<Option<Change>, Error> {
        self.sql("SAVEPOINT change")?;
        let author = job.author();
        let writer = Writer::new(&self.conn, &author, self.clock.now(), self.options);
        let keep = job.run(&writer);
        let touched = writer.into_change();
        if keep {
            self.sql("RELEASE change")?;
            return Ok(Some(touched));
        }
        if !self.conn.is_autocommit() {
            self.sql("ROLLBACK TO change")?;
            self.sql("RELEASE change")?;
        }
        Ok(None)
    }

    fn sql(&self, sql: &str) -> Result<(), Error> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
