//! Making base configs from the settings, and secrets where there are none.

use std::sync::OnceLock;

use configgen::SecretsBundle;
use model::{Author, Clock, Origin, Role, Timestamp};
use store::Store;

use super::{bundle_of, confirmed};
use crate::progress::Progress;
use crate::remake::{Ground, Plan, Remade, remake};
use crate::sources::BaseText;
use crate::types::{ClusterGenerated, GenerateCluster};
use crate::{Error, generate as configs};

/// Makes base configs, secrets if there are none, and all device configs; or nothing.
pub(crate) async fn generate(
    store: &Store,
    progress: &Progress,
    clock: &dyn Clock,
    author: Author,
    asked: GenerateCluster,
) -> Result<ClusterGenerated, Error> {
    let fresh = Fresh::new(clock);
    let done = remake(store, progress, author, move |ground| {
        plan(ground, &fresh, asked.confirm.as_deref())
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

/// The bundle of a new cluster, made when it is needed and once. An RSA key takes a second, which a refusal is not to wait for.
pub(super) struct Fresh {
    now: Timestamp,
    made: OnceLock<SecretsBundle>,
}

impl Fresh {
    /// One that is not made yet.
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self {
            now: clock.now(),
            made: OnceLock::new(),
        }
    }

    /// The bundle. Blocks while it is made.
    pub(super) fn bundle(&self) -> Result<&SecretsBundle, Error> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = SecretsBundle::generate(self.now).map_err(configs::refused)?;
        Ok(self.made.get_or_init(|| made))
    }

    /// Whether it was needed.
    #[cfg(test)]
    pub(super) fn is_made(&self) -> bool {
        self.made.get().is_some()
    }
}

fn plan(ground: &Ground, fresh: &Fresh, confirm: Option<&str>) -> Result<Plan, Error> {
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
    let (secrets, made) = match &ground.secrets {
        Some(row) => (bundle_of(row)?, None),
        None => {
            let fresh = fresh.bundle()?.clone();
            (fresh.clone(), Some((fresh, Origin::Generated)))
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
        notes: super::notes(cluster),
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
