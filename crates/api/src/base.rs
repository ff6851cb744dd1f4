//! Base configs: importing them, and making all device configs anew.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Author, Role, Timestamp};
use store::Store;

use crate::remake::{Ground, Plan, remake};
use crate::types::{BaseImport, BaseImported, Regenerated};
use crate::{Error, generate};

/// Takes base configs into use; all device configs follow, or nothing is changed.
pub(crate) async fn import(
    store: &Store,
    author: Author,
    import: BaseImport,
) -> Result<BaseImported, Error> {
    let given: Vec<(Role, String)> = [
        (Role::Controlplane, import.controlplane),
        (Role::Worker, import.worker),
    ]
    .into_iter()
    .filter_map(|(role, text)| Some((role, text?)))
    .collect();
    if given.is_empty() {
        let why = "neither controlplane nor worker has a text";
        return Err(Error::invalid("controlplane", why));
    }
    let done = remake(store, author, move |ground| {
        let mut bases = Vec::new();
        for (role, text) in &given {
            generate::parse(*role, text)?;
            if !in_force(ground, *role, text) {
                bases.push((*role, text.clone()));
            }
        }
        Ok(Plan {
            configs: !bases.is_empty(),
            bases,
            ..Plan::default()
        })
    })
    .await?;
    let roles: Vec<Role> = done.plan.bases.iter().map(|(role, _)| *role).collect();
    let message = if roles.is_empty() {
        "the base configs are in use already".to_owned()
    } else {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        format!(
            "base configs for {} imported, {} device configs made anew",
            names.join(" and "),
            done.made
        )
    };
    Ok(BaseImported {
        message,
        roles,
        device_configs_generated: done.made,
    })
}

/// Makes all device configs anew. A base config that was changed by hand in `folder` is taken into use first, or refused with its line.
pub(crate) async fn regenerate(
    store: &Store,
    author: Author,
    folder: PathBuf,
) -> Result<Regenerated, Error> {
    let done = remake(store, author, move |ground| {
        let mut bases = Vec::new();
        for role in Role::ALL {
            if let Some(text) = edited(ground, &folder, *role)? {
                generate::parse(*role, &text)?;
                bases.push((*role, text));
            }
        }
        Ok(Plan {
            bases,
            configs: true,
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

/// The text of a base config that a person edited in the folder; `None` if there is none that differs from the one in force.
///
/// A file that differs and is older than the one in force was not edited since: it is left over from before the import, whose own
/// file has not been written yet.
fn edited(ground: &Ground, folder: &Path, role: Role) -> Result<Option<String>, Error> {
    let path = folder.join(format!("{role}.yaml"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(Error::file(path.display().to_string())(err)),
    };
    let known = ground.bases.iter().find(|(of, _)| *of == role);
    let Some((_, base)) = known else {
        return Ok(Some(text));
    };
    if base.text == text {
        return Ok(None);
    }
    let modified = std::fs::metadata(&path)
        .and_then(|metadata| metadata.modified())
        .map_err(Error::file(path.display().to_string()))?;
    Ok((moment(modified) > base.imported_at).then_some(text))
}

fn moment(at: SystemTime) -> Timestamp {
    let since: Duration = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
