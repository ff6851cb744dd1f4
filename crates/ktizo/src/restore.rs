//! Putting a backup in the place of the state.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use api::{BACKUP_FORMAT, DATABASE, FOLDERS, MANIFEST, Manifest};
use model::{Actor, Author, Timestamp};
use nix::unistd::{Uid, User};
use store::{Barred, Revival};

use crate::state::StateDir;

/// What was restored.
#[derive(Debug)]
pub(crate) struct Restored {
    /// What the archive says of itself.
    pub manifest: Manifest,
    /// Where the state from before is, if there was one.
    pub aside: Option<PathBuf>,
    /// What nobody comes in by any more, and what is left.
    pub barred: Barred,
}

/// The files of a state that an archive replaces.
const REPLACED: [&str; 5] = [
    "ktizo.db",
    "ktizo.db-wal",
    "ktizo.db-shm",
    FOLDERS[0],
    FOLDERS[1],
];

/// Puts the archive in the place of the state, which is kept aside. No daemon may be running on it. Nothing is touched before the
/// archive was read whole and its database was looked through. Nobody comes in by what was ended since the backup was taken, and the
/// restored state tells who restored it.
pub(crate) fn restore(
    archive: &Path,
    state_dir: &Path,
    author: &Author,
    now: Timestamp,
) -> anyhow::Result<Restored> {
    let state = StateDir::lock(state_dir)?;
    let part = state.path().join("restore.part");
    if part.exists() {
        std::fs::remove_dir_all(&part).with_context(|| format!("remove {}", part.display()))?;
    }
    let restored = unpack(archive, &part).and_then(|manifest| {
        let database = part.join(DATABASE);
        store::check_copy(&database)
            .with_context(|| format!("the database in {}", archive.display()))?;
        let present = state.database();
        let name = archive.file_name().unwrap_or_default();
        let revival = Revival {
            copy: &database,
            before: present.exists().then_some(present.as_path()),
            file: name.to_string_lossy().into_owned(),
            taken_at: manifest.taken_at,
        };
        let barred = revival.close_doors(author, now)?;
        give_to_owner(state.path(), &part)?;
        // Before the old state is moved away, or a power cut could leave neither.
        nix::unistd::syncfs(File::open(&part)?).context("write the unpacked state to the disk")?;
        let aside = swap(&state, &part, now)?;
        Ok(Restored {
            manifest,
            aside,
            barred,
        })
    });
    // What is left of it is of no use.
    let _ = std::fs::remove_dir_all(&part);
    restored
}

/// Who restores: the user of this process, and whoever became it by sudo(8).
pub(crate) fn who(sudo_user: Option<&str>) -> Author {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten();
    let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    let plain =
        |name: &&str| (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    let by = sudo_user.filter(plain);
    let by = by.map_or_else(String::new, |by| format!(", by sudo of {by}"));
    Author {
        actor: Actor::Person(name),
        from: Some(format!("`ktizo restore` on the host{by}")),
    }
}

/// What an archive says of itself; refuses what is no backup, or a newer one than this ktizo can read.
pub(crate) fn manifest(archive: &Path) -> anyhow::Result<Manifest> {
    let opened = Opened::of(archive)?;
    let mut tar = tar::Archive::new(opened.content());
    let mut entries = tar.entries().map_err(|err| opened.unread(err))?;
    opened.first_of(&mut entries)
}

/// A file, or what comes through a pipe, that may be a backup.
struct Opened<'p> {
    path: &'p Path,
    /// What was read of it, for a pipe is read once.
    head: Vec<u8>,
    /// What follows.
    rest: File,
    /// What else it seems to be, and what to do about it; empty if that is not known.
    other: String,
}

impl<'p> Opened<'p> {
    fn of(path: &'p Path) -> anyhow::Result<Self> {
        let called = path.display();
        let rest = File::open(path).with_context(|| format!("open {called}"))?;
        ensure!(
            !rest.metadata()?.is_dir(),
            "{called} is a folder; name the file that `ktizo backup` wrote"
        );
        let mut head = Vec::new();
        (&rest)
            .take(16)
            .read_to_end(&mut head)
            .with_context(|| format!("read {called}"))?;
        let other = other_kind(&head).map_or_else(String::new, |it| format!(": {it}"));
        Ok(Self {
            path,
            head,
            rest,
            other,
        })
    }

    /// All of it; to be read once.
    fn content(&self) -> impl Read {
        self.head.chain(&self.rest)
    }

    fn no_backup(&self) -> anyhow::Error {
        let (called, other) = (self.path.display(), &self.other);
        anyhow!("{called} is not a backup of ktizo{other}; name a file that `ktizo backup` wrote")
    }

    /// What the disk says is no word about what is in the file.
    fn unread(&self, err: io::Error) -> anyhow::Error {
        match err.raw_os_error() {
            Some(_) => anyhow::Error::new(err).context(format!("read {}", self.path.display())),
            None => self.no_backup(),
        }
    }

    /// Reads the manifest, which comes first.
    fn first_of(&self, entries: &mut tar::Entries<'_, impl Read>) -> anyhow::Result<Manifest> {
        let first = entries.next().ok_or_else(|| self.no_backup())?;
        let mut first = first.map_err(|err| self.unread(err))?;
        if first.path().map_err(|err| self.unread(err))? != Path::new(MANIFEST) {
            return Err(self.no_backup());
        }
        let manifest: Manifest =
            serde_json::from_reader((&mut first).take(1 << 16)).map_err(|_| self.no_backup())?;
        ensure!(
            manifest.format <= BACKUP_FORMAT,
            "{} has format {}, and this ktizo knows formats up to {BACKUP_FORMAT}: install ktizo {} or newer",
            self.path.display(),
            manifest.format,
            manifest.version
        );
        Ok(manifest)
    }
}

/// Unpacks what a backup has, and nothing else, into a new folder.
fn unpack(archive: &Path, into: &Path) -> anyhow::Result<Manifest> {
    let called = archive.display();
    let opened = Opened::of(archive)?;
    std::fs::create_dir(into).with_context(|| format!("make {}", into.display()))?;
    std::fs::set_permissions(into, std::fs::Permissions::from_mode(0o700))?;
    let mut tar = tar::Archive::new(opened.content());
    let mut entries = tar.entries().map_err(|err| opened.unread(err))?;
    let manifest = opened.first_of(&mut entries)?;
    for entry in entries {
        let mut entry = entry.with_context(|| format!("{called} breaks off"))?;
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        let known = belongs(&path) && (kind.is_file() || kind.is_dir());
        ensure!(
            known,
            "{called} holds `{}`, which no backup of ktizo has",
            path.display()
        );
        entry.set_preserve_permissions(false);
        let unpacked = entry.unpack_in(into);
        let whole = unpacked.with_context(|| format!("unpack {} of {called}", path.display()))?;
        ensure!(
            whole,
            "{called} holds `{}`, which leads out of the state",
            path.display()
        );
    }
    if !into.join(DATABASE).is_file() {
        bail!("{called} has no database");
    }
    Ok(manifest)
}

/// What a file with this beginning is, of the kinds that people take for a backup, and what to do about it.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "it is compressed, and `gunzip` unpacks it"),
        (
            b"\x28\xb5\x2f\xfd",
            "it is compressed, and `unzstd` unpacks it",
        ),
        (b"\xfd7zXZ\0", "it is compressed, and `unxz` unpacks it"),
        (b"SQLite format 3\0", "it is a database alone"),
    ];
    let kind = KINDS.iter().find(|(magic, _)| head.starts_with(magic));
    kind.map(|(_, told)| *told)
}

/// Whether a path is one that a backup has.
fn belongs(path: &Path) -> bool {
    let mut parts = path.components();
    let Some(Component::Normal(first)) = parts.next() else {
        return false;
    };
    let below = parts.all(|part| matches!(part, Component::Normal(_)));
    let alone = path.components().count() == 1;
    below && (FOLDERS.iter().any(|folder| first == *folder) || (first == DATABASE && alone))
}

/// Moves the present state aside, and the unpacked one in its place.
fn swap(state: &StateDir, part: &Path, now: Timestamp) -> anyhow::Result<Option<PathBuf>> {
    let stamp: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let aside = state.path().join(format!("before-restore-{stamp}"));
    std::fs::create_dir(&aside).with_context(|| format!("make {}", aside.display()))?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o700))?;
    let had_one = state.database().exists();
    let out = REPLACED.map(|name| (state.path().join(name), aside.join(name)));
    let within = [FOLDERS[0], FOLDERS[1], DATABASE];
    let within = within.map(|name| (part.join(name), state.path().join(name)));
    let moves: Vec<_> = out.into_iter().chain(within).collect();
    if let Err(err) = move_all(&moves) {
        let _ = std::fs::remove_dir(&aside);
        return Err(err);
    }
    File::open(state.path())?.sync_all()?;
    give_to_owner(state.path(), &aside)?;
    if had_one {
        return Ok(Some(aside));
    }
    std::fs::remove_dir_all(&aside)?;
    Ok(None)
}

/// Moves what is there of these, or nothing: half a state is none. A folder that is a mount point cannot be moved, for one.
fn move_all(moves: &[(PathBuf, PathBuf)]) -> anyhow::Result<()> {
    let called = |from: &Path, to: &Path| format!("move {} to {}", from.display(), to.display());
    let mut moved = Vec::new();
    for (from, to) in moves {
        match std::fs::rename(from, to) {
            Ok(()) => moved.push((from, to)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => {
                for (from, to) in moved.into_iter().rev() {
                    std::fs::rename(to, from).with_context(|| called(to, from))?;
                }
                return Err(err).with_context(|| called(from, to));
            }
        }
    }
    Ok(())
}

/// Gives a file or folder, with all below it, to the owner of the state and to nobody else: root restores for the user that the
/// daemon runs as. Of a symbolic link, the link itself: where it leads is none of the state, and root must not give that away.
fn give_to_owner(state: &Path, path: &Path) -> anyhow::Result<()> {
    let owner = std::fs::metadata(state)?;
    let own = std::fs::symlink_metadata(path)?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        lchown(path, Some(owner.uid()), Some(owner.gid()))
            .with_context(|| format!("give {} to the owner of the state", path.display()))?;
    }
    if own.is_symlink() {
        return Ok(());
    }
    let mode = if own.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    if own.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_to_owner(state, &entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
