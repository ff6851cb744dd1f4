//! Boot assets: what was imported. The files themselves lie in the assets folder.

use model::{Asset, AssetName, TalosVersion};
use rusqlite::{Row, params};

use crate::row::{Cells, count};
use crate::{Error, Reader, Writer};

const ALL: &str = "SELECT version, arch, kind, size, sha256, imported_at FROM assets";

const NAMED: &str = "
    SELECT version, arch, kind, size, sha256, imported_at FROM assets
    WHERE arch = ?1 AND kind = ?2 AND (?3 IS NULL OR version = ?3)";

impl Reader<'_> {
    /// Every asset: the newest version first, then by name.
    pub fn assets(&self) -> Result<Vec<Asset>, Error> {
        let mut assets = self.all(ALL, [], read)?;
        assets.sort_by(|a, b| {
            let by_version = b.version.cmp(&a.version);
            by_version.then_with(|| (a.arch, a.kind).cmp(&(b.arch, b.kind)))
        });
        Ok(assets)
    }

    /// An asset of one version, or of the newest version that has it; a pre-release counts only where there is nothing else.
    pub fn asset(
        &self,
        version: Option<&TalosVersion>,
        name: AssetName,
    ) -> Result<Option<Asset>, Error> {
        let version = version.map(ToString::to_string);
        let params = params![name.arch.as_str(), name.kind.as_str(), version];
        let found = self.all(NAMED, params, read)?;
        Ok(found
            .into_iter()
            .max_by(|a, b| rank(&a.version).cmp(&rank(&b.version))))
    }
}

impl Writer<'_> {
    /// Records an imported asset in the place of one of the same version and name; false, and nothing is written, if that has the
    /// same length and fingerprint. The event is the caller's to write.
    pub fn insert_asset(&self, asset: &Asset) -> Result<bool, Error> {
        let there = self.asset(Some(&asset.version), asset.name())?;
        if there.is_some_and(|old| (old.size, old.sha256) == (asset.size, asset.sha256)) {
            return Ok(false);
        }
        self.run(
            "INSERT OR REPLACE INTO assets (version, arch, kind, size, sha256, imported_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                asset.version.to_string(),
                asset.arch.as_str(),
                asset.kind.as_str(),
                count(asset.size),
                asset.sha256.to_string(),
                asset.imported_at.as_micros(),
            ],
        )?;
        self.assets_touched()?;
        Ok(true)
    }

    /// Takes an asset out of the record and returns it, if it was there. The file and the event are the caller's.
    pub fn delete_asset(
        &self,
        version: &TalosVersion,
        name: AssetName,
    ) -> Result<Option<Asset>, Error> {
        let there = self.asset(Some(version), name)?;
        if there.is_some() {
            self.run(
                "DELETE FROM assets WHERE version = ?1 AND arch = ?2 AND kind = ?3",
                params![version.to_string(), name.arch.as_str(), name.kind.as_str()],
            )?;
            self.assets_touched()?;
        }
        Ok(there)
    }

    fn assets_touched(&self) -> Result<(), Error> {
        self.next_revision()?;
        self.touch(|change| change.assets = true);
        Ok(())
    }
}

/// Releases above pre-releases, then by number.
fn rank(version: &TalosVersion) -> (bool, &TalosVersion) {
    // Only a pre-release prints with a hyphen.
    (!version.is_prerelease(), version)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Asset> {
    let mut cells = Cells::of(row);
    Ok(Asset {
        version: cells.parse()?,
        arch: cells.parse()?,
        kind: cells.parse()?,
        size: cells.count()?,
        sha256: cells.parse()?,
        imported_at: cells.at()?,
    })
}
