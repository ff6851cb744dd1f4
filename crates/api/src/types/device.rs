//! Devices.

use std::net::Ipv4Addr;

use model::{
    Approval, ApprovalStatus, Arch, BootOrder, DeviceId, EphemeralVolume, Firmware, Hostname,
    Install, Labels, LocalBoot, MacAddr, Role, SmbiosUuid, Timestamp, TokenGrant, Wipe,
};
use serde::{Deserialize, Serialize};

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
    /// What its next network boot really does, as things are.
    #[serde(default)]
    pub next_boot: Option<NextBoot>,
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
    /// Whether a machine that came with its card was turned away, and may be accepted after all.
    #[serde(default)]
    pub turned_away: bool,
}

impl Device {
    /// The fields that only record what happened: they change while nobody changes the device.
    pub(crate) const RECORDED: [&str; 21] = [
        "next_boot",
        "first_seen",
        "last_seen",
        "last_config_download",
        "created_at",
        "updated_at",
        "config_released_at",
        "wipe_asked_at",
        "install",
        "wipe",
        "config_outdated",
        "config_token",
        "other_cards",
        "identity_conflict",
        "turned_away",
        "arch",
        "firmware",
        "uuid",
        "serial",
        "vendor",
        "model",
    ];
}

/// What a network boot does at this moment, which is not what was ordered where something keeps the machine from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NextBoot {
    /// `install`, `hold`, `leave` (to its disk), `menu`, `wipe` or `local_else_talos`.
    pub does: String,
    /// Why, where it is not simply what was ordered.
    pub why: Option<String>,
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
            next_boot: None,
            settings_version: None,
            config_outdated: false,
            config_token: None,
            other_cards: Vec::new(),
            identity_conflict: None,
            turned_away: false,
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
