//! Whether the files of imported assets are what was imported.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use model::{Asset, Sha256Digest};
use sha2::{Digest as _, Sha256};

use super::AssetFolder;

/// What is wrong with the file of an asset, so that no machine can boot it. Its text goes on from the asset's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetFault {
    /// There is none.
    Gone,
    /// It has another length than it had.
    Length {
        /// Its bytes.
        is: u64,
        /// The bytes it had when it was imported.
        was: u64,
    },
    /// It has other bytes than it had, by its SHA-256.
    Damaged,
}

/// What was found when the files were read whole: by name, which state of the file that was, and whether it was sound.
#[derive(Debug, Default)]
pub(super) struct Checked(Mutex<HashMap<Sha256Digest, (FileState, bool)>>);

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: Option<SystemTime>,
}

/// What is read at once.
const CHUNK: usize = 256 * 1024;

impl AssetFolder {
    /// What is wrong with the file of an asset, as far as its length and its last check tell; `None` if nothing is.
    pub fn fault(&self, asset: &Asset) -> Option<AssetFault> {
        let Ok(metadata) = self.file(asset.sha256).metadata() else {
            return Some(AssetFault::Gone);
        };
        let (is, was) = (metadata.len(), asset.size);
        if is != was {
            return Some(AssetFault::Length { is, was });
        }
        let found = self.checked.of(asset.sha256);
        let state = FileState::of(&metadata);
        let is_damaged = found.is_some_and(|(then, sound)| then == state && !sound);
        is_damaged.then_some(AssetFault::Damaged)
    }

    /// Reads the file of an asset whole, if it is there and was not read since it changed, and keeps whether its SHA-256 is that of the
    /// import. Says what is wrong where that is found. It takes as long as a disk does.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn check(&self, asset: &Asset) -> io::Result<Option<AssetFault>> {
        let mut file = match File::open(self.file(asset.sha256)) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        let state = FileState::of(&file.metadata()?);
        let found = self.checked.of(asset.sha256);
        if found.is_some_and(|(then, _)| then == state) {
            return Ok(None);
        }
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                length => digest.update(&chunk[..length]),
            }
        }
        let sound = digest.finalize()[..] == asset.sha256.0;
        self.checked.keep(asset.sha256, state, sound);
        Ok((!sound).then_some(AssetFault::Damaged))
    }
}

impl Checked {
    fn of(&self, sha256: Sha256Digest) -> Option<(FileState, bool)> {
        let checked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checked.get(&sha256).copied()
    }

    fn keep(&self, sha256: Sha256Digest, state: FileState, sound: bool) {
        let mut checked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checked.insert(sha256, (state, sound));
    }
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl fmt::Display for AssetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("is gone from the state folder"),
            Self::Length { is, was } => {
                write!(
                    f,
                    "has {is} bytes on disk and had {was} when it was imported"
                )
            }
            Self::Damaged => {
                f.write_str("is damaged: its SHA-256 is not the one it had when it was imported")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Arch, AssetKind, Timestamp};

    use super::*;

    #[test]
    fn a_file_that_changed_is_known_by_its_length_at_once_and_by_its_bytes_once_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let assets = AssetFolder::open(folder.path().join("assets"), &[]).unwrap();
        let sha256 = Sha256Digest(Sha256::digest(b"kernel").into());
        let asset = Asset {
            version: "v1.13.9".parse().unwrap(),
            arch: Arch::Amd64,
            kind: AssetKind::Kernel,
            size: 6,
            sha256,
            imported_at: Timestamp::from_micros(0),
        };
        let file = assets.file(sha256);
        let write = |bytes: &[u8], second| {
            std::fs::write(&file, bytes).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            File::open(&file).unwrap().set_modified(at).unwrap();
        };
        assert_eq!(assets.fault(&asset), Some(AssetFault::Gone));
        assert_eq!(assets.check(&asset).unwrap(), None);
        write(b"kern", 1);
        let short = AssetFault::Length { is: 4, was: 6 };
        assert_eq!(assets.fault(&asset), Some(short));
        write(b"kernel", 2);
        assert_eq!(assets.check(&asset).unwrap(), None);
        assert_eq!(assets.fault(&asset), None);
        write(b"kErnel", 3);
        assert_eq!(assets.fault(&asset), None, "it was not read since");
        assert_eq!(assets.check(&asset).unwrap(), Some(AssetFault::Damaged));
        assert_eq!(assets.fault(&asset), Some(AssetFault::Damaged));
        assert_eq!(assets.check(&asset).unwrap(), None, "that was said");
        write(b"kernel", 4);
        assert_eq!(assets.fault(&asset), None);
    }
}
