//! Files that are written whole: a reader sees the old bytes or the new ones, never a part.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use model::Timestamp;

use super::Behind;

/// When a file was last changed; `None` if there is none.
pub(super) fn modified(path: &Path) -> Option<Timestamp> {
    let at = std::fs::metadata(path).and_then(|meta| meta.modified());
    let since = at.ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Timestamp::from_micros(0).plus(since))
}

/// Names the file that an error is about.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Behind {
    let path = path.to_owned();
    move |source| Behind::File { path, source }
}

pub(super) fn make_folder(path: &Path) -> Result<(), Behind> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at(path))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), Behind> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(at(path))
}

/// Writes a file whole, unless it has these bytes already: a new file is written and synced beside it, and takes its place at once.
pub(super) fn write_if_other(path: &Path, bytes: &[u8]) -> Result<bool, Behind> {
    write_as_of(path, bytes, None)
}

/// The same, with `moment` as the time of its last change: a file that ktizo wrote late, when the next one was in force already, must
/// not look as if a person had edited it since.
pub(super) fn write_as_of(
    path: &Path,
    bytes: &[u8],
    moment: Option<Timestamp>,
) -> Result<bool, Behind> {
    if holds(path, bytes) {
        return Ok(false);
    }
    let write = || -> io::Result<()> {
        let (file, beside) = write_beside(path, bytes, moment)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(at(path))?;
    Ok(true)
}

/// Whether the file has just these bytes.
pub(super) fn holds(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|present| present == bytes)
}

/// Writes a new file beside `path`, for its owner only.
pub(super) fn write_beside(
    path: &Path,
    bytes: &[u8],
    moment: Option<Timestamp>,
) -> io::Result<(File, PathBuf)> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    if let Some(moment) = moment {
        file.set_modified(UNIX_EPOCH + moment.since(Timestamp::from_micros(0)))?;
    }
    Ok((file, beside))
}

/// So many files are written before they are synced and put in place together.
pub(super) const BATCH: usize = 256;

/// Syncs what was written beside the files of `folder`, several with one sync of their file system, and puts each in its place.
pub(super) fn put_in_place(
    folder: &Path,
    batch: &[(File, PathBuf, PathBuf)],
) -> Result<(), Behind> {
    match batch {
        [] => return Ok(()),
        [(file, _, path)] => file.sync_all().map_err(at(path))?,
        [(file, ..), ..] => nix::unistd::syncfs(file).map_err(|err| at(folder)(err.into()))?,
    }
    batch
        .iter()
        .try_for_each(|(_, beside, path)| std::fs::rename(beside, path).map_err(at(path)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_written_whole_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker-52-54-00-00-00-01.yaml");
        assert!(write_if_other(&path, b"a").unwrap());
        assert!(!write_if_other(&path, b"a").unwrap());
        assert!(write_if_other(&path, b"b").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"b");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_configs_are_put_in_place_whole() {
        let folder = tempfile::tempdir().unwrap();
        let config = |number: u8| {
            let mac = model::MacAddr::from_bytes([0x52, 0x54, 0, 0, 0, number]).unwrap();
            (mac.hyphenated(), vec![number; 5000])
        };
        let configs = folder.path().join("configs");
        make_folder(&configs).unwrap();
        let batch = |numbers: std::ops::Range<u8>| -> Vec<_> {
            let write = |number| {
                let (name, bytes) = config(number);
                let path = configs.join(name);
                let (file, beside) = write_beside(&path, &bytes, None).unwrap();
                (file, beside, path)
            };
            numbers.map(write).collect()
        };
        put_in_place(&configs, &batch(0..40)).unwrap();
        put_in_place(&configs, &batch(40..41)).unwrap();
        put_in_place(&configs, &[]).unwrap();
        assert_eq!(std::fs::read_dir(&configs).unwrap().count(), 41);
        for number in 0..41 {
            let (name, bytes) = config(number);
            assert!(holds(&configs.join(name), &bytes));
        }
    }
}
