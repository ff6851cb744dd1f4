//! Base configs: importing them, and making all device configs anew.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use configgen::SecretsBundle;
use model::{Author, Origin, Role, Timestamp};
use store::Store;

use crate::cluster::{Bundle, bundle_of, check_kinship};
use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::sources::BaseText;
use crate::types::{BaseImport, BaseImported, Regenerated};
use crate::{Error, generate};

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
        for role in Role::ALL {
            let known = ground.bases.iter().find(|(of, _)| of == role);
            let known = known.map(|(_, base)| (base.text.as_str(), base.imported_at));
            if let Some(text) = edited(&folder.join(format!("{role}.yaml")), known)? {
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
        if edited(&folder.join("secrets.yaml"), known)?.is_some() {
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

/// The text of a file that a person edited; `None` if there is none that differs from what is in force, its text and moment.
///
/// A file that differs and is older than the one in force was not edited since: it is left over from before the import, whose own
/// file has not been written yet.
fn edited(path: &Path, known: Option<(&str, Timestamp)>) -> Result<Option<String>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(Error::file(path.display().to_string())(err)),
    };
    let Some((in_force, since)) = known else {
        return Ok(Some(text));
    };
    if in_force == text {
        return Ok(None);
    }
    let modified = std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(Error::file(path.display().to_string()))?;
    Ok((moment(modified) > since).then_some(text))
}

fn moment(at: SystemTime) -> Timestamp {
    let since: Duration = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
