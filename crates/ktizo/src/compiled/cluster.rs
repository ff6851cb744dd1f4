//! The cluster's files in `base/` beside the base configs: `secrets.yaml`, the bundles it replaced, and `talosconfig`.

use std::path::Path;
use std::time::Duration;

use api::ClusterFiles;
use model::Timestamp;
use store::SecretsRow;

use super::Behind;
use super::base::BaseFolder;
use super::file::modified;

/// A `talosconfig` is made anew when its certificate, which is valid for a year, has become this old.
const RENEWAL: Duration = Duration::from_secs(180 * 24 * 3600);

/// Writes what is missing or other than in the database.
pub(super) fn keep_cluster(
    folder: &mut BaseFolder,
    files: &ClusterFiles,
    now: Timestamp,
) -> Result<(), Behind> {
    if let Some(row) = &files.secrets {
        folder.keep("secrets.yaml", row.text.as_bytes(), row.made_at)?;
    }
    for row in &files.replaced {
        folder.put(&backup_name(row), row.text.as_bytes())?;
    }
    match files.make_talosconfig(now) {
        Ok(Some(text)) => {
            let name = "talosconfig";
            if !is_current(&folder.path().join(name), text.expose(), now) {
                folder.replace(name, text.expose().as_bytes())?;
            }
        }
        Ok(None) => {}
        // The other files do not wait for it.
        Err(err) => tracing::warn!(%err, "base/talosconfig cannot be made"),
    }
    Ok(())
}

/// The name of a replaced bundle's file: the day it was replaced, and its number.
fn backup_name(row: &SecretsRow) -> String {
    let at = row.replaced_at.unwrap_or(row.made_at).to_string();
    let day = at.split('T').next().unwrap_or_default();
    format!("secrets-{day}-{}.yaml", row.id)
}

/// Whether the file says the same as `fresh` but for the certificate, and that is young.
fn is_current(path: &Path, fresh: &str, now: Timestamp) -> bool {
    let lasting = |text: &str| {
        text.lines()
            .filter(|line| {
                let line = line.trim_start();
                !line.starts_with("crt:") && !line.starts_with("key:")
            })
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let same = std::fs::read_to_string(path).is_ok_and(|text| lasting(&text) == lasting(fresh));
    same && modified(path).is_some_and(|at| now.since(at) < RENEWAL)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use configgen::{ClientRole, SecretsBundle, TalosConfigInput};
    use model::{Clock as _, Origin, Sha256Digest, SystemClock};

    use super::*;

    fn row(text: &str, id: i64, made_at: Timestamp, replaced_at: Option<Timestamp>) -> SecretsRow {
        SecretsRow {
            id,
            text: text.to_owned(),
            sha256: Sha256Digest([0; 32]),
            origin: Origin::Generated,
            made_at,
            replaced_at,
        }
    }

    #[test]
    fn secrets_backups_and_talosconfig_are_kept_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        let bundle = SecretsBundle::generate(now).unwrap();
        let later = now.plus(Duration::from_secs(60));
        let replaced = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut files = ClusterFiles {
            secrets: Some(row(bundle.export().expose(), 2, later, None)),
            replaced: vec![row("old", 1, now, Some(replaced))],
            talosconfig: TalosConfigInput {
                cluster_name: "lab".to_owned(),
                endpoints: vec!["10.0.0.2".to_owned()],
                nodes: vec!["10.0.0.2".to_owned()],
                role: ClientRole::Admin,
            },
        };
        let keep = |files: &ClusterFiles, now| {
            let mut open = BaseFolder::open(folder.path(), now).unwrap();
            keep_cluster(&mut open, files, now).unwrap();
            open.close().unwrap();
        };
        keep(&files, now);
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                (entry.file_name().into_string().unwrap(), mode)
            })
            .collect();
        names.sort();
        let expected = [
            ".written",
            "secrets-2026-11-23-1.yaml",
            "secrets.yaml",
            "talosconfig",
        ];
        assert_eq!(names, expected.map(|name| (name.to_owned(), 0o600)));

        // A certificate is not made anew for nothing, but for another endpoint or when it is old.
        let read = || std::fs::read_to_string(folder.path().join("talosconfig")).unwrap();
        let first = read();
        keep(&files, now);
        assert_eq!(read(), first);
        keep(&files, now.plus(RENEWAL * 2));
        let renewed = read();
        assert_ne!(renewed, first);
        files.talosconfig.endpoints.push("10.0.0.3".to_owned());
        keep(&files, now);
        assert!(read().contains("10.0.0.3"));
    }
}
