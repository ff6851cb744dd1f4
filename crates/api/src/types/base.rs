//! Base configs, and what is made from them.

use model::Role;
use serde::{Deserialize, Serialize};

/// Base configs to be imported, one or both, each the whole text of the file.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BaseImport {
    /// `controlplane.yaml`.
    pub controlplane: Option<String>,
    /// `worker.yaml`.
    pub worker: Option<String>,
    /// `secrets.yaml`; without it the secrets are taken out of `controlplane.yaml`, if all of them are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<String>,
    /// The cluster's name once more, where other secrets are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

impl std::fmt::Debug for BaseImport {
    /// Leaves the texts out, for they hold the cluster's secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseImport")
            .field("controlplane", &self.controlplane.is_some())
            .field("worker", &self.worker.is_some())
            .field("secrets", &self.secrets.is_some())
            .finish_non_exhaustive()
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaseImported {
    /// What was done, in a sentence.
    pub message: String,
    /// The roles whose base config changed.
    pub roles: Vec<Role>,
    /// Whether the cluster's secrets came with them.
    pub secrets_imported: bool,
    /// How many device configs were made anew.
    pub device_configs_generated: u64,
    /// What Talos would warn of in the configs, in sentences.
    pub warnings: Vec<String>,
}

/// What a regeneration did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Regenerated {
    /// What was done, in a sentence.
    pub message: String,
    /// How many device configs were made.
    pub device_configs_generated: u64,
    /// Whether the table script follows; it is made live, so it always does.
    pub boot_script_generated: bool,
    /// How many devices are approved.
    pub approved_devices: u64,
}
