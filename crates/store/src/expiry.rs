//! What time ends: sessions, API tokens and the set-up link.

use std::time::Duration;

use model::{PersonName, Timestamp};
use rusqlite::params;

use crate::row::Cells;
use crate::{Error, Reader, Writer};

/// Over by ?1: a session that has its end, or whose last use is ?2 microseconds ago, and of which that is not written down yet.
const SESSION_IS_OVER: &str = "last_seen_at > 0 AND (expires_at <= ?1 OR last_seen_at <= ?1 - ?2)";
const TOKEN_IS_OVER: &str = "ended_at IS NULL AND expires_at <= ?1";
const LINK_IS_OVER: &str = "expires_at <= ?1";

impl Reader<'_> {
    /// Whether time has ended, by `now`, a session, a token or a set-up link of which that is not written down yet.
    pub fn has_ended_by(&self, now: Timestamp, idle: Duration) -> Result<bool, Error> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM sessions WHERE {SESSION_IS_OVER})
                 OR EXISTS (SELECT 1 FROM api_tokens WHERE {TOKEN_IS_OVER})
                 OR EXISTS (SELECT 1 FROM set_up_links WHERE {LINK_IS_OVER})"
        );
        self.one(&sql, params![now.as_micros(), span(idle)], |row| row.get(0))
    }
}

impl Writer<'_> {
    /// Writes down what time has ended, so that no clock that is set back revives it; gives the names of the tokens among that. Of a
    /// session its last use is forgotten, and not from where it came.
    pub fn end_by_time(&self, idle: Duration) -> Result<Vec<PersonName>, Error> {
        self.credentials_ended();
        let now = self.now().as_micros();
        let sessions = format!("UPDATE sessions SET last_seen_at = 0 WHERE {SESSION_IS_OVER}");
        self.run(&sessions, params![now, span(idle)])?;
        let links = format!("DELETE FROM set_up_links WHERE {LINK_IS_OVER}");
        self.run(&links, [now])?;
        let tokens =
            format!("UPDATE api_tokens SET ended_at = ?1 WHERE {TOKEN_IS_OVER} RETURNING name");
        self.all(&tokens, [now], |row| Cells::of(row).parse())
    }
}

fn span(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
