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
}

impl std::fmt::Debug for BaseImport {
    /// Leaves the texts out, for they hold the cluster's secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseImport")
            .field("controlplane", &self.controlplane.is_some())
            .field("worker", &self.worker.is_some())
            .finish()
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaseImported {
    /// What was done, in a sentence.
    pub message: String,
    /// The roles whose base config changed.
    pub roles: Vec<Role>,
    /// How many device configs were made anew.
    pub device_configs_generated: u64,
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
