//! Reading: a consistent view of the database, on threads of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::Error;
use crate::queue::Queue;

/// A view of the database as it is at one moment. Its methods are grouped by what they read, one file each.
pub struct Reader<'a> {
    pub(crate) conn: &'a Connection,
}

/// What a reader thread is asked to do.
pub(crate) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// Answers reads until the queue is closed.
pub(crate) fn serve(conn: &Connection, queue: &Queue<ReadJob, 1>) {
    while let Some((_, job)) = queue.pop(0) {
        job(conn);
    }
}

/// Runs `f` on one view, so that all it reads belongs together.
pub(crate) fn view<T>(
    conn: &Connection,
    f: impl FnOnce(&Reader<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = catch_unwind(AssertUnwindSafe(|| f(&Reader { conn })));
    // Nothing was changed, so there is nothing that ending the view could lose.
    let ended = conn
        .prepare_cached("COMMIT")
        .and_then(|mut statement| statement.execute([]));
    let result = result.unwrap_or_else(|payload| Err(Error::panicked(&*payload)));
    ended?;
    result
}

impl Reader<'_> {
    /// A number that grows with every change by people or ktizo itself to devices, settings, base configs, device configs and
    /// assets. What machines do does not count: being seen, boot stages, downloads.
    pub fn revision(&self) -> Result<i64, Error> {
        self.one("SELECT revision FROM revisions", [], |row| row.get(0))
    }

    /// Looks through the whole file for damage; empty if there is none. Takes seconds where the file is large.
    pub fn damage(&self) -> Result<Vec<String>, Error> {
        let mut found: Vec<String> =
            self.all("SELECT * FROM pragma_integrity_check()", [], |row| {
                row.get(0)
            })?;
        found.retain(|line| line != "ok");
        Ok(found)
    }

    /// The row that must be there.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        Ok(self.conn.prepare_cached(sql)?.query_row(params, read)?)
    }

    /// The row, if it is there.
    pub(crate) fn maybe<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.conn.prepare_cached(sql)?;
        Ok(statement.query_row(params, read).optional()?)
    }

    /// Every row.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
