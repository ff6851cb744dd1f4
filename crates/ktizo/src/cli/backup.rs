//! `ktizo backup` and `ktizo restore`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use model::{Clock as _, SystemClock};
use store::{Barred, StoodDown};

use super::output::{bytes, say};
use super::{Failure, Remote, confirmed, told};
use crate::config::Config;
use crate::restore;

/// Write the database and the folders base and compiled into one file; it holds every secret
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    remote: Remote,
    /// The file, which must not be there yet
    file: PathBuf,
}

impl BackupArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let part = part_of(&self.file);
        let wrong = |path: &Path, err: &std::io::Error| {
            Failure::Local(format!("{}: {err}", path.display()))
        };
        if self.file.exists() {
            let why = "is there already; name another file";
            return Err(Failure::Local(format!("{} {why}", self.file.display())));
        }
        // Before a backup is taken and told of, which holds every secret.
        let client = self.remote.client()?;
        // A command that was killed left one behind.
        match std::fs::remove_file(&part) {
            Err(err) if err.kind() != ErrorKind::NotFound => return Err(wrong(&part, &err)),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|err| wrong(&self.file, &err))?;
        let mut written = 0;
        let done = async {
            let mut backup = client.backup().await?;
            while let Some(piece) = backup.next().await? {
                file.write_all(&piece).map_err(|err| wrong(&part, &err))?;
                written += piece.len() as u64;
            }
            file.sync_all().map_err(|err| wrong(&part, &err))?;
            if !is_at(&file, &part).map_err(|err| wrong(&part, &err))? {
                let why = "another command writes a backup there, too; name another file";
                return Err(Failure::Local(format!("{} {why}", part.display())));
            }
            std::fs::rename(&part, &self.file).map_err(|err| wrong(&self.file, &err))
        };
        if let Err(failure) = done.await {
            // Half a backup is none; that of another command is left to it.
            if is_at(&file, &part).unwrap_or_default() {
                let _ = std::fs::remove_file(&part);
            }
            return Err(failure);
        }
        let file = self.file.display();
        say(&format!(
            "{file}: {}. It holds every secret of the cluster.",
            bytes(written)
        ))
    }
}

/// Whether the file is the one of this name still.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let (own, there) = (file.metadata()?, std::fs::symlink_metadata(path)?);
    Ok((own.dev(), own.ino()) == (there.dev(), there.ino()))
}

fn part_of(file: &Path) -> PathBuf {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

/// Put a backup in the place of the state; the daemon must not be running
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The file that `ktizo backup` wrote, or the folder `before-restore-...` that an earlier restore kept the state in
    file: PathBuf,
    /// The state folder, if it is not the one of the config file
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Read this file instead of /etc/ktizo/ktizo.yaml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl RestoreArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let local = |err: anyhow::Error| Failure::Local(told(&err));
        let state_dir = match self.state_dir {
            Some(state_dir) => state_dir,
            None => {
                let config = Config::load(self.config.as_deref());
                config.map_err(|err| local(err.into()))?.state_dir
            }
        };
        // A pipe can be read once, so that it is looked at while it is restored.
        if !is_pipe(&self.file) {
            restore::manifest(&self.file).map_err(local)?;
        }
        let question = format!("Replace the state in {}?", state_dir.display());
        confirmed(&question, self.yes, "nothing was restored")?;
        let sudo_user = std::env::var("SUDO_USER").ok();
        let author = restore::who(sudo_user.as_deref());
        let restored = restore::restore(&self.file, &state_dir, &author, SystemClock.now());
        let Some(restored) = restored.map_err(local)? else {
            return say(
                "The state from before the restore that was broken off is in its place again.",
            );
        };
        let manifest = restored.manifest;
        let aside = restored.aside.map_or_else(String::new, |aside| {
            format!(" The state from before is in {}.", aside.display())
        });
        let at = manifest.taken_at.minute();
        let what = if self.file.is_dir() {
            format!("the state in {}, last changed at {at}", self.file.display())
        } else {
            format!("what ktizo {} saved at {at}", manifest.version)
        };
        let said = format!(
            "Restored {what}.{aside} Assets are not part of a backup; their files stay.\nUsers and their passwords are those of that time; \
             everybody signs in anew. {}\n{}",
            tokens(&restored.barred),
            orders(restored.barred.stood_down)
        );
        say(said.trim_end())
    }
}

fn is_pipe(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|of| !of.is_file() && !of.is_dir())
}

/// What became of the orders of a backup.
fn orders(stood_down: StoodDown) -> String {
    let StoodDown { wipes, installs } = stood_down;
    let wipes = match wipes {
        0 => String::new(),
        _ => format!("Wipes called off, for they may have been carried out since: {wipes}."),
    };
    let installs = match installs {
        0 => String::new(),
        _ => format!(
            "Approved machines that were to be installed then, and now get a menu that ends at their disk: {installs}; \
             `ktizo device order install` orders it anew."
        ),
    };
    format!("{wipes} {installs}").trim().to_owned()
}

/// What became of the API tokens of a backup.
fn tokens(barred: &Barred) -> String {
    let names: Vec<String> = barred.tokens.iter().map(ToString::to_string).collect();
    let gone = match (names.is_empty(), barred.before_is_unreadable) {
        (true, _) => String::new(),
        (false, false) => format!(
            "API tokens that were revoked since stay revoked: {}.",
            names.join(", ")
        ),
        (false, true) => format!(
            "The state from before cannot be read, so all API tokens are revoked: {}.",
            names.join(", ")
        ),
    };
    let good = match barred.good_tokens {
        0 => String::new(),
        1 => "1 API token of the backup is good; see `ktizo token list`.".to_owned(),
        many => format!("{many} API tokens of the backup are good; see `ktizo token list`."),
    };
    format!("{gone} {good}").trim().to_owned()
}
