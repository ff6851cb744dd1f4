//! Base configs: importing them, and making all device configs anew.

mod written;

use std::path::{Path, PathBuf};

use configgen::SecretsBundle;
use model::{Author, Origin, Role, Timestamp};
use store::{Lane, Store};

use crate::cluster::{Bundle, bundle_of, check_kinship};
use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::sources::BaseText;
use crate::types::{BaseImport, BaseImported, Regenerated};
use crate::{Error, generate};

pub use written::{Hand, Written};

/// Takes base configs into use, with the secrets that are beside or in them; all device configs follow, or nothing is changed.
pub(crate) async fn import(
    store: &Store,
    progress: &Progress,
    author: Author,
    import: BaseImport,
) -> Result<BaseImported, Error> {
    let bundle = Bundle::read(
        import.secrets.as_deref(),
        import.controlplane.as_deref(),
        import.confirm,
    )?;
    let given: Vec<BaseText> = [
        (Role::Controlplane, import.controlplane),
        (Role::Worker, import.worker),
    ]
    .into_iter()
    .filter_map(|(role, text)| {
        Some(BaseText {
            role,
            text: text?,
            origin: Origin::Imported,
        })
    })
    .collect();
    if given.is_empty() {
        let why = "neither controlplane nor worker has a text";
        return Err(Error::invalid("controlplane", why));
    }
    let done = remake(store, progress, author, move |ground| {
        let mut bases = Vec::new();
        for base in &given {
            generate::parse(base.role, &base.text)?;
            if !in_force(ground, base.role, &base.text) {
                bases.push(base.clone());
            }
        }
        let secrets = match &bundle {
            Some(bundle) => bundle.decide(ground)?,
            None => None,
        };
        check_family(ground, &bases, secrets.as_ref().map(|(secrets, _)| secrets))?;
        Ok(Plan {
            configs: if bases.is_empty() {
                Remade::Nothing
            } else {
                Remade::All
            },
            bases,
            secrets,
            ..Plan::default()
        })
    })
    .await?;
    let roles = done.plan.roles();
    let secrets_imported = done.plan.secrets.is_some();
    let secrets = match (secrets_imported, done.replaced_secrets) {
        (false, _) => "",
        (true, false) => ", with the cluster's secrets",
        (true, true) => ", with other secrets of the cluster; the old ones are kept as a backup",
    };
    let message = if roles.is_empty() {
        format!("the base configs are in use already{secrets}")
    } else {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        format!(
            "base configs for {} imported{secrets}, {} device configs made anew",
            names.join(" and "),
            done.made
        )
    };
    Ok(BaseImported {
        message,
        roles,
        secrets_imported,
        device_configs_generated: done.made,
        warnings: done.warnings,
    })
}

/// Refuses base configs that would be in use together with secrets of another cluster.
fn check_family(
    ground: &Ground,
    new: &[BaseText],
    secrets: Option<&SecretsBundle>,
) -> Result<(), Error> {
    let in_use;
    let secrets = match (secrets, &ground.secrets) {
        (Some(secrets), _) => secrets,
        (None, Some(row)) => {
            in_use = bundle_of(row)?;
            &in_use
        }
        (None, None) => return Ok(()),
    };
    let mut after = ground.sources.clone();
    for base in new {
        after.put_base(base.clone());
    }
    check_kinship(&after.bases, secrets)
}

/// Makes all device configs anew. A base config that was changed by hand in `folder` is taken into use first, or refused with its line.
pub(crate) async fn regenerate(
    store: &Store,
    progress: &Progress,
    author: Author,
    folder: PathBuf,
) -> Result<Regenerated, Error> {
    let done = remake(store, progress, author, move |ground| {
        let mut bases = Vec::new();
        let written = Written::read(&folder).map_err(Error::file(folder.display().to_string()))?;
        for role in Role::ALL {
            let known = ground.bases.iter().find(|(of, _)| of == role);
            let known = known.map(|(_, base)| (base.text.as_str(), base.imported_at));
            if let Some(text) = edited(&written, &folder, &base_file(*role), known)? {
                generate::parse(*role, &text)?;
                bases.push(BaseText {
                    role: *role,
                    text,
                    origin: Origin::Imported,
                });
            }
        }
        let known = ground.secrets.as_ref();
        let known = known.map(|row| (row.text.as_str(), row.made_at));
        if edited(&written, &folder, SECRETS, known)?.is_some() {
            let why =
                "secrets.yaml was changed by hand, and secrets are never replaced on the side";
            let hint = "import it with `ktizo cluster import`, or delete the file";
            return Err(Error::refused(
                "confirm",
                Some("secrets".to_owned()),
                why,
                Some(hint),
            ));
        }
        check_family(ground, &bases, None)?;
        Ok(Plan {
            bases,
            configs: Remade::All,
            asked_for: true,
            ..Plan::default()
        })
    })
    .await?;
    let adopted = match done.plan.bases.len() {
        0 => String::new(),
        count => format!(", with {count} base configs that were edited"),
    };
    Ok(Regenerated {
        message: format!("{} device configs made anew{adopted}", done.made),
        device_configs_generated: done.made,
        boot_script_generated: true,
        approved_devices: done.approved,
    })
}

fn in_force(ground: &Ground, role: Role, text: &str) -> bool {
    ground
        .bases
        .iter()
        .any(|(of, base)| *of == role && base.text == text)
}

/// The file of the secrets in `base/`.
const SECRETS: &str = "secrets.yaml";

/// The file of a base config in `base/`.
fn base_file(role: Role) -> String {
    format!("{role}.yaml")
}

/// The text of a file that a person edited since what is in force, its text and moment; `None` if there is none.
///
/// An edit of what was in force before is not taken: it would undo what was taken into use since.
fn edited(
    written: &Written,
    folder: &Path,
    name: &str,
    known: Option<(&str, Timestamp)>,
) -> Result<Option<String>, Error> {
    if let Some((in_force, since)) = known
        && written.judge(folder, name, in_force.as_bytes(), since) != Hand::Edited
    {
        return Ok(None);
    }
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(Error::file(path.display().to_string())(err)),
    }
}

/// The files in `folder` that a person edited and that are not in use, in sentences. Reads them.
pub(crate) async fn hand_edits(store: &Store, folder: PathBuf) -> Result<Vec<String>, Error> {
    let known = store
        .read(Lane::Admin, |reader| {
            let mut known = Vec::new();
            for role in Role::ALL {
                let base = reader.base(*role)?;
                known.extend(base.map(|base| (base_file(*role), base.text, base.imported_at)));
            }
            let secrets = reader.secrets()?;
            known.extend(secrets.map(|row| (SECRETS.to_owned(), row.text, row.made_at)));
            Ok::<_, store::Error>(known)
        })
        .await?;
    let found = tokio::task::spawn_blocking(move || {
        let written = Written::read(&folder).unwrap_or_default();
        known
            .into_iter()
            .filter(|(name, text, since)| {
                written.judge(&folder, name, text.as_bytes(), *since) == Hand::Edited
            })
            .map(|(name, ..)| hand_edit(&folder, &name))
            .collect()
    });
    found.await.map_err(|err| Error::Internal(err.to_string()))
}

/// Says that a file was edited, and what to do about it.
pub fn hand_edit(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let path = path.display();
    if name == SECRETS {
        format!(
            "{path} was changed by hand and is not in use: `ktizo cluster import` takes it into use; delete it to have the one in use written again"
        )
    } else {
        format!(
            "{path} was changed by hand and is not in use: `ktizo device regenerate` takes it into use; delete it to have the one in use written again"
        )
    }
}
