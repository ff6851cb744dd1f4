//! Users, and the set-up link that makes one. Their sessions are in `session`. Of a password and a link only a fingerprint is kept.

use model::{Authority, PersonName, Sha256Digest, Timestamp, UserId};
use rusqlite::params;

use crate::row::Cells;
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

/// The columns of a user in the order in which [`read_user`] takes them.
pub(crate) const USER: &str = "users.id, users.name, users.authority, users.created_at, users.updated_at, users.last_sign_in_at";

impl Reader<'_> {
    /// Every user, by name.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let sql = format!("SELECT {USER} FROM users ORDER BY name");
        self.all(&sql, [], |row| read_user(&mut Cells::of(row)))
    }

    /// One user.
    pub fn user(&self, name: &PersonName) -> Result<Option<User>, Error> {
        let sql = format!("SELECT {USER} FROM users WHERE name = ?1");
        self.maybe(&sql, [name.as_str()], |row| read_user(&mut Cells::of(row)))
    }

    /// The fingerprint of a user's password, in the PHC string format.
    pub fn password_hash(&self, name: &PersonName) -> Result<Option<String>, Error> {
        let sql = "SELECT password_hash FROM users WHERE name = ?1";
        self.maybe(sql, [name.as_str()], |row| row.get(0))
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

impl Writer<'_> {
    /// Adds a user. [`Error::Taken`] if the name is somebody's. The event is the caller's to write, as everywhere here.
    pub fn insert_user(
        &self,
        name: &PersonName,
        authority: Authority,
        password_hash: &str,
    ) -> Result<UserId, Error> {
        if self.user(name)?.is_some() {
            return Err(Error::Taken {
                field: "name",
                value: name.to_string(),
            });
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

    /// Gives a user another password, and ends its sessions but that with the fingerprint `keep`.
    pub fn set_password(
        &self,
        user: UserId,
        password_hash: &str,
        keep: Option<Sha256Digest>,
    ) -> Result<(), Error> {
        self.run(
            "UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE id = ?1",
            params![user.0, password_hash, self.now().as_micros()],
        )?;
        self.run(
            "DELETE FROM sessions WHERE user_id = ?1 AND token_sha256 IS NOT ?2",
            params![user.0, keep.map(|keep| keep.to_string())],
        )?;
        self.credentials_ended();
        Ok(())
    }

    /// Deletes a user with its sessions and the tokens it made.
    pub fn delete_user(&self, user: UserId) -> Result<(), Error> {
        self.run("DELETE FROM users WHERE id = ?1", [user.0])?;
        self.credentials_ended();
        Ok(())
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

pub(crate) fn read_user(cells: &mut Cells<'_, '_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(cells.get()?),
        name: cells.parse()?,
        authority: cells.parse()?,
        created_at: cells.at()?,
        updated_at: cells.at()?,
        last_sign_in: cells.at_or_null()?,
    })
}
