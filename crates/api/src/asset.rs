//! Boot assets: files named by their SHA-256, in use as soon as the store says so.
//!
//! An upload is written to `uploads/` and fingerprinted on its way; an import moves uploads into the folder itself and records
//! them in one transaction. A file that nothing refers to may be what a crash left behind in between, or in use by a state that is
//! put back tomorrow: it stays, and is told of.

mod import;
mod receive;
mod soundness;

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Asset, AssetName, Author, EventKind, Sha256Digest, TalosVersion};
use store::{Lane, Store};
use tokio::sync::Mutex;

use crate::Error;

pub(crate) use import::import;
pub(crate) use receive::{STALLED, receive};
pub use soundness::AssetFault;

/// The folder of imported assets; each is a file named by its SHA-256.
#[derive(Clone, Debug)]
pub struct AssetFolder {
    path: PathBuf,
    /// Held while files come into use or go.
    moving: Arc<Mutex<()>>,
    checked: Arc<soundness::Checked>,
}

impl AssetFolder {
    /// The folder at `path`, which is made if it is missing (mode 0700). Removes the uploads of an earlier run. A file that `in_use`
    /// does not have is only told of: the database may be an older one, put back in the place of the one that knows it.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(path: PathBuf, in_use: &[Asset]) -> io::Result<Self> {
        let uploads = path.join("uploads");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&uploads)?;
        for entry in std::fs::read_dir(&uploads)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::remove_file(entry.path())?;
            }
        }
        let used: HashSet<String> = in_use
            .iter()
            .map(|asset| asset.sha256.to_string())
            .collect();
        for entry in std::fs::read_dir(&path)? {
            let (file, name) = {
                let entry = entry?;
                (entry.path(), entry.file_name())
            };
            let name = name.to_string_lossy();
            if name.parse::<Sha256Digest>().is_ok() && !used.contains(&*name) {
                tracing::warn!(file = %file.display(), "no asset refers to this file; import what it was once more, or delete it");
            }
        }
        Ok(Self {
            path,
            moving: Arc::default(),
            checked: Arc::default(),
        })
    }

    /// Where an asset's file is.
    pub fn file(&self, sha256: Sha256Digest) -> PathBuf {
        self.path.join(sha256.to_string())
    }

    fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    fn upload(&self, sha256: Sha256Digest) -> PathBuf {
        self.uploads().join(sha256.to_string())
    }
}

/// Every asset, the newest version first.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]
pub(crate) async fn list(store: &Store) -> Result<Vec<Asset>, Error> {
    Ok(store.read(Lane::Admin, |reader| reader.assets()).await?)
}

/// Takes an asset out of use and deletes its file. A machine that is fetching it gets the rest of it.
pub(crate) async fn remove(
    store: &Store,
    folder: &AssetFolder,
    author: Author,
    version: TalosVersion,
    name: AssetName,
) -> Result<(), Error> {
    let _moving = folder.moving.lock().await;
    let sha256 = store
        .write(Lane::Admin, author, move |writer| {
            let Some(asset) = writer.delete_asset(&version, name)? else {
                let name = format!("{version}/{name}");
                return Err(Error::NotFound {
                    what: "asset",
                    name,
                });
            };
            let what = EventKind::AssetRemoved {
                version,
                name: name.to_string(),
            };
            writer.event(None, what)?;
            Ok(asset.sha256)
        })
        .await?;
    drop_unused(store, folder, &[sha256]).await
}

/// Deletes the files that no asset refers to any more.
async fn drop_unused(
    store: &Store,
    folder: &AssetFolder,
    files: &[Sha256Digest],
) -> Result<(), Error> {
    let assets = list(store).await?;
    for sha256 in files {
        if !assets.iter().any(|asset| asset.sha256 == *sha256) {
            remove_if_there(&folder.file(*sha256)).await?;
        }
    }
    Ok(())
}

async fn remove_if_there(path: &Path) -> Result<(), Error> {
    match tokio::fs::remove_file(path).await {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            Err(Error::file(path.display().to_string())(err))
        }
        _ => Ok(()),
    }
}
