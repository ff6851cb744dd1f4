//! What a person decides of a device.

use std::net::Ipv4Addr;

use model::{BootOrder, Disk, Hostname, Labels, Role, StandingOrder, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a person says of who a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideIdentity {
    /// The decision.
    pub decision: model::IdentityDecision,
    /// Of the conflict that was seen: since when it is there. If another has come in its place, the decision is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What a device is approved with; what is absent is taken from the device as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApproveDevice {
    /// Its name as a node.
    pub hostname: Option<Hostname>,
    /// Its address as a node.
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<Ipv4Addr>,
    /// Its role as a node.
    pub role: Option<Role>,
    /// Free text.
    pub notes: Option<String>,
    /// Device path of the disk to install on.
    pub install_disk: Option<String>,
    /// Least size of the EPHEMERAL volume.
    pub ephemeral_min_size: Option<String>,
    /// Most size of the EPHEMERAL volume.
    pub ephemeral_max_size: Option<String>,
    /// Which disk the EPHEMERAL volume is on.
    pub ephemeral_disk_selector: Option<String>,
    /// The operator's own words for it.
    pub labels: Option<Labels>,
    /// What its config has beyond these fields, as `.../settings` takes it; such as `install_selector`, which chooses its disk.
    #[schema(value_type = Option<super::DeviceSettings>)]
    pub settings: Option<Map<String, Value>>,
    /// Whether a load balancer or a virtual address answers at the cluster's endpoint, so that the first control plane need not.
    pub endpoint_elsewhere: bool,
}

/// A boot order that is given, also if the device has the same already: an `install` is then done once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveOrder {
    /// The order.
    pub order: BootOrder,
    /// For a wipe: the name of the device, which confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// For a wipe: the order that stands when it is proven, `menu` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<StandingOrder>,
}

impl GiveOrder {
    /// An order that needs no confirmation.
    pub fn standing(order: StandingOrder) -> Self {
        Self {
            order: order.into(),
            confirm: None,
            then: None,
        }
    }
}

/// A person's word for what no machine has proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vouch {
    /// What is so.
    pub proof: Proof,
}

/// What a person can vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Talos is on the disk.
    Installed,
    /// The wipe that was sent is done.
    Wiped,
}

/// What a device could be approved with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Suggestions {
    /// A free name.
    pub hostname: Option<Hostname>,
    /// A free address; `null` without a node subnet, or if it is full.
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<Ipv4Addr>,
    /// The role that the cluster needs next.
    pub role: Role,
    /// The disk it was given before, if any.
    pub install_disk: Option<String>,
    /// The disks that its kernel told of; empty where it was never heard. With several of them an approval must name one.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Which disk Talos is installed on and whether anybody chose it, in a sentence.
    #[serde(default)]
    pub disk_note: String,
}
