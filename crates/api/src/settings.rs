//! Network settings.

use model::{Author, EventKind, NetworkSettings};
use serde_json::{Map, Value};
use store::{Lane, Store};

use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::types::{NetworkAnswer, NetworkPatch};
use crate::version::{IfMatch, Version};
use crate::{Error, body, cluster};

/// The settings in force.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]
pub(crate) async fn show(store: &Store) -> Result<NetworkAnswer, Error> {
    let settings = store.read(Lane::Admin, |reader| reader.settings()).await?;
    Ok(NetworkAnswer {
        settings,
        meaning: None,
    })
}

/// Changes the settings that the body has; the configs of all approved devices follow, or nothing is changed.
pub(crate) async fn change(
    store: &Store,
    progress: &Progress,
    author: Author,
    patch: NetworkPatch,
    expected: IfMatch,
) -> Result<NetworkAnswer, Error> {
    let done = remake(store, progress, author, move |ground| {
        let plan = plan(ground, &patch)?;
        expected.check(&Version::of(&ground.sources.network))?;
        Ok(plan)
    })
    .await?;
    let Some((settings, fields)) = done.plan.settings else {
        return show(store).await;
    };
    let switched = fields.iter().any(|field| field == "strict_boot_mode");
    let on = settings.strict_boot_mode;
    Ok(NetworkAnswer {
        settings,
        meaning: switched.then(|| EventKind::StrictModeSwitched { on }.to_string()),
    })
}

fn plan(ground: &Ground, patch: &NetworkPatch) -> Result<Plan, Error> {
    let before = fields_of(&ground.sources.network)?;
    let mut fields = before.clone();
    for (field, value) in patch {
        // What a change means is told in its answer, which may come back with the rest of it.
        if field != "meaning" {
            let value = laid_over(before.get(field), value);
            fields.insert(field.clone(), value);
        }
    }
    let settings: NetworkSettings = body::read_value(fields.clone().into())?;
    settings.check().map_err(|refusal| {
        let changes = |field: &str| before.get(field) != fields.get(field);
        // A gateway that stays lies outside of the subnet because that moved.
        match refusal.field {
            "gateway" if changes("node_subnet") && !changes("gateway") => {
                let hint = "change the gateway together with it";
                let field = Some("node_subnet".to_owned());
                Error::refused(
                    "invalid",
                    field,
                    format!("the gateway {}", refusal.why),
                    Some(hint),
                )
            }
            field => Error::invalid(field, refusal.why),
        }
    })?;
    let after = fields_of(&settings)?;
    let changed: Vec<String> = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(*value))
        .map(|(field, _)| field.clone())
        .collect();
    if let Some(cluster) = &ground.sources.cluster {
        cluster::check_apart(cluster, &settings, &changed)?;
    }
    let configs = [
        "node_subnet",
        "gateway",
        "nameservers",
        "server_address",
        "talos_version",
    ]
    .iter()
    .any(|of_configs| changed.iter().any(|field| field == of_configs));
    Ok(Plan {
        settings: (!changed.is_empty()).then_some((settings, changed)),
        configs: if configs {
            Remade::All
        } else {
            Remade::Nothing
        },
        ..Plan::default()
    })
}

/// A value with the changes of one laid over it: in an object an absent field stays and `null` clears, as in the settings themselves.
fn laid_over(before: Option<&Value>, change: &Value) -> Value {
    let Some(Value::Object(before)) = before else {
        return change.clone();
    };
    match change {
        Value::Null => Value::Object(Map::new()),
        Value::Object(change) => {
            let mut merged = before.clone();
            for (field, value) in change {
                if value.is_null() {
                    merged.remove(field);
                } else {
                    merged.insert(field.clone(), laid_over(before.get(field), value));
                }
            }
            merged.into()
        }
        other => other.clone(),
    }
}

fn fields_of(settings: &NetworkSettings) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::Internal("settings are no object".to_owned())),
        Err(err) => Err(Error::Internal(err.to_string())),
    }
}
