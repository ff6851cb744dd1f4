//! A machine and what is known of it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::{
    Actor, Arch, DeviceId, Firmware, Hostname, Labels, Lifecycle, MacAddr, Role, SmbiosUuid,
    StandingOrder, Timestamp,
};

/// One machine, known by the MAC it boots with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its row.
    pub id: DeviceId,
    /// The address it boots with; no two devices share one.
    pub mac: MacAddr,
    /// Its name as a node; set for every approved device.
    pub hostname: Option<Hostname>,
    /// Its address as a node; set for every approved device.
    pub ip_address: Option<Ipv4Addr>,
    /// Its role as a node; set for every approved device.
    pub role: Option<Role>,
    /// Whether a person has let it in.
    pub approval: Approval,
    /// What its network boots do once it is approved, and what became of that.
    pub life: Lifecycle,
    /// Free text of the operator's.
    pub notes: String,
    /// The operator's own words for it.
    pub labels: Labels,
    /// Device path of the disk to install on; `None` leaves the choice to the base config.
    pub install_disk: Option<String>,
    /// Size and place of Talos's EPHEMERAL volume.
    pub ephemeral: EphemeralVolume,
    /// How it is sent to its disk.
    pub local_boot: LocalBoot,
    /// File name of the network boot loader it gets instead of the usual one, for cards that hang with it.
    pub loader: Option<String>,
    /// What the machine said of itself.
    pub inventory: Inventory,
    /// When it was first heard of; `None` while it was only added by hand.
    pub first_seen: Option<Timestamp>,
    /// When it was last heard of.
    pub last_seen: Option<Timestamp>,
    /// When its config was last served whole.
    pub last_config_download: Option<Timestamp>,
    /// When its config was first served whole since the present order was given; an install may have happened since.
    pub config_released_at: Option<Timestamp>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When a person or the system last changed it; being seen is no change.
    pub updated_at: Timestamp,
}

impl Device {
    /// A person gives a standing order: what was released under the one before counts no more.
    pub fn give_order(&mut self, order: StandingOrder) {
        self.life.give(order);
        self.config_released_at = None;
    }
}

/// Whether a person has let a device in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has decided.
    Pending,
    /// Let in.
    Approved {
        /// Who decided.
        by: Actor,
        /// When.
        at: Timestamp,
    },
    /// Turned away.
    Rejected {
        /// Who decided.
        by: Actor,
        /// When.
        at: Timestamp,
    },
}

word_enum! {
    /// The word for an [`Approval`], as the API and filters write it.
    ApprovalStatus, "a status: pending, approved or rejected", {
        /// Nobody has decided.
        Pending = "pending",
        /// Let in.
        Approved = "approved",
        /// Turned away.
        Rejected = "rejected",
    }
}

impl Approval {
    /// The word for it.
    pub const fn status(&self) -> ApprovalStatus {
        match self {
            Self::Pending => ApprovalStatus::Pending,
            Self::Approved { .. } => ApprovalStatus::Approved,
            Self::Rejected { .. } => ApprovalStatus::Rejected,
        }
    }

    /// Whether it is [`Approval::Approved`].
    pub const fn is_approved(&self) -> bool {
        matches!(self, Self::Approved { .. })
    }
}

word_enum! {
    /// How a device is sent to its disk; firmware differs in what it understands.
    LocalBoot, "a way to the local disk: auto, sanboot or exit", {
        /// What is known to work best for its firmware and loader.
        Auto = "auto",
        /// iPXE starts the disk itself.
        Sanboot = "sanboot",
        /// iPXE ends with an error, and the firmware goes on to its next boot entry.
        Exit = "exit",
    }
}

/// What a machine said of itself by DHCP options and iPXE settings. All of it is hearsay from an unauthenticated network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
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
}

impl Inventory {
    /// The longest text kept of each fact, in characters.
    pub const MAX_TEXT: usize = 64;

    /// Keeps of a fact's text what can be shown anywhere: printable, at most [`Self::MAX_TEXT`] characters; `None` if nothing is left.
    pub fn clean(text: &str) -> Option<String> {
        let kept: String = text
            .chars()
            .filter(|c| !c.is_control())
            .take(Self::MAX_TEXT)
            .collect();
        let trimmed = kept.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// Takes over every fact that `newer` has, and keeps the others. Says whether anything changed.
    pub fn learn(&mut self, newer: &Self) -> bool {
        let before = self.clone();
        self.arch = newer.arch.or(self.arch);
        self.firmware = newer.firmware.or(self.firmware);
        self.uuid = newer.uuid.or(self.uuid);
        for (own, new) in [
            (&mut self.serial, &newer.serial),
            (&mut self.vendor, &newer.vendor),
            (&mut self.model, &newer.model),
        ] {
            if new.is_some() {
                own.clone_from(new);
            }
        }
        *self != before
    }
}

/// Overrides for Talos's EPHEMERAL volume (`VolumeConfig`); absent keys leave Talos's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EphemeralVolume {
    /// Such as `10GiB`.
    pub min_size: Option<String>,
    /// Such as `100GiB`.
    pub max_size: Option<String>,
    /// A CEL expression such as `disk.transport == "nvme"`.
    pub disk_selector: Option<String>,
}
