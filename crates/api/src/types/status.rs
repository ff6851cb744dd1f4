//! How the daemon does.

use model::{Role, TalosVersion, Timestamp};
use serde::{Deserialize, Serialize};

/// What the daemon knows of itself, apart from the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServiceStatus {
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Where its state is.
    pub state_dir: String,
    /// What it serves where.
    pub serves: Vec<Served>,
    /// The root of the web pages and of the API by TCP, such as `http://127.0.0.1:8000`; `null` where they are not open.
    #[serde(default)]
    pub web_root: Option<String>,
    /// The boot loaders at hand, and those that are chosen and missing.
    pub loaders: Vec<LoaderStatus>,
    /// Why a machine may not be served, in sentences; empty while all is well.
    pub problems: Vec<String>,
    /// What is served, but not as it should be, in sentences.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One service at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Served {
    /// Such as `ProxyDHCP` or `boot HTTP`.
    pub what: String,
    /// Such as `udp 0.0.0.0:67` or `http://192.168.1.2`.
    pub address: String,
    /// Why nothing that comes there is taken; `null` while it is.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// A boot loader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LoaderStatus {
    /// Its file name.
    pub name: String,
    /// The kind of machine it is chosen for, if it is.
    pub platform: Option<String>,
    /// Where it is; `null` if it is missing.
    pub path: Option<String>,
    /// What is known to be wrong with it.
    pub complaint: Option<String>,
}

/// The whole picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The daemon.
    #[serde(flatten)]
    pub service: ServiceStatus,
    /// How many devices there are.
    pub devices: DeviceCounts,
    /// Whether a machine that nobody approved is held.
    pub strict_boot_mode: bool,
    /// The Talos release that machines boot; `null` while none was imported whole.
    pub talos_version: Option<TalosVersion>,
    /// The roles that have a base config.
    pub base_configs: Vec<Role>,
    /// What has to be done before a machine can be installed, in sentences.
    pub missing: Vec<String>,
    /// What is to be known and stands in nobody's way, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Files in `base/` that were changed by hand and are not in use, in sentences.
    #[serde(default)]
    pub edited: Vec<String>,
}

/// Devices by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeviceCounts {
    /// Waiting for a person.
    pub pending: u64,
    /// Let in.
    pub approved: u64,
    /// Turned away.
    pub rejected: u64,
    /// Those of the pending that are held at this moment.
    #[serde(default)]
    pub held: u64,
}
