//! Copies of the database: taken while it is in use, and looked at before they take its place.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::{Error, Reader, connection, schema};

/// Copies the database at `from` to the new file `to` (mode 0600): the whole of one moment, while others read and write on. Blocks.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let source = connection::open_reader(from)?;
    connection::make(to).map_err(|err| connection::cannot(to, &err))?;
    let mut copy = Connection::open(to)?;
    // All pages in one step: one view, which no change starts anew. The write-ahead log lets writers go on beside it.
    Backup::new(&source, &mut copy)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
    // A file that stands alone, without a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    copy.close().map_err(|(_, err)| err)?;
    Ok(())
}

/// Looks at a database that is to take the place of another: refuses what is none of ktizo's, what is of a newer format, and what
/// is damaged. Changes nothing. Blocks.
pub fn check_copy(path: &Path) -> Result<(), Error> {
    let conn = connection::open_reader(path)?;
    schema::recognise(&conn, path)?;
    schema::check_format(&conn, path)?;
    let damage = Reader { conn: &conn }.damage()?;
    match damage.first() {
        None => Ok(()),
        Some(first) => Err(Error::Corrupt(first.clone())),
    }
}
