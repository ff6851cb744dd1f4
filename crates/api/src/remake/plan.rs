//! A change that device configs follow.

use configgen::{ClusterInput, SecretsBundle};
use model::{Device, DeviceId, EventKind, NetworkSettings, Origin, PatchId, PatchScope, Role};
use store::Writer;

use crate::Error;
use crate::sources::{BaseText, PatchText, Sources};

/// A change that device configs follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Other network settings, and the names of the fields that changed.
    pub(crate) settings: Option<(NetworkSettings, Vec<String>)>,
    /// Other cluster settings, and the names of the fields that changed.
    pub(crate) cluster: Option<(ClusterInput, Vec<String>)>,
    /// Other secrets.
    pub(crate) secrets: Option<(SecretsBundle, Origin)>,
    /// Other base configs.
    pub(crate) bases: Vec<BaseText>,
    /// A patch that comes, changes or goes.
    pub(crate) patch: Option<PatchPlan>,
    /// Which device configs are made; without any only the change itself is.
    pub(crate) configs: Remade,
    /// Whether the event of a regeneration is written even if it changed nothing, for a person asked for it.
    pub(crate) asked_for: bool,
    /// What a person is to know of it, in sentences.
    pub(crate) notes: Vec<String>,
}

/// Which device configs a change concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Remade {
    /// None.
    #[default]
    Nothing,
    /// That of one device; one that is not approved only has it tried.
    One(Box<Device>),
    /// All.
    All,
}

/// What happens to a patch.
#[derive(Clone, Debug)]
pub(crate) enum PatchPlan {
    /// It is added, or gets another text.
    Save(PatchText),
    /// It is deleted.
    Delete(PatchId, PatchText),
}

impl Plan {
    /// What device configs are made from once this has happened.
    pub(super) fn sources(&self, before: &Sources) -> Result<Sources, Error> {
        let mut sources = before.clone();
        if let Some((settings, _)) = &self.settings {
            sources.network = settings.clone();
        }
        if let Some((cluster, _)) = &self.cluster {
            sources.cluster = Some(cluster.clone());
        }
        for base in &self.bases {
            sources.put_base(base.clone());
        }
        match &self.patch {
            None => {}
            Some(PatchPlan::Save(patch)) => put(&mut sources.patches, patch),
            Some(PatchPlan::Delete(_, patch)) => {
                sources
                    .patches
                    .retain(|it| !it.is(patch.scope, patch.device, &patch.name));
            }
        }
        Ok(sources)
    }

    /// Writes the change and its events.
    pub(super) fn save(&self, writer: &Writer<'_>) -> Result<(), Error> {
        if let Some((settings, fields)) = &self.settings {
            let strict = writer.settings()?.strict_boot_mode;
            writer.save_settings(settings)?;
            let fields = fields.clone();
            writer.event(None, EventKind::SettingsChanged { fields })?;
            if settings.strict_boot_mode != strict {
                let on = settings.strict_boot_mode;
                writer.event(None, EventKind::StrictModeSwitched { on })?;
            }
        }
        if let Some((cluster, fields)) = &self.cluster {
            let json =
                serde_json::to_string(cluster).map_err(|err| Error::Internal(err.to_string()))?;
            writer.save_cluster_settings(&json)?;
            let fields = fields.clone();
            writer.event(None, EventKind::ClusterSettingsChanged { fields })?;
        }
        if let Some((secrets, origin)) = &self.secrets {
            let replaced = writer.secrets()?.is_some();
            if writer.save_secrets(secrets.export().expose(), *origin)? {
                let what = match origin {
                    Origin::Generated => EventKind::SecretsMade,
                    Origin::Imported => EventKind::SecretsImported { replaced },
                };
                writer.event(None, what)?;
            }
        }
        self.save_bases(writer)?;
        match &self.patch {
            None => {}
            Some(PatchPlan::Save(patch)) => {
                writer.save_patch(patch.scope, patch.device, &patch.name, &patch.text)?;
                let what = EventKind::PatchSaved {
                    patch: patch.called(),
                };
                patch_event(writer, patch.device, what)?;
            }
            Some(PatchPlan::Delete(id, patch)) => {
                writer.delete_patch(*id)?;
                let what = EventKind::PatchDeleted {
                    patch: patch.called(),
                };
                patch_event(writer, patch.device, what)?;
            }
        }
        Ok(())
    }

    fn save_bases(&self, writer: &Writer<'_>) -> Result<(), Error> {
        let (mut imported, mut generated) = (Vec::new(), Vec::new());
        for base in &self.bases {
            writer.save_base(base.role, &base.text, base.origin)?;
            match base.origin {
                Origin::Generated => generated.push(base.role),
                Origin::Imported => imported.push(base.role),
            }
        }
        if !imported.is_empty() {
            writer.event(None, EventKind::BaseImported { roles: imported })?;
        }
        if !generated.is_empty() {
            writer.event(None, EventKind::BaseGenerated { roles: generated })?;
        }
        Ok(())
    }

    /// The roles whose base config changes.
    pub(crate) fn roles(&self) -> Vec<Role> {
        self.bases.iter().map(|base| base.role).collect()
    }
}

fn patch_event(
    writer: &Writer<'_>,
    device: Option<DeviceId>,
    what: EventKind,
) -> Result<(), Error> {
    let device = match device {
        Some(id) => writer.device(id)?,
        None => None,
    };
    writer.event(device.as_ref(), what)?;
    Ok(())
}

/// Puts a patch in the place of that of its name, or where its name comes in the order of its scope.
fn put(patches: &mut Vec<PatchText>, patch: &PatchText) {
    let order = |scope: PatchScope| PatchScope::ALL.iter().position(|it| *it == scope);
    patches.retain(|it| !it.is(patch.scope, patch.device, &patch.name));
    patches.push(patch.clone());
    patches.sort_by(|one, other| {
        (order(one.scope), one.device, &one.name).cmp(&(
            order(other.scope),
            other.device,
            &other.name,
        ))
    });
}
