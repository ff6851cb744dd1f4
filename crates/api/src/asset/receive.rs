//! An upload on its way to the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{Stream, StreamExt as _};
use model::Sha256Digest;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::AssetFolder;
use crate::Error;
use crate::types::Upload;

/// The largest file that is taken: a Talos initramfs has about 100 MB, an image with many extensions a few times that.
const MAX_BYTES: u64 = 8 << 30;
/// After so long an upload is not waited for to be imported; the next one of the same import may take hours.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// The longest wait for the next piece.
pub(crate) const STALLED: Duration = Duration::from_secs(60);

/// Writes an upload to the disk and takes its fingerprint; it is whole and synced when this returns, and gone if it fails.
pub(crate) async fn receive<E: std::fmt::Display>(
    folder: &AssetFolder,
    content: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Upload, Error> {
    drop_forgotten(&folder.uploads())
        .await
        .map_err(Error::file(folder.uploads().display().to_string()))?;
    let part = Part::new(&folder.uploads())?;
    let what = || Error::file(format!("upload {}", part.0.display()));
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part.0)
        .await
        .map_err(what())?;
    let (mut digest, mut size) = (Sha256::new(), 0_u64);
    let mut content = std::pin::pin!(content);
    loop {
        let next = tokio::time::timeout(STALLED, content.next()).await;
        let piece = match next.map_err(|_| Error::Timeout)? {
            None => break,
            Some(Ok(piece)) => piece,
            Some(Err(err)) => {
                return Err(Error::Malformed(format!("the upload broke off: {err}")));
            }
        };
        size += piece.len() as u64;
        if size > MAX_BYTES {
            return Err(Error::TooLarge { limit: MAX_BYTES });
        }
        digest.update(&piece);
        file.write_all(&piece).await.map_err(what())?;
    }
    if size == 0 {
        return Err(Error::Malformed("the upload is empty".to_owned()));
    }
    file.sync_all().await.map_err(what())?;
    let sha256 = Sha256Digest(digest.finalize().into());
    part.keep_as(&folder.upload(sha256)).await.map_err(what())?;
    Ok(Upload { sha256, size })
}

/// Deletes the uploads that nobody took into use for so long that nobody will.
async fn drop_forgotten(uploads: &Path) -> io::Result<()> {
    let mut entries = tokio::fs::read_dir(uploads).await?;
    while let Some(entry) = entries.next_entry().await? {
        let Ok(metadata) = entry.metadata().await else {
            // It went by itself.
            continue;
        };
        // One that is set to a time to come is not old.
        let age = metadata.modified()?.elapsed().unwrap_or_default();
        if age > FORGOTTEN && metadata.is_file() {
            match tokio::fs::remove_file(entry.path()).await {
                Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A file that is deleted unless it is kept.
struct Part(PathBuf);

impl Part {
    fn new(folder: &Path) -> Result<Self, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|err| Error::Internal(err.to_string()))?;
        let name = format!("part-{}", HEXLOWER.encode(&random));
        Ok(Self(folder.join(name)))
    }

    async fn keep_as(&self, path: &Path) -> io::Result<()> {
        tokio::fs::rename(&self.0, path).await
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename there is nothing of this name any more.
        if let Err(err) = std::fs::remove_file(&self.0)
            && err.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %err, "half an upload stays behind until the next start");
        }
    }
}
