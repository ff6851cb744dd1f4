//! Devices.

use std::net::Ipv4Addr;

use model::{
    Approval, ApprovalStatus, Arch, BootOrder, DeviceId, Disk, EphemeralVolume, Firmware, Hostname,
    Install, Labels, LocalBoot, MacAddr, Role, SmbiosUuid, StandingOrder, Timestamp, TokenGrant,
    Wipe,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A device as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Device {
    /// Its number.
    pub id: DeviceId,
    /// The address it boots with.
    pub mac_address: MacAddr,
    /// Its name as a node.
    pub hostname: Option<Hostname>,
    /// Its address as a node.
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<Ipv4Addr>,
    /// Its role as a node.
    pub role: Option<Role>,
    /// Whether it was let in.
    pub status: ApprovalStatus,
    /// Free text.
    pub notes: String,
    /// The operator's own words for it.
    #[serde(default)]
    pub labels: Labels,
    /// Whether a wipe is ordered.
    pub wipe_on_next_boot: bool,
    /// Device path of the disk to install on; `null` leaves the choice to the base config.
    pub install_disk: Option<String>,
    /// Least size of the EPHEMERAL volume.
    pub ephemeral_min_size: Option<String>,
    /// Most size of the EPHEMERAL volume.
    pub ephemeral_max_size: Option<String>,
    /// Which disk the EPHEMERAL volume is on, as a CEL expression.
    pub ephemeral_disk_selector: Option<String>,
    /// When it was first heard of; `null` while it was only added by hand.
    pub first_seen: Option<Timestamp>,
    /// When it was let in.
    pub approved_at: Option<Timestamp>,
    /// When its config was last served whole.
    pub last_config_download: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed; being seen is no change.
    pub updated_at: Timestamp,
    /// Its processor.
    pub arch: Option<Arch>,
    /// Its firmware.
    pub firmware: Option<Firmware>,
    /// Its mainboard's number.
    pub uuid: Option<SmbiosUuid>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its manufacturer.
    pub vendor: Option<String>,
    /// Its product name.
    pub model: Option<String>,
    /// What its next network boot does once it is approved.
    pub boot_order: BootOrder,
    /// How it is sent to its disk.
    pub local_boot: LocalBoot,
    /// The boot loader it gets instead of the usual one.
    pub loader: Option<String>,
    /// When it was last heard of.
    pub last_seen: Option<Timestamp>,
    /// When its config was first served whole since the present order was given.
    pub config_released_at: Option<Timestamp>,
    /// When somebody at its console asked for a wipe that nobody has answered yet.
    pub wipe_asked_at: Option<Timestamp>,
    /// How its install stands.
    #[serde(default)]
    pub install: Install,
    /// How a wipe of it stands.
    #[serde(default)]
    pub wipe: Wipe,
    /// Names what its config has beyond these fields, as it is now (`GET .../settings` shows it); `null` while that is nothing.
    #[serde(default)]
    pub settings_version: Option<String>,
    /// Whether it runs another config than it would be served now.
    #[serde(default)]
    pub config_outdated: bool,
    /// The token that its last boot script carried for its config, without the token; `null` if none is in force or was until it
    /// expired.
    #[serde(default)]
    pub config_token: Option<ConfigToken>,
    /// Its cards beside the one it was first seen with.
    #[serde(default)]
    pub other_cards: Vec<model::OtherCard>,
    /// What is undecided about who it is; until a person decides, it gets no config.
    #[serde(default)]
    pub identity_conflict: Option<model::Conflict>,
}

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

/// How long and how often a machine may still fetch its config with the token it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ConfigTokenState)]
pub struct ConfigToken {
    /// When the boot script with it left.
    pub issued_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// How often the config was fetched with it, since it was issued or renewed.
    pub fetches: u32,
    /// For how many fetches it is good.
    pub fetches_allowed: u32,
}

impl From<TokenGrant> for ConfigToken {
    fn from(grant: TokenGrant) -> Self {
        Self {
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
            fetches: grant.fetches,
            fetches_allowed: TokenGrant::FETCHES,
        }
    }
}

impl From<model::Device> for Device {
    fn from(device: model::Device) -> Self {
        let approved_at = match device.approval {
            Approval::Approved { at, .. } => Some(at),
            Approval::Pending | Approval::Rejected { .. } => None,
        };
        Self {
            id: device.id,
            mac_address: device.mac,
            hostname: device.hostname,
            ip_address: device.ip_address,
            role: device.role,
            status: device.approval.status(),
            notes: device.notes,
            labels: device.labels,
            wipe_on_next_boot: matches!(device.life.wipe, Wipe::Ordered { .. }),
            install_disk: device.install_disk,
            ephemeral_min_size: device.ephemeral.min_size,
            ephemeral_max_size: device.ephemeral.max_size,
            ephemeral_disk_selector: device.ephemeral.disk_selector,
            first_seen: device.first_seen,
            approved_at,
            last_config_download: device.last_config_download,
            created_at: device.created_at,
            updated_at: device.updated_at,
            arch: device.inventory.arch,
            firmware: device.inventory.firmware,
            uuid: device.inventory.uuid,
            serial: device.inventory.serial,
            vendor: device.inventory.vendor,
            model: device.inventory.model,
            boot_order: device.life.boot_order(),
            local_boot: device.local_boot,
            loader: device.loader,
            last_seen: device.last_seen,
            config_released_at: device.config_released_at,
            wipe_asked_at: match device.life.wipe {
                Wipe::Asked { at } => Some(at),
                _ => None,
            },
            install: device.life.install,
            wipe: device.life.wipe,
            // The store alone knows.
            settings_version: None,
            config_outdated: false,
            config_token: None,
            other_cards: Vec::new(),
            identity_conflict: None,
        }
    }
}

/// A device to be added by hand, or to be registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// The address it boots with.
    pub mac_address: MacAddr,
    /// Its name as a node.
    #[serde(default)]
    pub hostname: Option<Hostname>,
    /// Its address as a node.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<Ipv4Addr>,
    /// Its role as a node.
    #[serde(default)]
    pub role: Option<Role>,
    /// Free text.
    #[serde(default)]
    pub notes: String,
    /// The operator's own words for it.
    #[serde(default)]
    pub labels: Labels,
    /// Device path of the disk to install on.
    #[serde(default)]
    pub install_disk: Option<String>,
    /// Least size of the EPHEMERAL volume.
    #[serde(default)]
    pub ephemeral_min_size: Option<String>,
    /// Most size of the EPHEMERAL volume.
    #[serde(default)]
    pub ephemeral_max_size: Option<String>,
    /// Which disk the EPHEMERAL volume is on.
    #[serde(default)]
    pub ephemeral_disk_selector: Option<String>,
}

impl NewDevice {
    /// A device of which nothing but the address is known.
    pub fn new(mac_address: MacAddr) -> Self {
        Self {
            mac_address,
            hostname: None,
            ip_address: None,
            role: None,
            notes: String::new(),
            labels: Labels::default(),
            install_disk: None,
            ephemeral_min_size: None,
            ephemeral_max_size: None,
            ephemeral_disk_selector: None,
        }
    }

    /// The three settings of the EPHEMERAL volume together.
    pub fn ephemeral(&self) -> EphemeralVolume {
        EphemeralVolume {
            min_size: self.ephemeral_min_size.clone(),
            max_size: self.ephemeral_max_size.clone(),
            disk_selector: self.ephemeral_disk_selector.clone(),
        }
    }
}

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
