//! Patches.

use std::fmt;

use model::{DeviceId, MacAddr, PatchId, PatchScope, Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// A patch as the API shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Patch {
    /// Its number.
    pub id: PatchId,
    /// Which configs it changes.
    pub scope: PatchScope,
    /// The number of the device it is for, if its scope is one.
    pub device: Option<DeviceId>,
    /// The MAC of that device.
    pub mac_address: Option<MacAddr>,
    /// Its name; within a scope, names are the order of application.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// The fingerprint of its text, for admins alone: what is short can be found by trying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its text, which may hold secrets; only where one patch is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl fmt::Debug for Patch {
    /// Leaves the text out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patch")
            .field("id", &self.id)
            .field("scope", &self.scope)
            .field("device", &self.device)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A patch to be saved: a new one, or in the place of that of the same name in its scope.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavePatch {
    /// Which configs it changes.
    pub scope: PatchScope,
    /// The device it is for, by number, MAC or host name, if the scope is `device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Its name.
    pub name: String,
    /// A strategic merge patch, YAML, or a list of JSON patch operations.
    pub text: String,
}

impl fmt::Debug for SavePatch {
    /// Leaves the text out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavePatch")
            .field("scope", &self.scope)
            .field("device", &self.device)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Another text for a patch.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchContent {
    /// The text.
    pub text: String,
}

impl fmt::Debug for PatchContent {
    /// Leaves the text out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatchContent").finish_non_exhaustive()
    }
}

/// What saving or deleting a patch did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PatchDone {
    /// What was done, in a sentence.
    pub message: String,
    /// The patch, without its text.
    pub patch: Patch,
    /// How many device configs were made anew.
    pub device_configs_generated: u64,
    /// What Talos would warn of in the configs, in sentences.
    pub warnings: Vec<String>,
}

/// What a patch that is not saved yet would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PatchChecked {
    /// What it changes.
    pub effects: Vec<PatchEffect>,
    /// What Talos would warn of in the configs, in sentences.
    pub warnings: Vec<String>,
}

/// What a patch changes in one config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PatchEffect {
    /// Which one: `controlplane.yaml` or `worker.yaml` for all devices of the role, or the MAC address of a device.
    pub on: String,
    /// A unified diff, secrets masked; empty if nothing changes.
    pub diff: String,
}
