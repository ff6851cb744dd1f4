//! The cluster: its settings, secrets and base configs.

use std::fmt;

use configgen::ClusterInput;
use model::{Origin, Role, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};

/// What is changed of the cluster's settings, by the names of [`ClusterInput`]: an absent field stays, `null` clears.
pub type ClusterPatch = Map<String, Value>;

/// The cluster's settings, and what is to be known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterAnswer {
    /// The settings.
    pub settings: ClusterInput,
    /// What a change did, and what is still to do, in sentences.
    pub notes: Vec<String>,
}

/// The one field beside the settings.
pub(crate) const NOTES: &str = "notes";

impl utoipa::PartialSchema for ClusterAnswer {
    fn schema() -> RefOr<Schema> {
        let notes = ObjectBuilder::new()
            .property(NOTES, <Vec<String> as utoipa::PartialSchema>::schema())
            .required(NOTES);
        AllOfBuilder::new()
            .item(Ref::from_schema_name(ClusterInput::name()))
            .item(notes)
            .into()
    }
}

impl ToSchema for ClusterAnswer {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((
            ClusterInput::name().into_owned(),
            <ClusterInput as utoipa::PartialSchema>::schema(),
        ));
        ClusterInput::schemas(schemas);
    }
}

impl Serialize for ClusterAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(&self.settings).map_err(ser::Error::custom)?;
        value[NOTES] = serde_json::to_value(&self.notes).map_err(ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ClusterAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let notes = fields
            .remove(NOTES)
            .unwrap_or_else(|| Value::Array(Vec::new()));
        Ok(Self {
            settings: serde_json::from_value(fields.into()).map_err(de::Error::custom)?,
            notes: serde_json::from_value(notes).map_err(de::Error::custom)?,
        })
    }
}

/// Asks for base configs from the settings and secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateCluster {
    /// The cluster's name once more, where imported base configs are replaced.
    pub confirm: Option<String>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterGenerated {
    /// What was done, in a sentence.
    pub message: String,
    /// Whether secrets were made, for there were none.
    pub secrets_made: bool,
    /// The roles whose base config changed.
    pub roles: Vec<Role>,
    /// How many device configs were made anew.
    pub device_configs_generated: u64,
    /// What is to be known, and what Talos would warn of, in sentences.
    pub notes: Vec<String>,
}

/// A secrets bundle to be imported: one of the two, each the whole text of the file.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsImport {
    /// `secrets.yaml`.
    pub secrets: Option<String>,
    /// `controlplane.yaml`, out of which the secrets are taken.
    pub controlplane: Option<String>,
    /// The cluster's name once more, where other secrets are replaced.
    pub confirm: Option<String>,
}

impl fmt::Debug for SecretsImport {
    /// Leaves the texts out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsImport")
            .field("secrets", &self.secrets.is_some())
            .field("controlplane", &self.controlplane.is_some())
            .finish_non_exhaustive()
    }
}

/// What an import of secrets did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretsImported {
    /// What was done, in a sentence.
    pub message: String,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether other secrets were in use, which are kept as a backup.
    pub replaced: bool,
    /// How many device configs were made anew.
    pub device_configs_generated: u64,
}

/// All that is there of the cluster, without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// Its name, as far as anything tells it.
    pub name: Option<String>,
    /// Its settings; `null` for a cluster whose base configs were imported.
    pub settings: Option<ClusterInput>,
    /// The secrets in use.
    pub secrets: Option<SecretsState>,
    /// Those that were replaced, the oldest first.
    pub backups: Vec<SecretsState>,
    /// The base configs.
    pub bases: Vec<BaseState>,
    /// How many patches there are.
    pub patches: u64,
    /// What is to be known, in sentences.
    pub notes: Vec<String>,
}

/// A secrets bundle, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretsState {
    /// Its number.
    pub id: i64,
    /// Who made it.
    pub origin: Origin,
    /// When it came into use.
    pub made_at: Timestamp,
    /// When another took its place.
    pub replaced_at: Option<Timestamp>,
}

/// A base config, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseState {
    /// The role it is for.
    pub role: Role,
    /// Who made it.
    pub origin: Origin,
    /// When it came into use.
    pub changed_at: Timestamp,
}
