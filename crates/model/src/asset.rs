//! Files that machines boot from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::{Arch, Sha256Digest, TalosVersion, Timestamp};

word_enum! {
    /// What a boot asset is.
    AssetKind, "a kind of asset: kernel or initramfs", {
        /// The Linux kernel, `vmlinuz-ARCH` in a Talos release.
        Kernel = "kernel",
        /// The initial file system, `initramfs-ARCH.xz` in a Talos release (zstd inside since v1.8).
        Initramfs = "initramfs",
    }
}

/// A kernel or initramfs of one Talos version and architecture, as it was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Asset {
    /// The Talos release it belongs to.
    pub version: TalosVersion,
    /// The processors it runs on.
    pub arch: Arch,
    /// What it is.
    pub kind: AssetKind,
    /// Length in bytes.
    pub size: u64,
    /// Fingerprint taken while it was imported.
    pub sha256: Sha256Digest,
    /// When it was imported.
    pub imported_at: Timestamp,
}

/// The name a Talos release gives an asset: `vmlinuz-amd64`, `initramfs-arm64.xz`. It is the last part of its URL as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssetName {
    /// The processors it runs on.
    pub arch: Arch,
    /// What it is.
    pub kind: AssetKind,
}

impl AssetName {
    /// Reads a file name of a Talos release or of its image factory (`kernel-amd64`); `None` for any other.
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = if let Some(rest) = name
            .strip_prefix("vmlinuz-")
            .or_else(|| name.strip_prefix("kernel-"))
        {
            (AssetKind::Kernel, rest)
        } else {
            (
                AssetKind::Initramfs,
                name.strip_prefix("initramfs-")?.strip_suffix(".xz")?,
            )
        };
        rest.parse().ok().map(|arch| Self { arch, kind })
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            AssetKind::Kernel => write!(f, "vmlinuz-{}", self.arch),
            AssetKind::Initramfs => write!(f, "initramfs-{}.xz", self.arch),
        }
    }
}

impl Asset {
    /// Its name in a Talos release.
    pub fn name(&self) -> AssetName {
        AssetName {
            arch: self.arch,
            kind: self.kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_a_release() {
        for name in [
            "vmlinuz-amd64",
            "vmlinuz-arm64",
            "initramfs-amd64.xz",
            "initramfs-arm64.xz",
        ] {
            assert_eq!(AssetName::parse(name).unwrap().to_string(), name);
        }
        assert_eq!(
            AssetName::parse("kernel-amd64").unwrap().to_string(),
            "vmlinuz-amd64"
        );
        for name in [
            "vmlinuz",
            "vmlinuz-x86",
            "initramfs-amd64",
            "metal-amd64.iso",
            "sha256sum.txt",
        ] {
            assert!(AssetName::parse(name).is_none(), "{name}");
        }
    }
}
