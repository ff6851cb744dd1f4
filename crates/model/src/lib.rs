//! The words of ktizo's domain, and the decisions that are pure functions of them.
//!
//! Nothing here reads a socket, a disk, a clock or a random source, and nothing knows SQL or HTTP. Each type parses its text
//! form once, strictly, prints it in one way, and cannot hold a wrong value afterwards.

// Names and numbers.
mod address;
mod digest;
mod error;
mod hostname;
mod id;
mod mac;
mod time;
mod uuid;
mod version;

// Machines and what is known of them.
mod device;
mod disk;
mod label;
mod machine;
mod origin;
mod patch;
mod role;

// What a boot gets, and what became of it.
mod boot;
mod config_release;
mod decision;
mod identity;
mod lifecycle;
mod order;
mod settings;

// What a machine tells of itself, and what that proves.
mod kernel_log;
mod mask;
pub mod proof;
pub mod talos;
mod xid;

// What the rest is recorded with.
mod actor;
mod asset;
mod author;
mod event;
mod firmware_profile;
mod listening;
mod person;

pub use actor::Actor;
pub use address::{AddressRefusal, check_node_address, first_free_address};
pub use asset::{Asset, AssetContent, AssetKind, AssetName, HEAD_BYTES, lacking, newest_whole};
pub use author::{Author, FieldChange};
pub use boot::{Boot, BootId, BootStage, BootStanding, StageOutcome, StageRecord, begins_boot};
pub use config_release::{ConfigRelease, ConfigToken, TokenGrant, TokenRefusal};
pub use decision::{
    BootDecision, BootState, HoldReason, LeaveReason, MenuDefault, Released, decide,
};
pub use device::{Approval, ApprovalStatus, Device, EphemeralVolume, Inventory, LocalBoot};
pub use digest::Sha256Digest;
pub use disk::Disk;
pub use error::ParseError;
pub use event::{Event, EventKind, SeenBy};
pub use firmware_profile::{FirmwareKind, FirmwareProfile, FirmwareProfiles, is_loader_name};
pub use hostname::Hostname;
pub use id::{DeviceId, EventId};
pub use identity::{
    Conflict, ConflictKind, Identity, IdentityDecision, Known, OtherCard, Serial, Shown, Standing,
    hold_the_unsure, identify,
};
pub use kernel_log::{
    KernelLineId, KernelLogEntry, KernelLogLevel, KernelLogLine, KernelLogSummary,
};
pub use label::{LabelFilter, LabelKey, LabelValue, Labels, TooManyLabels};
pub use lifecycle::{
    Install, InstallEvent, InstallProof, Lifecycle, ProofSource, Scene, WIPE_VALID, Wipe, WipeEvent,
};
pub use listening::{Listening, Serving};
pub use mac::MacAddr;
pub use machine::{Arch, Firmware};
pub use mask::mask_queries;
pub use order::{BootOrder, StandingOrder};
pub use origin::Origin;
pub use patch::{PatchId, PatchScope};
pub use person::{Authority, PersonName, TokenId, UserId};
pub use proof::{EventReading, KernelReading, Verdict};
pub use role::Role;
pub use settings::{NetworkSettings, Payload, SettingsRefusal};
pub use talos::{TalosEvent, TalosNotice, TalosStage};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use uuid::SmbiosUuid;
pub use version::TalosVersion;
pub use xid::Xid;
