//! Talos machine configs and the scripts that boot into them: values in, bytes out.
//!
//! Nothing here reads a file, a clock or a socket. [`yaml`] is the ground: a document tree that keeps every spelling.
//! [`MachineConfig`] is a stream of such documents as Talos reads it, [`BaseConfig`] the one all nodes of a role share, and
//! [`device_config`] makes of it the config of one device. [`base_config`] makes bases from a [`SecretsBundle`] and a
//! [`ClusterInput`], [`Patch`] changes them as Talos would, and [`validate()`] says what Talos would refuse.

// The ground.
pub mod yaml;

// Machine configs.
mod base;
mod compose;
mod contract;
mod device;
mod difference;
mod document;
mod kubernetes;
mod machine;
mod schematic;
mod size;

// What operators change in them, and what Talos would say of the result.
mod patch;
mod schema;
mod validate;

// Expressions in them, and secrets of them.
mod cel;
mod mask;

// What a machine runs before Talos.
pub mod script;

// Secrets.
mod pki;
mod secret;
mod secrets;
mod talosconfig;

// What goes wrong.
mod error;

pub use base::BaseConfig;
pub use compose::{DevicePatches, layered_device_config};
pub use contract::Contract;
pub use device::{DeviceConfigInput, KernelModule, UserVolume, device_config, device_documents};
pub use difference::{difference, unified};
pub use document::{DocumentId, MachineConfig};
pub use error::Error;
pub use kubernetes::KubernetesVersion;
pub use machine::{ClusterInput, Cni, DiskSelector, InstallTarget, RegistryMirror, base_config};
pub use mask::masked_text;
pub use nearest::nearest;
pub use patch::{Explanation, Layer, Layered, Patch};
pub use pki::{CertifiedKey, ClientRole};
pub use schematic::Schematic;
pub use secret::Secret;
pub use secrets::SecretsBundle;
pub use size::{ByteSize, VolumeLimit};
pub use talosconfig::{TalosConfigInput, talosconfig};
pub use validate::{Finding, Severity, validate, validate_file};

#[cfg(test)]
mod golden;
mod nearest;
