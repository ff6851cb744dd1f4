//! API tokens, for scripts. Of a token only a fingerprint is kept.

use std::collections::HashSet;

use model::{Authority, PersonName, Sha256Digest, Timestamp, TokenId, UserId};
use rusqlite::{Row, params};

use crate::row::{Cells, micros};
use crate::{Error, Reader, Writer};

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

/// The columns of a token in the order in which [`read_token`] takes them.
macro_rules! token {
    () => {
        "api_tokens.id, api_tokens.name, api_tokens.authority, made_by, maker_id, \
         (SELECT users.authority FROM users WHERE users.id = maker_id), api_tokens.created_at, expires_at, last_used_at, ended_at"
    };
}

impl Reader<'_> {
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
}

impl Writer<'_> {
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
            return Err(Error::Taken {
                field: "name",
                value: name.to_string(),
            });
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
        self.credentials_ended();
        let sql = concat!("DELETE FROM api_tokens WHERE id = ?1 RETURNING ", token!());
        self.maybe(sql, [token.0], read_token)
    }
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
