//! Device configs: what they are made with beyond the device's row, how they came about, and what changed.

use std::fmt;

use configgen::DiskSelector;
use model::{EphemeralVolume, Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// What the config of one device has beyond the fields of the device; what is absent is left to the base config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceSettings {
    /// What the disk to install on must be; excludes the device's `install_disk`.
    pub install_selector: Option<DiskSelector>,
    /// The image that installs Talos.
    pub install_image: Option<String>,
    /// The id of an Image Factory schematic, which makes the installer; excludes `install_image`.
    pub schematic: Option<String>,
    /// Whether the install disk is zeroed first.
    pub install_wipe: Option<bool>,
    /// Size and place of the IMAGECACHE volume.
    #[serde(skip_serializing_if = "is_default")]
    pub image_cache: EphemeralVolume,
    /// Volumes of the operator's, 64 at most.
    pub user_volumes: Vec<UserVolume>,
    /// Kernel modules to load.
    pub kernel_modules: Vec<KernelModule>,
}

impl DeviceSettings {
    /// The most volumes of the operator's.
    pub const VOLUMES: usize = 64;
}

fn is_default(volume: &EphemeralVolume) -> bool {
    *volume == EphemeralVolume::default()
}

/// A volume mounted at `/var/mnt/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserVolume {
    /// 1 to 34 letters, digits and hyphens.
    pub name: String,
    /// A CEL expression such as `!system_disk`.
    pub disk_selector: String,
    /// Such as `10GiB`; this or the maximum is needed.
    #[serde(default)]
    pub min_size: Option<String>,
    /// Such as `100GiB` or `80%`.
    #[serde(default)]
    pub max_size: Option<String>,
    /// Whether it takes what is free up to the maximum.
    #[serde(default)]
    pub grow: Option<bool>,
    /// `xfs`, `ext4` or `btrfs`.
    #[serde(default)]
    pub filesystem: Option<String>,
}

/// A kernel module to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelModule {
    /// Its name.
    pub name: String,
    /// Its parameters, each `key=value` without a blank.
    #[serde(default)]
    pub parameters: Vec<String>,
}

/// What changes against the config that a device last received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigDiff {
    /// The difference in a sentence.
    pub message: String,
    /// Whether the device runs another config than it would be served now.
    pub outdated: bool,
    /// When it last received one whole; `null` if it never did.
    pub served_at: Option<Timestamp>,
    /// The fingerprint of what it received.
    pub served_sha256: Option<Sha256Digest>,
    /// The fingerprint of what it would be served now; `null` if it gets none.
    pub sha256: Option<Sha256Digest>,
    /// A unified diff, secrets masked; `null` where one of the two is not there.
    pub diff: Option<String>,
}

/// Which layers made a value of a device config what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigOrigin {
    /// The document it is in.
    pub document: String,
    /// Where in the document.
    pub path: String,
    /// The value, secrets masked, as YAML; `null` if the last layer took it away.
    pub value: Option<String>,
    /// The layers that changed it, the one that decided last.
    pub layers: Vec<String>,
}

/// How far the making of device configs is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RegenerateProgress {
    /// Whether any is under way.
    pub running: bool,
    /// Whether all are made and are being saved, in one transaction.
    pub saving: bool,
    /// Configs that were made.
    pub done: u64,
    /// Configs that are to be made.
    pub total: u64,
}

impl fmt::Display for ConfigOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().map_or("(deleted)", str::trim_end);
        write!(
            f,
            "{} {}: {value}\n  set by {}",
            self.document,
            self.path,
            self.layers.join(", then ")
        )
    }
}
