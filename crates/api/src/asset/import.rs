//! Taking uploads into use.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use model::{Asset, AssetContent, AssetName, Author, EventKind, HEAD_BYTES, Sha256Digest};
use sha2::{Digest as _, Sha256};
use store::{Lane, Store};
use tokio::io::AsyncReadExt as _;

use super::{AssetFolder, drop_unused, list, remove_if_there};
use crate::Error;
use crate::types::{AssetCommit, AssetImport, AssetImported};

/// Takes uploads into use, all or none. An upload that is in use already is left as it is.
pub(crate) async fn import(
    store: &Store,
    folder: &AssetFolder,
    author: Author,
    commit: AssetCommit,
) -> Result<AssetImported, Error> {
    check(&commit)?;
    let _moving = folder.moving.lock().await;
    let mut sizes = Vec::new();
    for (index, asset) in commit.assets.iter().enumerate() {
        let (path, size) = find(folder, index, asset.sha256).await?;
        if let Err(refused) = check_content(&path, index, asset).await {
            // What is another file than it was sent for is of no use; the others wait for an import that is right.
            remove_if_there(&folder.upload(asset.sha256)).await?;
            return Err(refused);
        }
        sizes.push(size);
    }
    let before: Vec<Sha256Digest> = list(store).await?.iter().map(|old| old.sha256).collect();
    bring_in(folder, &commit.assets).await?;
    // Whatever comes of it, what is not referred to afterwards goes: replaced files, or these if they could not be recorded.
    let mut touched = before;
    touched.extend(commit.assets.iter().map(|asset| asset.sha256));
    let recorded = store
        .write(Lane::Admin, author, move |writer| {
            let mut done = AssetImported {
                assets: Vec::new(),
                new: 0,
            };
            for (asset, size) in commit.assets.into_iter().zip(sizes) {
                let asset = Asset {
                    version: asset.version,
                    arch: asset.arch,
                    kind: asset.kind,
                    size,
                    sha256: asset.sha256,
                    imported_at: writer.now(),
                };
                if writer.insert_asset(&asset)? {
                    let (version, name) = (asset.version.clone(), asset.name());
                    writer.event(None, EventKind::asset_imported(version, name, asset.sha256))?;
                    done.new += 1;
                }
                let now = writer.asset(Some(&asset.version), asset.name())?;
                done.assets.extend(now);
            }
            Ok::<_, Error>(done)
        })
        .await;
    drop_unused(store, folder, &touched).await?;
    recorded
}

/// Checks what can be said without looking at a file.
fn check(commit: &AssetCommit) -> Result<(), Error> {
    if commit.assets.is_empty() {
        return Err(Error::invalid("assets", "is empty"));
    }
    let mut named = HashSet::new();
    for (index, asset) in commit.assets.iter().enumerate() {
        let name = AssetName {
            arch: asset.arch,
            kind: asset.kind,
        };
        if let Some(expected) = asset.expected_sha256.filter(|it| *it != asset.sha256) {
            let why = format!(
                "{name} of Talos {} has the SHA-256 {}, and its publisher names {expected}: it is another file, or was damaged on its way",
                asset.version, asset.sha256
            );
            let field = format!("assets[{index}].expected_sha256");
            return Err(Error::refused("checksum_mismatch", Some(field), why, None));
        }
        if !named.insert((asset.version.clone(), name)) {
            let why = format!("{name} of Talos {} is named twice", asset.version);
            return Err(Error::invalid(format!("assets[{index}]"), why));
        }
    }
    Ok(())
}

/// A file that was uploaded, or is there already, and its length. An upload has just been read whole; what is there already may have
/// been damaged, and is read here.
async fn find(
    folder: &AssetFolder,
    index: usize,
    sha256: Sha256Digest,
) -> Result<(PathBuf, u64), Error> {
    let (upload, file) = (folder.upload(sha256), folder.file(sha256));
    if let Some(size) = length(&upload).await? {
        return Ok((upload, size));
    }
    let why = match length(&file).await? {
        None => format!("there is no upload {sha256}"),
        Some(size) => {
            let found = print(&file).await;
            if found.map_err(Error::file(file.display().to_string()))? == sha256 {
                return Ok((file, size));
            }
            format!("the file {sha256} that is there is damaged")
        }
    };
    Err(Error::refused(
        "not_uploaded",
        Some(format!("assets[{index}].sha256")),
        why,
        Some("send the file to POST /api/v1/assets/uploads first"),
    ))
}

/// The length of a file, if it is there.
async fn length(path: &Path) -> Result<Option<u64>, Error> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(Error::file(path.display().to_string())(err)),
    }
}

/// The fingerprint of a file.
async fn print(path: &Path) -> io::Result<Sha256Digest> {
    let mut file = tokio::fs::File::open(path).await?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok(Sha256Digest(digest.finalize().into())),
            read => digest.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// Refuses a file that cannot be what it is imported as: a machine would fetch it, and stop.
async fn check_content(path: &Path, index: usize, asset: &AssetImport) -> Result<(), Error> {
    let read = async {
        let mut head = Vec::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
        Ok(head)
    };
    let head = read
        .await
        .map_err(Error::file(path.display().to_string()))?;
    let name = AssetName {
        arch: asset.arch,
        kind: asset.kind,
    };
    AssetContent::of(&head).check(name).map_err(|why| {
        let field = Some(format!("assets[{index}].sha256"));
        let why = format!("{name} of Talos {} {why}", asset.version);
        Error::refused("wrong_content", field, why, None)
    })
}

/// Moves uploads into the folder, durably: a row must never refer to a file that a power cut can take. What is in use already is
/// replaced by the same bytes, which mends a file that was damaged.
async fn bring_in(folder: &AssetFolder, assets: &[AssetImport]) -> Result<(), Error> {
    for asset in assets {
        let (from, to) = (folder.upload(asset.sha256), folder.file(asset.sha256));
        match tokio::fs::rename(&from, &to).await {
            // It was in use before, under this or another name.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(Error::file(to.display().to_string()))?,
        }
    }
    let synced = async { tokio::fs::File::open(&folder.path).await?.sync_all().await };
    synced
        .await
        .map_err(Error::file(folder.path.display().to_string()))
}
