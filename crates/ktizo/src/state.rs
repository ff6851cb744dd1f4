//! The state folder: made, locked, given its first contents, and whether there is room in it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ipnet::Ipv4Net;
use model::{Actor, EventKind, NetworkSettings};
use netboot::net::interface::Interface;
use nix::fcntl::{Flock, FlockArg};
use store::{Lane, Store};

/// The state folder, locked for this process.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl StateDir {
    /// Makes the folder if it is not there (mode 0700), and locks it: two daemons on one state would undo each other's work.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Self> {
        let make = |folder: &Path| {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| format!("make the folder {}", folder.display()))
        };
        make(path)?;
        for folder in ["assets", "base", "compiled", "loaders"] {
            make(&path.join(folder))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("close the state folder {} to others", path.display()))?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"));
        let file =
            file.with_context(|| format!("open the lock of the state folder {}", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(_) => anyhow::bail!(
                "the state folder {} is in use by another ktizo; stop it, or name another with --state-dir",
                path.display()
            ),
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("ktizo.db")
    }

    /// The imported assets.
    pub(crate) fn assets(&self) -> PathBuf {
        self.path.join("assets")
    }

    /// The file of the token for the admin API.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.path.join("admin.token")
    }
}

/// What the first start takes from the network card it serves, so that addresses can be suggested and checked: its subnet, and the
/// default route that leaves by it. Later starts change nothing.
pub(crate) async fn seed_settings(
    store: &Store,
    card: &Interface,
    gateway: Option<Ipv4Addr>,
) -> Result<(), store::Error> {
    let subnet = card
        .addresses
        .first()
        .and_then(|own| Ipv4Net::with_netmask(own.address, own.netmask).ok())
        .map(|net| net.trunc());
    let Some(subnet) = subnet.filter(|subnet| (8..=30).contains(&subnet.prefix_len())) else {
        return Ok(());
    };
    let gateway = gateway.filter(|gateway| subnet.contains(gateway));
    store
        .write(Lane::Admin, Actor::System, move |writer| {
            let first = writer.revision()? == 0 && writer.settings()? == NetworkSettings::default();
            if !first {
                return Ok(());
            }
            writer.save_settings(&NetworkSettings {
                node_subnet: Some(subnet),
                gateway,
                ..NetworkSettings::default()
            })?;
            let fields = ["node_subnet"]
                .into_iter()
                .chain(gateway.map(|_| "gateway"))
                .map(str::to_owned)
                .collect();
            writer.event(None, EventKind::SettingsChanged { fields })?;
            Ok(())
        })
        .await
}

/// Less free space than this is a problem, in bytes: SQLite and the compiled files need room to write.
const LEAST_FREE: u64 = 64 << 20;
/// A disk with less than this is called full.
const FULL: u64 = 1 << 20;

/// Why there is no room to write in a folder, in a sentence; `None` while there is.
pub(crate) fn no_room(folder: &Path) -> Option<String> {
    let called = folder.display();
    let disk = match nix::sys::statvfs::statvfs(folder) {
        Ok(disk) => disk,
        Err(err) => {
            return Some(format!(
                "the room on the disk of {called} cannot be read: {err}"
            ));
        }
    };
    let free = disk.blocks_available() * disk.fragment_size();
    // A file system that makes its file records as they are needed says that it has none.
    let out_of_files = disk.files() > 0 && disk.files_available() == 0;
    if free >= LEAST_FREE && !out_of_files {
        return None;
    }
    let how = if out_of_files || free < FULL {
        "full"
    } else {
        "nearly full"
    };
    let left = if out_of_files {
        "no file can be made".to_owned()
    } else {
        format!("{} MiB are free", free >> 20)
    };
    Some(format!(
        "the disk of {called} is {how}: {left}; free some space"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_a_folder_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("base");
        std::fs::write(&file, b"").unwrap();
        let err = StateDir::lock(root.path()).unwrap_err().to_string();
        assert_eq!(err, format!("make the folder {}", file.display()));
    }

    #[test]
    fn one_daemon_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/state");
        let state = StateDir::lock(&path).unwrap();
        let err = StateDir::lock(&path).unwrap_err().to_string();
        assert!(err.contains("is in use by another ktizo"), "{err}");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        drop(state);
        StateDir::lock(&path).unwrap();
    }
}
