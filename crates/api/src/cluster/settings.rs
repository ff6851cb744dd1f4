//! The settings of the cluster.

use configgen::ClusterInput;
use model::{Author, Clock, Origin, Role};
use serde_json::{Map, Value};
use store::Store;

use super::bundle_of;
use super::generate::{Fresh, in_force};
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
        notes: super::notes(&settings),
        settings,
    })
}

/// Changes the settings that the body has. Base configs that ktizo made and all device configs follow, or nothing is changed.
pub(crate) async fn change(
    store: &Store,
    progress: &Progress,
    clock: &dyn Clock,
    author: Author,
    patch: ClusterPatch,
    expected: IfMatch,
) -> Result<ClusterAnswer, Error> {
    // Only with secrets can it be tried what follows from settings; before there are any, with some that are thrown away.
    let stand_in = Fresh::new(clock);
    let done = remake(store, progress, author, move |ground| {
        plan(ground, &patch, &expected, &stand_in)
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
    stand_in: &Fresh,
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
            let hint = "name one, such as v1.13.9, or import a release first";
            Error::refused("invalid", Some("talos_version".to_owned()), why, Some(hint))
        })?;
        fields.insert("talos_version".to_owned(), version.to_string().into());
    }
    let settings: ClusterInput = body::read_value(fields.into())?;
    settings.validate().map_err(configs::refused)?;
    // What can never be right is said before what is out of date. A form that was filled for the first cluster was made for no
    // settings at all.
    expected.check(&Version::of(&ground.sources.cluster))?;
    let after = fields_of(&settings)?;
    let changed: Vec<String> = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(*value))
        .map(|(field, _)| field.clone())
        .collect();
    super::check_apart(&settings, &ground.sources.network, &changed)?;
    let secrets = match &ground.secrets {
        Some(row) => bundle_of(row)?,
        // Nothing was ever made of them.
        None if changed.is_empty() => return Ok(Plan::default()),
        None => stand_in.bundle()?.clone(),
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
    if changed.is_empty() && bases.is_empty() {
        return Ok(Plan::default());
    }
    let mut notes = super::notes(&settings);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::SystemClock;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn no_secrets_are_made_for_what_is_refused_or_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ktizo.db");
        let store = Store::open(&path, Arc::new(SystemClock)).unwrap();
        let ground = device::look(&store, Ground::read).await.unwrap();
        let stand_in = Fresh::new(&SystemClock);
        let fields = |value: Value| match value {
            Value::Object(fields) => fields,
            other => panic!("{other}"),
        };
        let good =
            json!({"name": "lab", "endpoint": "https://10.0.0.2:6443", "talos_version": "v1.13.9"});
        let mut bad = good.clone();
        bad["endpoint"] = json!("nonsense");
        for (patch, expected) in [
            (
                json!({"nonsense": 1, "talos_version": "v1.13.9"}),
                IfMatch::any(),
            ),
            (bad, IfMatch::any()),
            (json!({}), IfMatch::any()),
            (good.clone(), IfMatch::from_form("\"another\"")),
        ] {
            let refused = plan(&ground, &fields(patch.clone()), &expected, &stand_in);
            assert!(refused.is_err() && !stand_in.is_made(), "{patch}");
        }
        let mut known = ground.clone();
        known.sources.cluster = Some(serde_json::from_value(good).unwrap());
        let same = plan(&known, &Map::new(), &IfMatch::any(), &stand_in).unwrap();
        assert!(same.cluster.is_none() && !stand_in.is_made());
    }
}
