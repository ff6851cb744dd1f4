//! Copies of the database: taken while it is in use, and looked at before they take its place.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use model::{Author, EventKind, PersonName, Timestamp};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::{Error, Options, Reader, StoodDown, Writer, connection, schema};

/// Copies the database at `from` to the new file `to` (mode 0600): the whole of one moment, while others read and write on. Blocks.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
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

/// A copy that is to take the place of a database.
#[derive(Clone, Debug)]
pub struct Revival<'a> {
    /// The copy.
    pub copy: &'a Path,
    /// The database whose place it takes, if there is one.
    pub before: Option<&'a Path>,
    /// What the events of the copy call the backup it comes from.
    pub file: String,
    /// When that was taken.
    pub taken_at: Timestamp,
}

/// What a restore took away, and what is left: sessions and API tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Barred {
    /// How many sessions were ended.
    pub sessions: u64,
    /// The API tokens that were revoked.
    pub tokens: Vec<PersonName>,
    /// The orders that were taken back.
    pub stood_down: StoodDown,
    /// How many API tokens are good.
    pub good_tokens: usize,
    /// The database before was there and could not be read, so that all tokens were revoked.
    pub before_is_unreadable: bool,
}

impl Revival<'_> {
    /// Brings the copy to the newest format and takes away what must not come back with it: orders to wipe and to install, which may
    /// have been carried out since, every session and the set-up link, and of the API tokens those that the database before does not have, for they were revoked since, or all where that cannot be told.
    /// Without a database before all tokens stay. Writes an event. All of it or nothing; blocks.
    pub fn close_doors(&self, author: &Author, now: Timestamp) -> Result<Barred, Error> {
        let known = self.before.map(known_tokens);
        let before_is_unreadable = known.as_ref().is_some_and(Result::is_err);
        let conn = connection::open_writer(self.copy)?;
        let barred = {
            conn.execute_batch("BEGIN IMMEDIATE")?;
            let writer = Writer::new(&conn, author, now, Options::default());
            let sessions = writer.close_all_sessions()?;
            writer.delete_set_up_link()?;
            let stood_down = writer.stand_down()?;
            let gone = match known {
                None => Vec::new(),
                Some(known) => writer.keep_api_tokens(&known.unwrap_or_default())?,
            };
            let tokens: Vec<PersonName> = gone.into_iter().map(|token| token.name).collect();
            let what = EventKind::StateRestored {
                file: self.file.clone(),
                taken_at: self.taken_at,
                sessions,
                tokens: tokens.clone(),
                wipes: stood_down.wipes,
                installs: stood_down.installs,
            };
            writer.event(None, what)?;
            Barred {
                sessions,
                tokens,
                stood_down,
                good_tokens: writer.token_prints()?.len(),
                before_is_unreadable,
            }
        };
        conn.execute_batch("COMMIT")?;
        // A file that stands alone, without a log beside it.
        conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        conn.close().map_err(|(_, err)| err)?;
        Ok(barred)
    }
}

/// The API tokens that are good by a database.
fn known_tokens(path: &Path) -> Result<HashSet<String>, Error> {
    let conn = connection::open_reader(path)?;
    schema::recognise(&conn, path)?;
    Reader { conn: &conn }.token_prints()
}
