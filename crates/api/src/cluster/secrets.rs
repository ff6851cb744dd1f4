//! The secrets of the cluster: brought in, and taken out.

use configgen::{MachineConfig, SecretsBundle};
use model::{Actor, Author, EventKind, Origin};
use store::{Lane, SecretsRow, Store};

use super::{check_kinship, confirmed};
use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::sources::BaseText;
use crate::types::{SecretsImport, SecretsImported};
use crate::{Error, generate};

/// A bundle that was brought in.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    bundle: SecretsBundle,
    confirm: Option<String>,
}

impl Bundle {
    /// Reads `secrets.yaml`, or takes the bundle out of `controlplane.yaml`; where both are given they must agree.
    pub(crate) fn read(
        secrets: Option<&str>,
        controlplane: Option<&str>,
        confirm: Option<String>,
    ) -> Result<Option<Self>, Error> {
        let given = secrets
            .map(|text| SecretsBundle::parse("secrets.yaml", text))
            .transpose()
            .map_err(|err| Error::invalid("secrets", err.to_string()))?;
        // Whoever needs the bundle asks `taken_out` for the reason why there is none.
        let taken = controlplane.and_then(|text| taken_out(text).ok());
        if let (Some(given), Some(taken)) = (&given, &taken)
            && given != taken
        {
            let why = "secrets.yaml and controlplane.yaml belong to different clusters";
            return Err(Error::refused(
                "other_cluster",
                Some("secrets".to_owned()),
                why,
                None,
            ));
        }
        Ok(given.or(taken).map(|bundle| Self { bundle, confirm }))
    }

    /// The bundle to be taken into use; `None` if it is. Replacing another needs a confirmation.
    pub(crate) fn decide(&self, ground: &Ground) -> Result<Option<(SecretsBundle, Origin)>, Error> {
        if let Some(row) = &ground.secrets {
            if bundle_of(row)? == self.bundle {
                return Ok(None);
            }
            let why = "the cluster has other secrets, with which its nodes were made; replaced, they are kept as a backup, but no node made with them is reached any more";
            confirmed(&ground.sources, self.confirm.as_deref(), why)?;
        }
        Ok(Some((self.bundle.clone(), Origin::Imported)))
    }
}

/// The bundle that a control plane's config has in it.
fn taken_out(text: &str) -> Result<SecretsBundle, Error> {
    MachineConfig::parse("controlplane.yaml", text)
        .and_then(|config| SecretsBundle::from_controlplane(&config))
        .map_err(|err| Error::invalid("controlplane", err.to_string()))
}

/// The bundle in use.
pub(crate) fn bundle_of(row: &SecretsRow) -> Result<SecretsBundle, Error> {
    SecretsBundle::parse("secrets.yaml", &row.text)
        .map_err(|err| Error::Internal(format!("the stored secrets are damaged: {err}")))
}

/// Takes a bundle into use. Base configs that ktizo made are made anew with it; imported ones must have it already.
pub(crate) async fn import(
    store: &Store,
    progress: &Progress,
    author: Author,
    import: SecretsImport,
) -> Result<SecretsImported, Error> {
    if import.secrets.is_none() && import.controlplane.is_none() {
        let why = "neither secrets nor controlplane has a text";
        return Err(Error::invalid("secrets", why));
    }
    if let (None, Some(text)) = (&import.secrets, &import.controlplane) {
        taken_out(text)?;
    }
    let bundle = Bundle::read(
        import.secrets.as_deref(),
        import.controlplane.as_deref(),
        import.confirm,
    )?
    .ok_or_else(|| Error::invalid("secrets", "there are no secrets in it"))?;
    let done = remake(store, progress, author, move |ground| {
        let Some((secrets, origin)) = bundle.decide(ground)? else {
            return Ok(Plan::default());
        };
        let bases = remade_bases(ground, &secrets)?;
        let kept: Vec<BaseText> = ground
            .sources
            .bases
            .iter()
            .filter(|base| base.origin == Origin::Imported)
            .cloned()
            .collect();
        check_kinship(&kept, &secrets)?;
        Ok(Plan {
            secrets: Some((secrets, origin)),
            configs: if bases.is_empty() {
                Remade::Nothing
            } else {
                Remade::All
            },
            bases,
            ..Plan::default()
        })
    })
    .await?;
    let changed = done.plan.secrets.is_some();
    let replaced = done.replaced_secrets;
    let message = match (changed, replaced) {
        (false, _) => "these secrets are in use already".to_owned(),
        (true, false) => "the cluster's secrets are imported".to_owned(),
        (true, true) => format!(
            "the cluster's secrets are replaced, the old ones kept as a backup; {} device configs made anew",
            done.made
        ),
    };
    Ok(SecretsImported {
        message,
        changed,
        replaced,
        device_configs_generated: done.made,
    })
}

/// The base configs that ktizo made, made anew with other secrets.
fn remade_bases(ground: &Ground, secrets: &SecretsBundle) -> Result<Vec<BaseText>, Error> {
    let Some(cluster) = &ground.sources.cluster else {
        return Ok(Vec::new());
    };
    let generated = ground
        .sources
        .bases
        .iter()
        .filter(|base| base.origin == Origin::Generated);
    generated
        .map(|base| generate::base(base.role, cluster, secrets))
        .collect()
}

/// The text of `secrets.yaml`, or of a bundle that was replaced. Only for a person, and written down.
pub(crate) async fn export(
    store: &Store,
    author: Author,
    backup: Option<i64>,
) -> Result<String, Error> {
    only_persons(&author.actor)?;
    store
        .write(Lane::Admin, author, move |writer| {
            let found = match backup {
                None => writer.secrets()?,
                Some(id) => writer
                    .replaced_secrets()?
                    .into_iter()
                    .find(|row| row.id == id),
            };
            let row = found.ok_or_else(|| Error::NotFound {
                what: "secrets bundle:",
                name: match backup {
                    None => "none was made or imported yet".to_owned(),
                    Some(id) => format!("no backup has the number {id}"),
                },
            })?;
            let file = match backup {
                None => "secrets.yaml".to_owned(),
                Some(id) => format!("secrets.yaml, backup {id},"),
            };
            writer.event(None, EventKind::SecretsExported { file })?;
            Ok(row.text)
        })
        .await
}

/// Secrets are for persons.
pub(super) fn only_persons(actor: &Actor) -> Result<(), Error> {
    match actor {
        Actor::Person(_) => Ok(()),
        Actor::System | Actor::Device(_) => Err(Error::Forbidden {
            why: "secrets are only for persons".to_owned(),
            hint: "sign in".to_owned(),
        }),
    }
}
