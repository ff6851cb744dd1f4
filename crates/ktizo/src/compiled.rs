//! The folders `compiled/` and `base/`: what the database holds, as files that an operator can `ls` and `cat`.
//!
//! The served bytes live in the database; these files follow it. Each is written whole, and at start the folders are compared with the
//! database and mended. A base config that was edited by hand is left alone: `ktizo device regenerate` takes it into use or refuses it.

mod base;
mod cluster;
mod file;

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::ClusterFiles;
use configgen::script::{Scripts, TableNode};
use model::{Clock, Device, MacAddr, Role};
use store::{Base, Error as StoreError, Lane, Store, StoredConfig};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::report::Report;
use base::{BaseFolder, keep_bases};
use file::{
    BATCH, at, holds, make_folder, put_in_place, sync_folder, write_beside, write_if_other,
};

/// Keeps the folders equal to the database.
pub(crate) struct Compiled {
    store: Store,
    scripts: Arc<Scripts>,
    folder: PathBuf,
    base_folder: PathBuf,
    /// Where machines fetch from, for the file of the table script: in the served one each machine gets the address that faces it.
    report: Arc<Report>,
    clock: Arc<dyn Clock>,
}

/// Why the folder could not be made equal.
#[derive(Debug, thiserror::Error)]
enum Behind {
    #[error("the database did not answer: {0}")]
    Store(#[from] StoreError),
    #[error("the cluster's files: {0}")]
    Cluster(#[from] api::Error),
    #[error("boot.ipxe: {0}")]
    Script(#[from] configgen::script::ScriptError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// After a failure, such as a full disk, the folder is tried again in this time.
const RETRY: Duration = Duration::from_secs(5);
/// So long a burst of changes may go on before it is written.
const SETTLE: Duration = Duration::from_millis(50);

impl Compiled {
    /// The folder `compiled` below `state_dir`.
    pub(crate) fn new(
        store: Store,
        scripts: Arc<Scripts>,
        state_dir: &Path,
        report: Arc<Report>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            scripts,
            folder: state_dir.join("compiled"),
            base_folder: state_dir.join("base"),
            report,
            clock,
        }
    }

    /// Makes the folder equal to the database, then follows every commit until `stop`. What was committed before that is followed
    /// before it returns.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut changes = self.store.subscribe();
        let mut known = None;
        let mut told = Vec::new();
        loop {
            known = match self.catch_up(known).await {
                Ok((revision, edits)) => {
                    if let Some(edits) = edits {
                        for edit in edits.iter().filter(|edit| !told.contains(*edit)) {
                            tracing::warn!("{edit}");
                        }
                        told = edits;
                    }
                    Some(revision)
                }
                Err(err) => {
                    tracing::error!(%err, "the compiled files are behind the database, which is what machines are served from");
                    None
                }
            };
            if stop.is_cancelled() {
                return;
            }
            let failed = known.is_none();
            let retry = tokio::time::sleep(RETRY);
            tokio::pin!(retry);
            loop {
                tokio::select! {
                    // One more look, so that nothing that was acknowledged is left for the next start.
                    () = stop.cancelled() => break,
                    () = &mut retry, if failed => break,
                    change = changes.recv() => match change {
                        Ok(change) if change.devices.is_empty() && !change.settings && !change.base => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return,
                    }
                }
            }
            // What comes in a burst is written once: each look reads every approved device.
            stop.run_until_cancelled(tokio::time::sleep(SETTLE)).await;
            changes = changes.resubscribe();
        }
    }

    /// Writes what changed after `known`, or compares everything if it is `None`. Gives the revision that the folders are at now, and,
    /// if it looked, the files that a person edited and that are not in use.
    async fn catch_up(&self, known: Option<i64>) -> Result<(i64, Option<Vec<String>>), Behind> {
        let read = self.store.read(Lane::Admin, move |reader| {
            let revision = reader.revision()?;
            if known == Some(revision) {
                return Ok(None);
            }
            let mut bases = Vec::new();
            for role in Role::ALL {
                bases.extend(reader.base(*role)?.map(|base| (*role, base)));
            }
            let state = State {
                bases,
                changed: reader.configs_since(known.unwrap_or(-1))?,
                all: reader
                    .config_digests()?
                    .iter()
                    .map(|(mac, role, _)| config_name(*mac, *role))
                    .collect(),
            };
            let files = ClusterFiles::read(reader);
            Ok(Some((revision, state, reader.approved()?, files)))
        });
        let Some((revision, state, approved, files)) = read.await? else {
            return Ok((known.unwrap_or_default(), None));
        };
        let files = files?;
        let nodes = table_nodes(&approved);
        let base_url = self.report.base_url();
        let make = |scripts: &Scripts| scripts.table(&base_url, &nodes);
        // Each machine that asks for the script tells of a template that failed.
        let (table, _) = self.scripts.or_built_in(make)?;
        let (folder, base_folder) = (self.folder.clone(), self.base_folder.clone());
        let now = self.clock.now();
        let written = tokio::task::spawn_blocking(move || {
            let mut base_folder = BaseFolder::open(&base_folder, now)?;
            keep_bases(&mut base_folder, &state.bases)?;
            cluster::keep_cluster(&mut base_folder, &files, now)?;
            let edits = base_folder.close()?;
            keep_compiled(&folder, &state, table.as_bytes())?;
            Ok(Some(edits))
        });
        match written.await {
            Ok(done) => done.map(|edits| (revision, edits)),
            // Only a runtime that shuts down drops a blocking task.
            Err(_) => Ok((revision, None)),
        }
    }
}

/// What the folders are to hold, as far as it may have changed.
struct State {
    bases: Vec<(Role, Base)>,
    changed: Vec<StoredConfig>,
    /// The file names of all device configs.
    all: BTreeSet<String>,
}

/// The name of a device config's file.
fn config_name(mac: MacAddr, role: Role) -> String {
    format!("{role}-{}.yaml", mac.hyphenated())
}

/// The lines of the table script.
pub(crate) fn table_nodes(approved: &[Device]) -> Vec<TableNode> {
    let node = |device: &Device| -> Option<TableNode> {
        let (role, ip): (Role, Ipv4Addr) = (device.role?, device.ip_address?);
        Some(TableNode {
            mac: device.mac,
            role,
            ip,
        })
    };
    approved.iter().filter_map(node).collect()
}

/// Writes the configs that differ, removes the files that no device has, and writes the table script. Every folder that changed is
/// synced once.
fn keep_compiled(folder: &Path, state: &State, table: &[u8]) -> Result<(), Behind> {
    let configs = folder.join("talos/configs");
    let pxe = folder.join("pxe");
    make_folder(&configs)?;
    make_folder(&pxe)?;
    let mut batch = Vec::new();
    for config in &state.changed {
        let path = configs.join(config_name(config.mac, config.role));
        if !holds(&path, &config.bytes) {
            let (file, beside) = write_beside(&path, &config.bytes, None).map_err(at(&path))?;
            batch.push((file, beside, path));
            if batch.len() == BATCH {
                put_in_place(&configs, &batch)?;
                batch.clear();
            }
        }
    }
    let mut touched = !state.changed.is_empty();
    put_in_place(&configs, &batch)?;
    for entry in std::fs::read_dir(&configs).map_err(at(&configs))? {
        let entry = entry.map_err(at(&configs))?;
        // A folder that somebody made there is left alone.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let known = entry
            .file_name()
            .to_str()
            .is_some_and(|name| state.all.contains(name));
        if !known {
            std::fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            touched = true;
        }
    }
    if touched {
        sync_folder(&configs)?;
    }
    if write_if_other(&pxe.join("boot.ipxe"), table)? {
        sync_folder(&pxe)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_nobody_are_removed_and_half_written_ones_too() {
        let folder = tempfile::tempdir().unwrap();
        let configs = folder.path().join("talos/configs");
        make_folder(&configs).unwrap();
        for name in [
            "worker-52-54-00-00-00-01.yaml",
            "controlplane-52-54-00-00-00-02.yaml",
            "worker-52-54-00-00-00-01.new",
        ] {
            std::fs::write(configs.join(name), b"x").unwrap();
        }
        make_folder(&configs.join("lost+found")).unwrap();
        let all = BTreeSet::from(["worker-52-54-00-00-00-01.yaml".to_owned()]);
        let state = State {
            bases: Vec::new(),
            changed: Vec::new(),
            all,
        };
        keep_compiled(folder.path(), &state, b"#!ipxe\n").unwrap();
        let left: BTreeSet<_> = std::fs::read_dir(&configs)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(
            left,
            ["lost+found", "worker-52-54-00-00-00-01.yaml"]
                .map(str::to_owned)
                .into()
        );
        assert_eq!(
            std::fs::read(folder.path().join("pxe/boot.ipxe")).unwrap(),
            b"#!ipxe\n"
        );
    }
}
