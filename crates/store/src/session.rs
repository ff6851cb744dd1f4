//! Sessions: who is signed in by browser. Of a session's token only a fingerprint is kept.

use std::time::Duration;

use model::{PersonName, Sha256Digest, Timestamp, UserId};
use rusqlite::params;

use crate::person::{USER, User, read_user};
use crate::row::Cells;
use crate::{Error, Reader, Writer};

/// A session, as its token finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Whose it is.
    pub user: User,
    /// When it began.
    pub created_at: Timestamp,
    /// When its token was last shown, to the minute.
    pub last_seen: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

impl OpenSession {
    /// Whether it is open at `now`, where it ends `idle` after it was last used. It is not where the clock was set back to before that.
    pub fn is_open(&self, now: Timestamp, idle: Duration) -> bool {
        let in_use = now.is_within(self.last_seen, self.last_seen.plus(idle));
        in_use && now.is_within(self.created_at, self.expires_at)
    }
}

/// Sessions that a user may have at once; the oldest make room.
const SESSIONS: i64 = 50;

impl Reader<'_> {
    /// The session with this fingerprint, whether or not it has ended.
    pub fn session(&self, token: Sha256Digest) -> Result<Option<OpenSession>, Error> {
        let sql = format!(
            "SELECT sessions.created_at, last_seen_at, expires_at, {USER}
             FROM sessions JOIN users ON users.id = user_id WHERE token_sha256 = ?1"
        );
        self.maybe(&sql, [token.to_string()], |row| {
            let mut cells = Cells::of(row);
            Ok(OpenSession {
                created_at: cells.at()?,
                last_seen: cells.at()?,
                expires_at: cells.at()?,
                user: read_user(&mut cells)?,
            })
        })
    }

    /// Whether a session of this user that was not closed was opened from there.
    pub fn has_session_from(&self, name: &PersonName, from: &str) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sessions JOIN users ON users.id = user_id WHERE users.name = ?1 AND came_from = ?2)";
        self.one(sql, [name.as_str(), from], |row| row.get(0))
    }
}

impl Writer<'_> {
    /// Opens a session, and drops those that have ended.
    pub fn open_session(
        &self,
        user: UserId,
        token: Sha256Digest,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let now = self.now().as_micros();
        self.run("DELETE FROM sessions WHERE expires_at <= ?1", [now])?;
        let made_room = self.run(
            "DELETE FROM sessions WHERE token_sha256 IN (
                 SELECT token_sha256 FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC LIMIT -1 OFFSET ?2)",
            params![user.0, SESSIONS - 1],
        )?;
        if made_room > 0 {
            self.credentials_ended();
        }
        self.run(
            "INSERT INTO sessions (token_sha256, user_id, came_from, created_at, last_seen_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
            params![
                token.to_string(),
                user.0,
                self.from().unwrap_or_default(),
                now,
                expires_at.as_micros()
            ],
        )?;
        self.run(
            "UPDATE users SET last_sign_in_at = ?2 WHERE id = ?1",
            params![user.0, now],
        )?;
        Ok(())
    }

    /// Notes that a session is in use, unless it is over.
    pub fn session_seen(&self, token: Sha256Digest) -> Result<(), Error> {
        self.run(
            "UPDATE sessions SET last_seen_at = ?2 WHERE token_sha256 = ?1 AND last_seen_at > 0",
            params![token.to_string(), self.now().as_micros()],
        )?;
        Ok(())
    }

    /// Notes that sessions or API tokens ended, for those who answer their holders still.
    pub(crate) fn credentials_ended(&self) {
        self.touch(|change| change.credentials = true);
    }

    /// Ends a session; says whether it was there.
    pub fn close_session(&self, token: Sha256Digest) -> Result<bool, Error> {
        let sql = "DELETE FROM sessions WHERE token_sha256 = ?1";
        let was_there = self.run(sql, [token.to_string()])? > 0;
        if was_there {
            self.credentials_ended();
        }
        Ok(was_there)
    }

    /// Ends every session; says how many there were.
    pub(crate) fn close_all_sessions(&self) -> Result<u64, Error> {
        self.credentials_ended();
        Ok(self.run("DELETE FROM sessions", [])? as u64)
    }
}
