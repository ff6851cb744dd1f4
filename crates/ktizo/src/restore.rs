//! Putting a backup in the place of the state.

mod swap;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, anyhow, bail, ensure};
use api::{BACKUP_FORMAT, DATABASE, FOLDERS, MANIFEST, Manifest};
use model::{Actor, Author, Timestamp};
use nix::unistd::{Uid, User};
use store::{Barred, Revival};

use crate::state::StateDir;

pub(crate) use swap::check_whole;

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

/// Puts the archive, or a state that was kept aside, in the place of the state, which is kept aside. No daemon may be running on it.
/// Nothing is touched before the archive was read whole and its database was looked through, but that what an earlier restore left half
/// done is undone; `None` where that alone was asked for, by the name of the folder. Nobody comes in by what was ended since the backup
/// was taken, and the restored state tells who restored it.
pub(crate) fn restore(
    archive: &Path,
    state_dir: &Path,
    author: &Author,
    now: Timestamp,
) -> anyhow::Result<Option<Restored>> {
    let state = StateDir::lock(state_dir)?;
    let named = std::path::absolute(archive)?;
    let undone = swap::undo(&state)?;
    let part = state.path().join(swap::PART);
    if part.exists() {
        std::fs::remove_dir_all(&part).with_context(|| format!("remove {}", part.display()))?;
    }
    if undone.is_some_and(|undone| std::path::absolute(undone).is_ok_and(|it| it == named)) {
        return Ok(None);
    }
    let restored = fill(archive, &part).and_then(|manifest| {
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
        let aside = swap::swap(&state, &part, now)?;
        Ok(Some(Restored {
            manifest,
            aside,
            barred,
        }))
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
    if let Some(manifest) = of_folder(archive)? {
        return Ok(manifest);
    }
    let opened = Opened::of(archive)?;
    let mut tar = tar::Archive::new(opened.content());
    let mut entries = tar.entries().map_err(|err| opened.unread(err))?;
    opened.first_of(&mut entries)
}

/// What is to be said of a state that was kept aside; `None` of what is none.
fn of_folder(folder: &Path) -> anyhow::Result<Option<Manifest>> {
    let database = folder.join(DATABASE);
    if !database.is_file() {
        return Ok(None);
    }
    let written = database.metadata()?.modified()?;
    let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Manifest {
        format: BACKUP_FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: Timestamp::from_micros(0).plus(since),
    }))
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

    /// How many bytes it has; `None` of what comes through a pipe.
    fn length(&self) -> Option<u64> {
        let known = self.rest.metadata().ok()?;
        known.is_file().then_some(known.len())
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

/// Fills a new folder with the state of a backup, or with a copy of one that was kept aside.
fn fill(archive: &Path, into: &Path) -> anyhow::Result<Manifest> {
    std::fs::create_dir(into).with_context(|| format!("make {}", into.display()))?;
    std::fs::set_permissions(into, std::fs::Permissions::from_mode(0o700))?;
    let Some(manifest) = of_folder(archive)? else {
        return unpack(archive, into);
    };
    store::copy(&archive.join(DATABASE), &into.join(DATABASE))
        .with_context(|| format!("copy {}", archive.join(DATABASE).display()))?;
    for name in FOLDERS {
        let folder = archive.join(name);
        if folder.is_dir() {
            copy_folder(&folder, &into.join(name))
                .with_context(|| format!("copy {}", folder.display()))?;
        }
    }
    Ok(manifest)
}

/// Copies a folder with all below it; of a symbolic link, the link.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else if kind.is_symlink() {
            symlink(std::fs::read_link(entry.path())?, to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Unpacks what a backup has, and nothing else, into a folder.
fn unpack(archive: &Path, into: &Path) -> anyhow::Result<Manifest> {
    let called = archive.display();
    let opened = Opened::of(archive)?;
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
        let end = entry.raw_file_position().saturating_add(entry.size());
        ensure!(
            opened.length().is_none_or(|length| end <= length),
            "{called} breaks off within `{}`, so it is not whole; restore another backup",
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
