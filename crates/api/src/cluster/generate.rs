//! Making base configs from the settings, and secrets where there are none.

use configgen::{Contract, SecretsBundle};
use model::{Author, Clock, Origin, Role};
use store::{Lane, Store};

use super::{bundle_of, confirmed};
use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::sources::BaseText;
use crate::types::{ClusterGenerated, GenerateCluster};
use crate::{Error, generate as configs};

/// Makes base configs, secrets if there are none, and all device configs; or nothing.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]
pub(crate) async fn generate(
    store: &Store,
    progress: &Progress,
    clock: &dyn Clock,
    author: Author,
    asked: GenerateCluster,
) -> Result<ClusterGenerated, Error> {
    let has_secrets = store.read(Lane::Admin, |reader| reader.secrets()).await?;
    // An RSA key takes a second, in which nobody is to wait for the store.
    let fresh = match has_secrets {
        Some(_) => None,
        None => Some(fresh_secrets(clock).await?),
    };
    let done = remake(store, progress, author, move |ground| {
        plan(ground, fresh.as_ref(), asked.confirm.as_deref())
    })
    .await?;
    let secrets_made = done.plan.secrets.is_some();
    let roles = done.plan.roles();
    let mut notes = done.notes;
    notes.extend(done.warnings);
    let mut message = if secrets_made {
        "the cluster's secrets and base configs are made".to_owned()
    } else if roles.is_empty() {
        "the base configs are as the settings say already".to_owned()
    } else {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        format!("base configs for {} are made", names.join(" and "))
    };
    message.push_str(&format!(", {} device configs made anew", done.made));
    Ok(ClusterGenerated {
        message,
        secrets_made,
        roles,
        device_configs_generated: done.made,
        notes,
    })
}

/// A bundle of a new cluster.
pub(super) async fn fresh_secrets(clock: &dyn Clock) -> Result<SecretsBundle, Error> {
    let now = clock.now();
    tokio::task::spawn_blocking(move || SecretsBundle::generate(now))
        .await
        .map_err(|err| Error::Internal(err.to_string()))?
        .map_err(configs::refused)
}

fn plan(
    ground: &Ground,
    fresh: Option<&SecretsBundle>,
    confirm: Option<&str>,
) -> Result<Plan, Error> {
    let Some(cluster) = &ground.sources.cluster else {
        let why = "the cluster has no settings yet";
        let hint = "PUT /cluster/settings, or `ktizo cluster init NAME ENDPOINT`";
        return Err(Error::refused("missing", None, why, Some(hint)));
    };
    let imported = ground
        .bases
        .iter()
        .any(|(_, base)| base.origin == Origin::Imported);
    if imported {
        let why = if ground.secrets.is_some() {
            "the base configs in use were imported or edited; they would be replaced by ones made from the settings"
        } else {
            "the base configs in use were imported, and ktizo does not have their cluster's secrets: they would be replaced by those of a new cluster, which no node of the old one can join"
        };
        confirmed(&ground.sources, confirm, why)?;
    }
    let (secrets, made) = match (&ground.secrets, fresh) {
        (Some(row), _) => (bundle_of(row)?, None),
        (None, Some(fresh)) => (fresh.clone(), Some((fresh.clone(), Origin::Generated))),
        (None, None) => {
            let why = "the secrets went away while they were needed".to_owned();
            return Err(Error::Internal(why));
        }
    };
    let mut bases = Vec::new();
    for role in Role::ALL {
        let base = configs::base(*role, cluster, &secrets)?;
        if !in_force(ground, &base) {
            bases.push(base);
        }
    }
    Ok(Plan {
        secrets: made,
        bases,
        configs: Remade::All,
        asked_for: true,
        notes: Contract::note(&cluster.talos_version).into_iter().collect(),
        ..Plan::default()
    })
}

/// Whether a base config is in use as it is.
pub(super) fn in_force(ground: &Ground, base: &BaseText) -> bool {
    ground
        .sources
        .base(base.role)
        .is_some_and(|it| it.text == base.text && it.origin == base.origin)
}
