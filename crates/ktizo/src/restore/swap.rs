//! One state in the place of another. Wherever it is broken off, by a kill or a power cut, the state from before can be put back.
//!
//! The database goes first and comes last: while there is none, the state is half of one and half of the other.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use api::{DATABASE, FOLDERS};
use model::Timestamp;

use super::give_to_owner;
use crate::state::StateDir;

/// The folder that a backup is unpacked into, in that of the state.
pub(super) const PART: &str = "restore.part";
/// How folders begin that hold the state from before; the time follows.
const ASIDE: &str = "before-restore-";
/// How the name of one ends until the other state is in its place.
const UNFINISHED: &str = ".part";

/// The files of a state that an archive replaces, the database first.
const REPLACED: [&str; 5] = [
    DATABASE,
    "ktizo.db-wal",
    "ktizo.db-shm",
    FOLDERS[0],
    FOLDERS[1],
];

/// Moves the present state aside, and the unpacked one in its place.
pub(super) fn swap(
    state: &StateDir,
    part: &Path,
    now: Timestamp,
) -> anyhow::Result<Option<PathBuf>> {
    let stamp: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let kept = state.path().join(format!("{ASIDE}{stamp}"));
    ensure!(!kept.exists(), "{} is there already", kept.display());
    let aside = state.path().join(format!("{ASIDE}{stamp}{UNFINISHED}"));
    std::fs::create_dir(&aside).with_context(|| format!("make {}", aside.display()))?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o700))?;
    if let Err(err) = move_all(&moves(state.path(), &aside, part)) {
        let _ = std::fs::remove_dir(&aside);
        return Err(err);
    }
    File::open(&aside)?.sync_all()?;
    File::open(state.path())?.sync_all()?;
    give_to_owner(state.path(), &aside)?;
    keep(&aside)
}

/// What is moved, in this order.
fn moves(state: &Path, aside: &Path, part: &Path) -> Vec<(PathBuf, PathBuf)> {
    let out = REPLACED.map(|name| (state.join(name), aside.join(name)));
    let within = [FOLDERS[0], FOLDERS[1], DATABASE];
    let within = within.map(|name| (part.join(name), state.join(name)));
    out.into_iter().chain(within).collect()
}

/// Gives the state from before the name that it stays under, if there was one.
fn keep(aside: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !aside.join(DATABASE).exists() {
        std::fs::remove_dir_all(aside).with_context(|| format!("remove {}", aside.display()))?;
        return Ok(None);
    }
    let kept = aside.with_extension("");
    std::fs::rename(aside, &kept).with_context(|| called(aside, &kept))?;
    Ok(Some(kept))
}

/// Puts back what a restore that was broken off had moved aside, and names the folder that it was in. May itself be broken off, and done
/// again.
pub(super) fn undo(state: &StateDir) -> anyhow::Result<Option<PathBuf>> {
    let unfinished = |path: &PathBuf| path.to_string_lossy().ends_with(UNFINISHED);
    let Some(aside) = asides(state.path())?.into_iter().find(unfinished) else {
        return Ok(None);
    };
    if state.database().exists() {
        // Nothing was moved yet, or all of it.
        keep(&aside)?;
        return Ok(None);
    }
    for name in REPLACED.iter().rev() {
        let (from, to) = (aside.join(name), state.path().join(name));
        if from.symlink_metadata().is_err() {
            continue;
        }
        if to.is_dir() {
            // It came out of the archive, which is there still, or is empty.
            std::fs::remove_dir_all(&to).with_context(|| format!("remove {}", to.display()))?;
        }
        std::fs::rename(&from, &to).with_context(|| called(&from, &to))?;
    }
    File::open(state.path())?.sync_all()?;
    std::fs::remove_dir(&aside).with_context(|| format!("remove {}", aside.display()))?;
    Ok(Some(aside))
}

/// Refuses a state without a database where one was moved aside, or was about to come: an empty one in its place would know nobody, no
/// machine, and no asset.
pub(crate) fn check_whole(state: &StateDir) -> anyhow::Result<()> {
    if state.database().exists() {
        return Ok(());
    }
    let mut left = asides(state.path())?;
    let part = state.path().join(PART);
    left.extend(part.exists().then_some(part));
    let Some(first) = left.first() else {
        return Ok(());
    };
    let names: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    let back = if asides(state.path())?.is_empty() {
        String::new()
    } else {
        format!(
            ", or `ktizo restore {}` to go back to the state in it",
            first.display()
        )
    };
    bail!(
        "the state folder {} has no {DATABASE}, but there is {}: a restore was broken off; run it again{back}. To begin with nothing, move \
         that away first",
        state.path().display(),
        names.join(" and ")
    )
}

/// The folders that hold a state from before, the newest first.
fn asides(state: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(state)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(ASIDE) && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found)
}

/// Moves what is there of these, or nothing: half a state is none. A folder that is a mount point cannot be moved, for one.
pub(super) fn move_all(moves: &[(PathBuf, PathBuf)]) -> anyhow::Result<()> {
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

fn called(from: &Path, to: &Path) -> String {
    format!("move {} to {}", from.display(), to.display())
}

#[cfg(test)]
mod tests;
