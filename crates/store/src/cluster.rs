//! The cluster: its settings, and every secrets bundle that ever was in use.

use std::fmt;

use model::{Origin, Sha256Digest, Timestamp};
use rusqlite::{Row, params};

use crate::row::{Cells, fingerprint};
use crate::{Error, Reader, Writer};

/// A secrets bundle of the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretsRow {
    /// Names it among those that were in use.
    pub id: i64,
    /// The text of `secrets.yaml`.
    pub text: String,
    /// The fingerprint of the text.
    pub sha256: Sha256Digest,
    /// Where it comes from.
    pub origin: Origin,
    /// When it came into use.
    pub made_at: Timestamp,
    /// When another took its place; `None` for the one in use.
    pub replaced_at: Option<Timestamp>,
}

impl fmt::Debug for SecretsRow {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsRow")
            .field("id", &self.id)
            .field("origin", &self.origin)
            .field("made_at", &self.made_at)
            .field("replaced_at", &self.replaced_at)
            .finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// The settings of the cluster, as JSON in the form of the config generator, if there are any.
    pub fn cluster_settings(&self) -> Result<Option<String>, Error> {
        let sql = "SELECT settings FROM cluster_settings";
        self.maybe(sql, [], |row| row.get(0))
    }

    /// The secrets bundle in use, if there is one.
    pub fn secrets(&self) -> Result<Option<SecretsRow>, Error> {
        let sql = "SELECT id, text, sha256, origin, made_at, replaced_at FROM secrets_bundles WHERE replaced_at IS NULL";
        self.maybe(sql, [], read)
    }

    /// The secrets bundles that were replaced, the oldest first.
    pub fn replaced_secrets(&self) -> Result<Vec<SecretsRow>, Error> {
        let sql = "SELECT id, text, sha256, origin, made_at, replaced_at FROM secrets_bundles
                   WHERE replaced_at IS NOT NULL ORDER BY id";
        self.all(sql, [], read)
    }
}

impl Writer<'_> {
    /// Puts other settings of the cluster in force. The event is the caller's to write.
    pub fn save_cluster_settings(&self, json: &str) -> Result<(), Error> {
        self.run(
            "INSERT OR REPLACE INTO cluster_settings (id, settings, changed_at) VALUES (1, ?1, ?2)",
            params![json, self.now().as_micros()],
        )?;
        self.cluster_touched()
    }

    /// Takes a secrets bundle into use and keeps the one before; false, and nothing is written, if it is the same. The event is the
    /// caller's to write.
    pub fn save_secrets(&self, text: &str, origin: Origin) -> Result<bool, Error> {
        let sha256 = fingerprint(text.as_bytes());
        if self.secrets()?.is_some_and(|row| row.sha256 == sha256) {
            return Ok(false);
        }
        self.run(
            "UPDATE secrets_bundles SET replaced_at = ?1 WHERE replaced_at IS NULL",
            [self.now().as_micros()],
        )?;
        self.run(
            "INSERT INTO secrets_bundles (text, sha256, origin, made_at) VALUES (?1, ?2, ?3, ?4)",
            params![
                text,
                sha256.to_string(),
                origin.as_str(),
                self.now().as_micros()
            ],
        )?;
        self.cluster_touched()?;
        Ok(true)
    }

    /// Notes that what device configs are made from has changed.
    pub(crate) fn cluster_touched(&self) -> Result<(), Error> {
        self.next_revision()?;
        self.touch(|change| change.base = true);
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<SecretsRow> {
    let mut cells = Cells::of(row);
    Ok(SecretsRow {
        id: cells.get()?,
        text: cells.get()?,
        sha256: cells.parse()?,
        origin: cells.parse()?,
        made_at: cells.at()?,
        replaced_at: cells.at_or_null()?,
    })
}
