//! Base configs: what every device config of a role is made from.

use std::fmt;

use model::{Role, Sha256Digest, Timestamp};
use rusqlite::params;

use crate::row::{Cells, fingerprint};
use crate::{Error, Reader, Writer};

/// A base config as it was imported.
#[derive(Clone, PartialEq, Eq)]
pub struct Base {
    /// Talos YAML, one or more documents, with the cluster's secrets.
    pub text: String,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// The fingerprint of the text.
    pub sha256: Sha256Digest,
}

impl fmt::Debug for Base {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("imported_at", &self.imported_at)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// The base config of a role, if one was imported.
    pub fn base(&self, role: Role) -> Result<Option<Base>, Error> {
        let sql = "SELECT text, imported_at, sha256 FROM base_configs WHERE role = ?1";
        self.maybe(sql, [role.as_str()], |row| {
            let mut cells = Cells::of(row);
            Ok(Base {
                text: cells.get()?,
                imported_at: cells.at()?,
                sha256: cells.parse()?,
            })
        })
    }
}

impl Writer<'_> {
    /// Puts a base config in the place of the one before; false, and nothing is written, if it is the same.
    pub fn save_base(&self, role: Role, text: &str) -> Result<bool, Error> {
        let sha256 = fingerprint(text.as_bytes());
        if self.base(role)?.is_some_and(|base| base.sha256 == sha256) {
            return Ok(false);
        }
        self.run(
            "INSERT OR REPLACE INTO base_configs (role, text, sha256, imported_at) VALUES (?1, ?2, ?3, ?4)",
            params![role.as_str(), text, sha256.to_string(), self.now().as_micros()],
        )?;
        self.next_revision()?;
        self.touch(|change| change.base = true);
        Ok(true)
    }
}
