//! The same for many devices.

use model::{DeviceId, Role, StandingOrder};
use serde::{Deserialize, Serialize};

use super::{Device, ErrorBody};

/// What is asked for many devices at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkDevices {
    /// What to do.
    pub action: BulkAction,
    /// With which, by number, MAC address or host name; one that is named twice is done once.
    pub devices: Vec<String>,
    /// For approvals: the role of those that have none yet; what the cluster needs next without it.
    #[serde(default)]
    pub role: Option<Role>,
    /// Tells what would be done, and does nothing.
    #[serde(default)]
    pub preview: bool,
    /// The versions of the rows that a person saw, as the preview told them. If one of the devices, or what would be done with it, is
    /// another by then, nothing is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Vec<String>>,
}

/// What is done with each device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Let it in, with what it has and what is suggested for the rest.
    Approve,
    /// Turn it away.
    Reject,
    /// Give it a boot order; a wipe is ordered one by one.
    Order {
        /// The order.
        order: StandingOrder,
    },
    /// Forget it, with its config; this is for an admin.
    Delete,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BulkAnswer {
    /// Whether nothing was done.
    pub preview: bool,
    /// How many of the devices refuse it, which refuses it for all.
    pub refused: u64,
    /// Each device.
    pub devices: Vec<BulkRow>,
}

/// One device of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BulkRow {
    /// Its number.
    pub id: DeviceId,
    /// How it is called.
    pub name: String,
    /// Names what this row shows; goes back as one of `seen`.
    #[serde(default)]
    pub version: String,
    /// As it was before.
    pub before: Device,
    /// As it is afterwards, or would be; one that is deleted as it was.
    pub device: Device,
    /// In a preview, or after one that is `seen`: what it means for the machine and its disks, in sentences.
    #[serde(default)]
    pub effect: String,
    /// Why it cannot be done with this one.
    pub refusal: Option<ErrorBody>,
}
