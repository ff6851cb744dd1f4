//! A change that device configs follow.

use configgen::{ClusterInput, Patch, SecretsBundle};
use model::{
    Device, DeviceId, EventKind, FieldChange, NetworkSettings, Origin, PatchId, PatchScope, Role,
};
use store::Writer;

use crate::patch::not_found;
use crate::sources::{BaseText, PatchText, Sources, cluster_settings};
use crate::{Error, audit, auth};

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
    pub(crate) fn sources(&self, before: &Sources) -> Result<Sources, Error> {
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
            let before = writer.settings()?;
            let strict = before.strict_boot_mode;
            writer.save_settings(settings)?;
            let (fields, changes) = (fields.clone(), audit::changes(&before, settings));
            writer.event_of(None, EventKind::SettingsChanged { fields }, &changes)?;
            if settings.strict_boot_mode != strict {
                let on = settings.strict_boot_mode;
                writer.event(None, EventKind::StrictModeSwitched { on })?;
            }
        }
        if let Some((cluster, fields)) = &self.cluster {
            let json =
                serde_json::to_string(cluster).map_err(|err| Error::Internal(err.to_string()))?;
            let before = cluster_settings(writer)?;
            writer.save_cluster_settings(&json)?;
            let fields = fields.clone();
            let changes = match &before {
                Some(before) => audit::changes(before, cluster),
                None => audit::changes(&serde_json::Map::new(), cluster),
            };
            writer.event_of(None, EventKind::ClusterSettingsChanged { fields }, &changes)?;
        }
        if let Some((secrets, origin)) = &self.secrets {
            let before = writer.secrets()?.map(|row| row.text);
            let replaced = before.is_some();
            let text = secrets.export();
            if writer.save_secrets(text.expose(), *origin)? {
                let what = match origin {
                    Origin::Generated => EventKind::SecretsMade,
                    Origin::Imported => EventKind::SecretsImported { replaced },
                };
                let change = printed("secrets", before.as_deref(), Some(text.expose()));
                writer.event_of(None, what, &[change])?;
            }
        }
        self.save_bases(writer)?;
        match &self.patch {
            None => {}
            Some(PatchPlan::Save(patch)) => {
                let before = writer.patch_named(patch.scope, patch.device, &patch.name)?;
                let change = masked(
                    before.as_ref().map(|before| before.text.as_str()),
                    Some(&patch.text),
                );
                writer.save_patch(patch.scope, patch.device, &patch.name, &patch.text)?;
                let what = EventKind::PatchSaved {
                    patch: patch.called(),
                };
                patch_event(writer, patch.device, what, &change)?;
            }
            Some(PatchPlan::Delete(id, patch)) => {
                let before = writer
                    .patch(*id)?
                    .ok_or_else(|| not_found(&id.to_string()))?;
                let change = masked(Some(&before.text), None);
                writer.delete_patch(*id)?;
                let what = EventKind::PatchDeleted {
                    patch: patch.called(),
                };
                patch_event(writer, patch.device, what, &change)?;
            }
        }
        Ok(())
    }

    fn save_bases(&self, writer: &Writer<'_>) -> Result<(), Error> {
        let (mut imported, mut generated) = (Named::default(), Named::default());
        for base in &self.bases {
            let before = writer.base(base.role)?.map(|before| before.text);
            writer.save_base(base.role, &base.text, base.origin)?;
            let change = printed(base.role.as_str(), before.as_deref(), Some(&base.text));
            let (roles, changes) = match base.origin {
                Origin::Generated => &mut generated,
                Origin::Imported => &mut imported,
            };
            roles.push(base.role);
            changes.push(change);
        }
        let (roles, changes) = imported;
        if !roles.is_empty() {
            writer.event_of(None, EventKind::BaseImported { roles }, &changes)?;
        }
        let (roles, changes) = generated;
        if !roles.is_empty() {
            writer.event_of(None, EventKind::BaseGenerated { roles }, &changes)?;
        }
        Ok(())
    }

    /// The roles whose base config changes.
    pub(crate) fn roles(&self) -> Vec<Role> {
        self.bases.iter().map(|base| base.role).collect()
    }
}

/// Roles whose base config changed, with the fingerprints of the texts.
type Named = (Vec<Role>, Vec<FieldChange>);

/// The change of a patch, as people are shown configs. Of a long text the beginning.
fn masked(before: Option<&str>, after: Option<&str>) -> FieldChange {
    const MOST: usize = 4096;
    let told = |text: Option<&str>| {
        let Some(text) = text else {
            return "null".to_owned();
        };
        let Ok(patch) = Patch::parse("the patch", text) else {
            return format!("{} bytes", text.len());
        };
        let mut told: String = patch.masked_text().chars().take(MOST).collect();
        if told.chars().count() == MOST {
            told.push_str("\n...");
        }
        told.trim_end().to_owned()
    };
    let (before_told, mut after_told) = (told(before), told(after));
    if before_told == after_told && before != after {
        after_told.push_str("\n# a value that is masked changed, or only how it is written");
    }
    FieldChange {
        field: "text".to_owned(),
        before: before_told,
        after: after_told,
    }
}

/// The change of a text that holds the secrets of a cluster, which the audit log must not: a fingerprint tells which one it was, and
/// nobody finds 256 random bits by trying.
fn printed(field: &str, before: Option<&str>, after: Option<&str>) -> FieldChange {
    let print = |text: Option<&str>| match text {
        Some(text) => format!("sha256 {}", auth::secret::fingerprint(text)),
        None => "null".to_owned(),
    };
    FieldChange {
        field: field.to_owned(),
        before: print(before),
        after: print(after),
    }
}

fn patch_event(
    writer: &Writer<'_>,
    device: Option<DeviceId>,
    what: EventKind,
    change: &FieldChange,
) -> Result<(), Error> {
    let device = match device {
        Some(id) => writer.device(id)?,
        None => None,
    };
    writer.event_of(device.as_ref(), what, std::slice::from_ref(change))?;
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
