//! What goes over the wire, in both directions: JSON bodies, one file per noun.

mod asset;
mod base;
mod bulk;
mod cluster;
mod config;
mod decision;
mod device;
mod device_patch;
mod error;
mod event;
mod kernel_log;
mod network;
mod patch;
mod person;
mod script;
mod status;

pub use asset::{AssetCommit, AssetImport, AssetImported, Upload};
pub use base::{BaseImport, BaseImported, Regenerated};
pub use bulk::{BulkAction, BulkAnswer, BulkDevices, BulkRow};
pub(crate) use cluster::NOTES;
pub use cluster::{
    BaseState, Cluster, ClusterAnswer, ClusterGenerated, ClusterPatch, GenerateCluster,
    SecretsImport, SecretsImported, SecretsState,
};
pub use config::{
    ConfigDiff, ConfigOrigin, DeviceSettings, KernelModule, RegenerateProgress, UserVolume,
};
pub use decision::{ApproveDevice, DecideIdentity, GiveOrder, Proof, Suggestions, Vouch};
pub use device::{Device, NewDevice, NextBoot};
pub use device_patch::{DevicePatch, clearable};
pub use error::ErrorBody;
pub use event::Event;
pub use kernel_log::KernelLog;
pub use network::{NetworkAnswer, NetworkPatch};
pub use patch::{Patch, PatchChecked, PatchContent, PatchDone, PatchEffect, SavePatch};
pub use person::{
    ApiToken, NewToken, NewUser, OwnPassword, SetUpLink, TokenShown, User, UserPatch, Whoami,
};
pub use script::ScriptPreview;
pub use status::{DeviceCounts, LoaderStatus, Served, ServiceStatus, Status};

/// A kernel or initramfs that was imported.
pub use model::Asset;
/// One attempt of one device.
pub use model::Boot;
