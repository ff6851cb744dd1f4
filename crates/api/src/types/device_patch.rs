//! Changes of a device.

use std::net::Ipv4Addr;

use model::{BootOrder, Hostname, Labels, LocalBoot, MacAddr, Role};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What is changed of a device: an absent field stays, `null` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DevicePatch {
    /// The address it boots with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// Its name as a node.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Hostname>)]
    pub hostname: Option<Option<Hostname>>,
    /// Its address as a node.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<Option<Ipv4Addr>>,
    /// Its role as a node.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Role>)]
    pub role: Option<Option<Role>>,
    /// Free text.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub notes: Option<Option<String>>,
    /// The operator's own words for it, in the place of all that it has.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Labels>)]
    pub labels: Option<Option<Labels>>,
    /// Device path of the disk to install on.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub install_disk: Option<Option<String>>,
    /// Least size of the EPHEMERAL volume.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub ephemeral_min_size: Option<Option<String>>,
    /// Most size of the EPHEMERAL volume.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub ephemeral_max_size: Option<Option<String>>,
    /// Which disk the EPHEMERAL volume is on.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub ephemeral_disk_selector: Option<Option<String>>,
    /// What its next network boot does. To give the same order again, use `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_order: Option<BootOrder>,
    /// An order that is given, also if it is the one that stands: an `install` is then done once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<BootOrder>,
    /// What its config has beyond these fields, as `.../settings` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::DeviceSettings>)]
    pub settings: Option<Map<String, Value>>,
    /// How it is sent to its disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_boot: Option<LocalBoot>,
    /// The boot loader it gets instead of the usual one.
    #[serde(
        deserialize_with = "clearable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub loader: Option<Option<String>>,
}

/// Tells `null`, which clears a field, from a field that is absent.
pub fn clearable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
