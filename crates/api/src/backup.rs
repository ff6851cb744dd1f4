//! Backups: one archive with the database of one moment and the folders `base/` and `compiled/`.
//!
//! Assets are left out: they are large, and come from where they came from. The archive is a tar file: `manifest.json` first, then
//! `ktizo.db`, then the folders.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use model::{Author, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Lane, Store};
use tokio::sync::Mutex;

use crate::Error;

/// The format of archives that this ktizo writes, and the newest that it reads.
pub const BACKUP_FORMAT: u32 = 1;
/// The name of the first file in an archive.
pub const MANIFEST: &str = "manifest.json";
/// The name of the database in an archive.
pub const DATABASE: &str = "ktizo.db";
/// The folders of the state in an archive.
pub const FOLDERS: [&str; 2] = ["base", "compiled"];

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its format.
    pub format: u32,
    /// The ktizo that wrote it.
    pub version: String,
    /// When.
    pub taken_at: Timestamp,
}

/// One backup at a time: each needs as much room as the database.
static ONE: Mutex<()> = Mutex::const_new(());

/// Writes an archive beside the state, and returns it opened and already without a name, with its length.
pub(crate) async fn take(
    store: &Store,
    author: Author,
    state_dir: PathBuf,
    now: Timestamp,
) -> Result<(File, u64), Error> {
    let one = ONE.lock().await;
    let copied = store.clone();
    let written = tokio::task::spawn_blocking(move || {
        // Whoever asked may go in the meantime, and the next one must not begin on the same files.
        let _one = one;
        write(&copied, &state_dir, now)
    });
    let (file, bytes) = written
        .await
        .map_err(|err| Error::Internal(err.to_string()))??;
    store
        .write(Lane::Admin, author, move |writer| {
            writer.event(None, EventKind::BackupTaken { bytes })
        })
        .await?;
    Ok((file, bytes))
}

fn write(store: &Store, state_dir: &Path, now: Timestamp) -> Result<(File, u64), Error> {
    let (copy, part) = (
        state_dir.join("backup.db.part"),
        state_dir.join("backup.part"),
    );
    for left in [&copy, &part] {
        // Of a backup that was cut short.
        let _ = std::fs::remove_file(left);
    }
    let written = store.back_up(&copy).map_err(Error::from).and_then(|()| {
        archive(state_dir, &copy, &part, now).map_err(Error::file("write the backup"))
    });
    let _ = std::fs::remove_file(&copy);
    let _ = std::fs::remove_file(&part);
    written
}

fn archive(state_dir: &Path, copy: &Path, part: &Path, now: Timestamp) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(part)?;
    let mut tar = tar::Builder::new(file);
    let manifest = Manifest {
        format: BACKUP_FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: now,
    };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    let mut head = tar::Header::new_gnu();
    head.set_mode(0o600);
    append(&mut tar, head, Path::new(MANIFEST), &manifest)?;
    tar.append_path_with_name(copy, DATABASE)?;
    for folder in FOLDERS {
        append_folder(&mut tar, &state_dir.join(folder), Path::new(folder))?;
    }
    let mut file = tar.into_inner()?;
    file.flush()?;
    let bytes = file.metadata()?.len();
    io::Seek::rewind(&mut file)?;
    Ok((file, bytes))
}

/// Adds a folder with all below it as it is found: the daemon writes files there at the same time, and a person may. Each file is whole;
/// one that went in between is left out, and so is what is neither a file nor a folder. A link to a file counts as the file.
fn append_folder(tar: &mut tar::Builder<File>, path: &Path, name: &Path) -> io::Result<()> {
    let gone = |err: &io::Error| err.kind() == io::ErrorKind::NotFound;
    let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    let meta = match std::fs::metadata(path) {
        Err(err) if gone(&err) => return Ok(()),
        meta => meta.map_err(named)?,
    };
    let mut head = tar::Header::new_gnu();
    head.set_metadata(&meta);
    if meta.is_file() {
        return match std::fs::read(path) {
            Err(err) if gone(&err) => Ok(()),
            bytes => append(tar, head, name, &bytes.map_err(named)?),
        };
    }
    if !meta.is_dir() {
        return Ok(());
    }
    append(tar, head, name, &[])?;
    let mut names: Vec<_> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(named)?;
    names.sort();
    for below in names {
        let inner = path.join(&below);
        // A link to a folder may lead round.
        if !(inner.is_symlink() && inner.is_dir()) {
            append_folder(tar, &inner, &name.join(&below))?;
        }
    }
    Ok(())
}

/// Adds an entry with just these bytes.
fn append(
    tar: &mut tar::Builder<File>,
    mut head: tar::Header,
    name: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    head.set_size(bytes.len() as u64);
    tar.append_data(&mut head, name, bytes)
}
