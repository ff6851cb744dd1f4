//! What a patch would do, while it is being written.

use configgen::difference;
use model::{PatchScope, Role};
use store::Store;

use super::target;
use crate::Error;
use crate::device::look;
use crate::generate::{self, Recipe};
use crate::remake::{PatchPlan, Plan};
use crate::sources::Sources;
use crate::types::{self, PatchEffect};

/// Tells what a patch would change, or refuses it as saving it would; nothing is saved. The configs of devices other than the one it
/// is for are tried when it is saved.
pub(crate) async fn check(
    store: &Store,
    new: types::SavePatch,
) -> Result<types::PatchChecked, Error> {
    let (patch, device) = target(store, new).await?;
    let sources = look(store, Sources::read).await?;
    let checked = tokio::task::spawn_blocking(move || {
        generate::check_patch(&sources, &patch)?;
        let scope = patch.scope;
        let plan = Plan {
            patch: Some(PatchPlan::Save(patch)),
            ..Plan::default()
        };
        let after = plan.sources(&sources)?;
        let (before, after) = (Recipe::of(sources)?, Recipe::of(after)?);
        let warnings = after.try_roles()?;
        let mut effects = Vec::new();
        if let Some(device) = &device {
            after.try_device(device)?;
            if let (Ok(before), Ok(after)) = (before.layers(device), after.layers(device)) {
                let diff = difference(before.config(), after.config());
                effects.push(PatchEffect {
                    on: device.mac.to_string(),
                    diff,
                });
            }
        } else {
            for role in roles(scope) {
                if let (Some(before), Some(after)) = (before.shared(*role), after.shared(*role)) {
                    let diff = difference(before, after);
                    effects.push(PatchEffect {
                        on: format!("{role}.yaml"),
                        diff,
                    });
                }
            }
        }
        Ok(types::PatchChecked { effects, warnings })
    });
    checked
        .await
        .map_err(|err| Error::Internal(err.to_string()))?
}

fn roles(scope: PatchScope) -> &'static [Role] {
    match scope {
        PatchScope::Cluster => Role::ALL,
        PatchScope::Controlplane => &[Role::Controlplane],
        PatchScope::Worker => &[Role::Worker],
        PatchScope::Device => &[],
    }
}
