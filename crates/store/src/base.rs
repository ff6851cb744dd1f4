//! Base configs: what every device config of a role is made from.

use std::fmt;

use model::{Origin, Role, Sha256Digest, Timestamp};
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
    /// Where it comes from.
    pub origin: Origin,
}

impl fmt::Debug for Base {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("imported_at", &self.imported_at)
            .field("sha256", &self.sha256)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// The base config of a role, if one was imported.
    pub fn base(&self, role: Role) -> Result<Option<Base>, Error> {
        let sql = "SELECT text, imported_at, sha256, origin FROM base_configs WHERE role = ?1";
        self.maybe(sql, [role.as_str()], |row| {
            let mut cells = Cells::of(row);
            Ok(Base {
                text: cells.get()?,
                imported_at: cells.at()?,
                sha256: cells.parse()?,
                origin: cells.parse()?,
            })
        })
    }
}

impl Writer<'_> {
    /// Puts a base config in the place of the one before; false, and nothing is written, if it is the same from the same origin.
    pub fn save_base(&self, role: Role, text: &str, origin: Origin) -> Result<bool, Error> {
        let sha256 = fingerprint(text.as_bytes());
        let same = |base: Base| base.sha256 == sha256 && base.origin == origin;
        if self.base(role)?.is_some_and(same) {
            return Ok(false);
        }
        self.run(
            "INSERT OR REPLACE INTO base_configs (role, text, sha256, imported_at, origin) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                role.as_str(),
                text,
                sha256.to_string(),
                self.now().as_micros(),
                origin.as_str()
            ],
        )?;
        self.cluster_touched()?;
        Ok(true)
    }
}
