//! Giving up root once the ports are bound.

use std::path::Path;

use anyhow::Context as _;
use nix::unistd::{Gid, Uid, User, chown, initgroups, setresgid, setresuid};

/// Whether the process has given up root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// It was not root to begin with.
    Unprivileged,
    /// It became this user.
    Became(String),
    /// It is still root, for this reason.
    StillRoot(String),
}

/// Becomes `user`, who then owns each of `paths` that exists, with everything below it. Does nothing unless the process is root.
///
/// `paths` must be folders that are ktizo's alone.
pub(crate) fn become_user(user: Option<&str>, paths: &[&Path]) -> anyhow::Result<Privilege> {
    if !Uid::effective().is_root() {
        return Ok(Privilege::Unprivileged);
    }
    let Some(name) = user else {
        return Ok(Privilege::StillRoot("the key `user` is null".to_owned()));
    };
    let Some(user) = User::from_name(name).with_context(|| format!("look up the user {name}"))?
    else {
        return Ok(Privilege::StillRoot(format!(
            "there is no user `{name}`; `systemd-sysusers` makes it from the package's snippet"
        )));
    };
    if user.uid.is_root() {
        return Ok(Privilege::StillRoot(format!("the key `user` is `{name}`")));
    }
    for path in paths {
        own(path, user.uid, user.gid)
            .with_context(|| format!("give {} to {name}", path.display()))?;
    }
    let c_name = std::ffi::CString::new(name)?;
    initgroups(&c_name, user.gid).context("take on the groups of the user")?;
    setresgid(user.gid, user.gid, user.gid).context("take on the group of the user")?;
    setresuid(user.uid, user.uid, user.uid).context("take on the user")?;
    anyhow::ensure!(
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_err(),
        "root could be taken back"
    );
    for path in paths {
        reach(path).map_err(|(closed, err)| {
            anyhow::anyhow!(
                "the user `{name}`, which the key `user` names, cannot reach {}, for {} is closed to it: {err}; `chmod o+x` opens it, \
                 --state-dir names another folder, and `user: null` in the config file stays root",
                path.display(),
                closed.display()
            )
        })?;
    }
    Ok(Privilege::Became(name.to_owned()))
}

/// Whether this user comes as far as `path`; the error names the folder above it that is closed.
fn reach(path: &Path) -> Result<(), (&Path, std::io::Error)> {
    let mut folders: Vec<&Path> = path.ancestors().collect();
    folders.reverse();
    for way in folders.windows(2) {
        std::fs::symlink_metadata(way[1]).map_err(|err| (way[0], err))?;
    }
    Ok(())
}

/// Gives `path` and all below it away; links are not followed.
fn own(path: &Path, uid: Uid, gid: Gid) -> anyhow::Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if meta.is_symlink() {
        return Ok(());
    }
    chown(path, Some(uid), Some(gid))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            own(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}
