//! The settings of the cluster.

use configgen::{ClusterInput, Contract, SecretsBundle};
use model::{Author, Clock, Origin, Role};
use serde_json::{Map, Value};
use store::{Lane, Store};

use super::bundle_of;
use super::generate::{fresh_secrets, in_force};
use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::types::{ClusterAnswer, ClusterPatch, NOTES};
use crate::version::{IfMatch, Version};
use crate::{Error, body, device, generate as configs};

/// The settings in force.
pub(crate) async fn settings(store: &Store) -> Result<ClusterAnswer, Error> {
    let found = device::look(store, crate::sources::cluster_settings).await?;
    let settings = found.ok_or_else(|| Error::NotFound {
        what: "cluster settings:",
        name: "`ktizo cluster init NAME ENDPOINT` makes some".to_owned(),
    })?;
    Ok(ClusterAnswer {
        notes: Contract::note(&settings.talos_version)
            .into_iter()
            .collect(),
        settings,
    })
}

/// Changes the settings that the body has. Base configs that ktizo made and all device configs follow, or nothing is changed.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]
pub(crate) async fn change(
    store: &Store,
    progress: &Progress,
    clock: &dyn Clock,
    author: Author,
    patch: ClusterPatch,
    expected: IfMatch,
) -> Result<ClusterAnswer, Error> {
    // Only with secrets can it be tried what follows from settings; before there are any, with some that are thrown away.
    let stand_in = match store.read(Lane::Admin, |reader| reader.secrets()).await? {
        Some(_) => None,
        None => Some(fresh_secrets(clock).await?),
    };
    let done = remake(store, progress, author, move |ground| {
        plan(ground, &patch, &expected, stand_in.as_ref())
    })
    .await?;
    let Some((settings, _)) = done.plan.cluster else {
        return settings(store).await;
    };
    let mut notes = done.notes;
    notes.extend(done.warnings);
    Ok(ClusterAnswer { settings, notes })
}

fn plan(
    ground: &Ground,
    patch: &ClusterPatch,
    expected: &IfMatch,
    stand_in: Option<&SecretsBundle>,
) -> Result<Plan, Error> {
    let before = match &ground.sources.cluster {
        Some(settings) => fields_of(settings)?,
        None => Map::new(),
    };
    let mut fields = before.clone();
    for (field, value) in patch {
        if field == NOTES {
            continue;
        }
        // A field that is cleared takes its default again.
        if value.is_null() && field != "install" {
            fields.remove(field);
        } else {
            fields.insert(field.clone(), value.clone());
        }
    }
    if !fields.contains_key("talos_version") {
        let known = ground.sources.talos_version();
        let version = known.ok_or_else(|| {
            let why = "none is given, and no Talos release was imported yet".to_owned();
            let hint = "name one with `--talos-version v1.13.9`, or import one first with `ktizo assets import DIR`";
            Error::refused("invalid", Some("talos_version".to_owned()), why, Some(hint))
        })?;
        fields.insert("talos_version".to_owned(), version.to_string().into());
    }
    let settings: ClusterInput = body::read_value(fields.into())?;
    // What can never be right is said before what is out of date. A form that was filled for the first cluster was made for no
    // settings at all.
    expected.check(&Version::of(&ground.sources.cluster))?;
    let secrets = match (&ground.secrets, stand_in) {
        (Some(row), _) => bundle_of(row)?,
        (None, Some(stand_in)) => stand_in.clone(),
        (None, None) => {
            let why = "the secrets went away while they were needed".to_owned();
            return Err(Error::Internal(why));
        }
    };
    let (mut bases, mut imported) = (Vec::new(), false);
    for role in Role::ALL {
        let made = configs::base(*role, &settings, &secrets)?;
        match ground.sources.base(*role).map(|base| base.origin) {
            Some(Origin::Generated) if !in_force(ground, &made) => bases.push(made),
            Some(Origin::Imported) => imported = true,
            Some(Origin::Generated) | None => {}
        }
    }
    let after = fields_of(&settings)?;
    let changed: Vec<String> = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(*value))
        .map(|(field, _)| field.clone())
        .collect();
    if changed.is_empty() && bases.is_empty() {
        return Ok(Plan::default());
    }
    let mut notes: Vec<String> = Contract::note(&settings.talos_version)
        .into_iter()
        .collect();
    if imported {
        notes.push("the base configs in use were imported or edited, and stay as they are; `ktizo cluster generate` replaces them".to_owned());
    } else if ground.sources.bases.is_empty() {
        notes.push(
            "nothing is made of the settings yet; `ktizo cluster generate` does it".to_owned(),
        );
    }
    Ok(Plan {
        cluster: Some((settings, changed)),
        bases,
        configs: Remade::All,
        notes,
        ..Plan::default()
    })
}

fn fields_of(settings: &ClusterInput) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::Internal("settings are no object".to_owned())),
        Err(err) => Err(Error::Internal(err.to_string())),
    }
}
