//! People: users, their sessions, API tokens and the set-up link. Only fingerprints of secrets are kept.

use std::collections::HashSet;
use std::time::Duration;

use model::{Authority, PersonName, Sha256Digest, Timestamp, TokenId, UserId};
use rusqlite::{Row, params};

use crate::row::{Cells, micros};
use crate::{Error, Reader, Writer};

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub id: UserId,
    /// Its name.
    pub name: PersonName,
    /// What it may do.
    pub authority: Authority,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its password or authority was last changed.
    pub updated_at: Timestamp,
    /// When it last signed in.
    pub last_sign_in: Option<Timestamp>,
}

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

/// A token for scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: TokenId,
    /// Its name.
    pub name: PersonName,
    /// The authority it was made with.
    pub authority: Authority,
    /// Who made it.
    pub made_by: String,
    /// The account that made it, itself or by a token of its own; `None` for one that was made on the host.
    pub maker: Option<Maker>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never without it.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it was found to be over. It stays so, whatever the host's clock shows afterwards.
    pub ended_at: Option<Timestamp>,
}

/// The account that made a token, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Its number.
    pub id: UserId,
    /// What it may do.
    pub authority: Authority,
}

impl ApiToken {
    /// What its holder may do now: never more than who made it.
    pub fn in_force(&self) -> Authority {
        match self.maker {
            Some(maker) => self.authority.min(maker.authority),
            None => self.authority,
        }
    }

    /// Whether it lets its holder in at `now`. One with an end does not where the clock was set back to before it was made.
    pub fn is_good(&self, now: Timestamp) -> bool {
        let within = |end| now.is_within(self.created_at, end);
        self.ended_at.is_none() && self.expires_at.is_none_or(within)
    }
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

macro_rules! user {
    () => {
        "users.id, users.name, users.authority, users.created_at, users.updated_at, users.last_sign_in_at"
    };
}
macro_rules! token {
    () => {
        "api_tokens.id, api_tokens.name, api_tokens.authority, made_by, maker_id, \
         (SELECT users.authority FROM users WHERE users.id = maker_id), api_tokens.created_at, expires_at, last_used_at, ended_at"
    };
}

impl Reader<'_> {
    /// Every user, by name.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let sql = concat!("SELECT ", user!(), " FROM users ORDER BY name");
        self.all(sql, [], |row| read_user(&mut Cells::of(row)))
    }

    /// One user.
    pub fn user(&self, name: &PersonName) -> Result<Option<User>, Error> {
        let sql = concat!("SELECT ", user!(), " FROM users WHERE name = ?1");
        self.maybe(sql, [name.as_str()], |row| read_user(&mut Cells::of(row)))
    }

    /// The fingerprint of a user's password, in the PHC string format.
    pub fn password_hash(&self, name: &PersonName) -> Result<Option<String>, Error> {
        let sql = "SELECT password_hash FROM users WHERE name = ?1";
        self.maybe(sql, [name.as_str()], |row| row.get(0))
    }

    /// The session with this fingerprint, whether or not it has ended.
    pub fn session(&self, token: Sha256Digest) -> Result<Option<OpenSession>, Error> {
        let sql = concat!(
            "SELECT sessions.created_at, last_seen_at, expires_at, ",
            user!(),
            " FROM sessions JOIN users ON users.id = user_id WHERE token_sha256 = ?1"
        );
        self.maybe(sql, [token.to_string()], |row| {
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

    /// Every API token, by name.
    pub fn api_tokens(&self) -> Result<Vec<ApiToken>, Error> {
        let sql = concat!("SELECT ", token!(), " FROM api_tokens ORDER BY name");
        self.all(sql, [], read_token)
    }

    /// The API tokens that an account made, by name.
    pub fn api_tokens_of(&self, maker: UserId) -> Result<Vec<ApiToken>, Error> {
        let sql = concat!(
            "SELECT ",
            token!(),
            " FROM api_tokens WHERE maker_id = ?1 ORDER BY name"
        );
        self.all(sql, [maker.0], read_token)
    }

    /// The API token with this fingerprint, whether or not it has ended.
    pub fn api_token(&self, token: Sha256Digest) -> Result<Option<ApiToken>, Error> {
        let sql = concat!(
            "SELECT ",
            token!(),
            " FROM api_tokens WHERE token_sha256 = ?1"
        );
        self.maybe(sql, [token.to_string()], read_token)
    }

    /// The fingerprints of all API tokens that time has not ended, also of a database from before it was noted.
    pub(crate) fn token_prints(&self) -> Result<HashSet<String>, Error> {
        let has_ends =
            "SELECT EXISTS (SELECT 1 FROM pragma_table_info('api_tokens') WHERE name = 'ended_at')";
        let sql = if self.one(has_ends, [], |row| row.get(0))? {
            "SELECT token_sha256 FROM api_tokens WHERE ended_at IS NULL"
        } else {
            "SELECT token_sha256 FROM api_tokens"
        };
        let prints = self.all(sql, [], |row| row.get(0))?;
        Ok(prints.into_iter().collect())
    }

    /// The fingerprint of the set-up link and when it ends, if there is one.
    pub fn set_up_link(&self) -> Result<Option<(Sha256Digest, Timestamp)>, Error> {
        self.maybe(
            "SELECT token_sha256, expires_at FROM set_up_links",
            [],
            |row| {
                let mut cells = Cells::of(row);
                Ok((cells.parse()?, cells.at()?))
            },
        )
    }
}

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
        let now = self.now().as_micros();
        let sessions = format!("UPDATE sessions SET last_seen_at = 0 WHERE {SESSION_IS_OVER}");
        self.run(&sessions, params![now, span(idle)])?;
        let links = format!("DELETE FROM set_up_links WHERE {LINK_IS_OVER}");
        self.run(&links, [now])?;
        let tokens =
            format!("UPDATE api_tokens SET ended_at = ?1 WHERE {TOKEN_IS_OVER} RETURNING name");
        self.all(&tokens, [now], |row| Cells::of(row).parse())
    }

    /// Adds a user. [`Error::Taken`] if the name is somebody's. The event is the caller's to write, as everywhere here.
    pub fn insert_user(
        &self,
        name: &PersonName,
        authority: Authority,
        password_hash: &str,
    ) -> Result<UserId, Error> {
        if self.user(name)?.is_some() {
            return Err(taken(name));
        }
        self.run(
            "INSERT INTO users (name, authority, password_hash, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
            params![name.as_str(), authority.as_str(), password_hash, self.now().as_micros()],
        )?;
        Ok(UserId(self.conn.last_insert_rowid()))
    }

    /// Gives a user another authority.
    pub fn set_authority(&self, user: UserId, authority: Authority) -> Result<(), Error> {
        self.run(
            "UPDATE users SET authority = ?2, updated_at = ?3 WHERE id = ?1",
            params![user.0, authority.as_str(), self.now().as_micros()],
        )?;
        Ok(())
    }

    /// Gives a user another password, and ends its sessions.
    pub fn set_password(&self, user: UserId, password_hash: &str) -> Result<(), Error> {
        self.run(
            "UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE id = ?1",
            params![user.0, password_hash, self.now().as_micros()],
        )?;
        self.run("DELETE FROM sessions WHERE user_id = ?1", [user.0])?;
        Ok(())
    }

    /// Deletes a user with its sessions and the tokens it made.
    pub fn delete_user(&self, user: UserId) -> Result<(), Error> {
        self.run("DELETE FROM users WHERE id = ?1", [user.0])?;
        Ok(())
    }

    /// Opens a session, and drops those that have ended.
    pub fn open_session(
        &self,
        user: UserId,
        token: Sha256Digest,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let now = self.now().as_micros();
        self.run("DELETE FROM sessions WHERE expires_at <= ?1", [now])?;
        self.run(
            "DELETE FROM sessions WHERE token_sha256 IN (
                 SELECT token_sha256 FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC LIMIT -1 OFFSET ?2)",
            params![user.0, SESSIONS - 1],
        )?;
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

    /// Ends a session; says whether it was there.
    pub fn close_session(&self, token: Sha256Digest) -> Result<bool, Error> {
        let sql = "DELETE FROM sessions WHERE token_sha256 = ?1";
        Ok(self.run(sql, [token.to_string()])? > 0)
    }

    /// Ends every session; says how many there were.
    pub(crate) fn close_all_sessions(&self) -> Result<u64, Error> {
        Ok(self.run("DELETE FROM sessions", [])? as u64)
    }

    /// Deletes every API token whose fingerprint is not among `known`, and returns those that went.
    pub(crate) fn keep_api_tokens(&self, known: &HashSet<String>) -> Result<Vec<ApiToken>, Error> {
        let prints = "SELECT id, token_sha256 FROM api_tokens ORDER BY name";
        let prints: Vec<(i64, String)> =
            self.all(prints, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut gone = Vec::new();
        for (id, _) in prints.iter().filter(|(_, print)| !known.contains(print)) {
            gone.extend(self.delete_api_token(TokenId(*id))?);
        }
        Ok(gone)
    }

    /// Adds an API token; `maker` is the account that makes it, `None` on the host. [`Error::Taken`] if the name is another's.
    pub fn insert_api_token(
        &self,
        name: &PersonName,
        authority: Authority,
        token: Sha256Digest,
        expires_at: Option<Timestamp>,
        maker: Option<UserId>,
    ) -> Result<ApiToken, Error> {
        let there: Option<i64> = self.maybe(
            "SELECT id FROM api_tokens WHERE name = ?1",
            [name.as_str()],
            |row| row.get(0),
        )?;
        if there.is_some() {
            return Err(taken(name));
        }
        let sql = concat!(
            "INSERT INTO api_tokens (name, authority, token_sha256, made_by, created_at, expires_at, maker_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING ",
            token!()
        );
        self.one(
            sql,
            params![
                name.as_str(),
                authority.as_str(),
                token.to_string(),
                self.actor().to_string(),
                self.now().as_micros(),
                micros(expires_at),
                maker.map(|maker| maker.0),
            ],
            read_token,
        )
    }

    /// Notes that an API token is in use.
    pub fn api_token_used(&self, token: TokenId) -> Result<(), Error> {
        self.run(
            "UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1",
            params![token.0, self.now().as_micros()],
        )?;
        Ok(())
    }

    /// Deletes an API token and returns it, if it was there.
    pub fn delete_api_token(&self, token: TokenId) -> Result<Option<ApiToken>, Error> {
        let sql = concat!("DELETE FROM api_tokens WHERE id = ?1 RETURNING ", token!());
        self.maybe(sql, [token.0], read_token)
    }

    /// Puts a set-up link in the place of the one before.
    pub fn save_set_up_link(
        &self,
        token: Sha256Digest,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        self.run(
            "INSERT OR REPLACE INTO set_up_links (id, token_sha256, expires_at) VALUES (1, ?1, ?2)",
            params![token.to_string(), expires_at.as_micros()],
        )?;
        Ok(())
    }

    /// Spends the set-up link.
    pub fn delete_set_up_link(&self) -> Result<(), Error> {
        self.run("DELETE FROM set_up_links", [])?;
        Ok(())
    }
}

fn span(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn taken(name: &PersonName) -> Error {
    Error::Taken {
        field: "name",
        value: name.to_string(),
    }
}

fn read_user(cells: &mut Cells<'_, '_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(cells.get()?),
        name: cells.parse()?,
        authority: cells.parse()?,
        created_at: cells.at()?,
        updated_at: cells.at()?,
        last_sign_in: cells.at_or_null()?,
    })
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    let mut cells = Cells::of(row);
    Ok(ApiToken {
        id: TokenId(cells.get()?),
        name: cells.parse()?,
        authority: cells.parse()?,
        made_by: cells.get()?,
        maker: match (cells.get::<Option<i64>>()?, cells.parse_or_null()?) {
            (Some(id), Some(authority)) => Some(Maker {
                id: UserId(id),
                authority,
            }),
            _ => None,
        },
        created_at: cells.at()?,
        expires_at: cells.at_or_null()?,
        last_used: cells.at_or_null()?,
        ended_at: cells.at_or_null()?,
    })
}
