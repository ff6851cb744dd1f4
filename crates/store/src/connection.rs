//! Opens the database file.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::{Error, schema};

/// The mode of all files of the database: they hold cluster secrets.
const PRIVATE: u32 = 0o600;
/// How long a connection waits for another program's lock.
const BUSY: Duration = Duration::from_secs(5);
/// How many prepared statements a connection keeps; more than this crate has.
const STATEMENTS: usize = 128;
/// The longest write-ahead log that is kept after a checkpoint, in bytes.
const WAL_KEPT: i64 = 16 << 20;

/// Opens or makes the file, private to its owner, brings it to the newest format, and returns the connection that writes.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    make(path).map_err(|err| cannot(path, &err))?;
    let mut conn = open(path)?;
    schema::recognise(&conn, path).map_err(|err| blame(path, err))?;
    make_private(path).map_err(|err| cannot(path, &err))?;
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|err| blame(path, err.into()))?;
    if mode != "wal" {
        let why = format!(
            "its file system cannot share a write-ahead log (got journal mode {mode}); keep it on a local disk"
        );
        return Err(Error::Open {
            path: path.to_owned(),
            why,
        });
    }
    conn.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    schema::migrate(&mut conn, path)?;
    Ok(conn)
}

/// Opens a connection that cannot change anything.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let conn = open(path)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|err| blame(path, err.into()))?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "synchronous", "FULL")
        .map_err(|err| blame(path, err.into()))?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Makes the file if it is missing.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE);
    options.open(path).map(drop)
}

/// Takes the files away from everyone but their owner. SQLite gives the mode of the database to the write-ahead log and the
/// shared memory that it makes beside it; those that an earlier process left are seen to here.
fn make_private(path: &Path) -> io::Result<()> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::metadata(&file) {
            Ok(meta) if meta.permissions().mode() & 0o777 != PRIVATE => {
                fs::set_permissions(&file, Permissions::from_mode(PRIVATE))?;
            }
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn cannot(path: &Path, err: &io::Error) -> Error {
    Error::Open {
        path: path.to_owned(),
        why: err.to_string(),
    }
}

/// Says what a file is that SQLite cannot read.
fn blame(path: &Path, err: Error) -> Error {
    match err {
        Error::Corrupt(why) => Error::NotADatabase {
            path: path.to_owned(),
            why,
        },
        Error::Disk(why) => Error::Open {
            path: path.to_owned(),
            why,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(conn: &Connection, name: &str) -> String {
        conn.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    }

    #[test]
    fn the_writer_syncs_each_commit_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let writer = open_writer(&path).unwrap();
        let reader = open_reader(&path).unwrap();
        for (name, value) in [
            ("journal_mode", "Text(\"wal\")"),
            ("foreign_keys", "Integer(1)"),
            // FULL
            ("synchronous", "Integer(2)"),
            ("busy_timeout", "Integer(5000)"),
        ] {
            assert_eq!(pragma(&writer, name), value, "{name}");
            assert_eq!(pragma(&reader, name), value, "{name}");
        }
        let refused = reader.execute("DELETE FROM devices", []);
        assert!(matches!(Error::from(refused.unwrap_err()), Error::Disk(_)));
    }
}
