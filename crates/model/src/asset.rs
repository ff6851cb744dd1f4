//! Files that machines boot from.

mod content;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::{Arch, Sha256Digest, TalosVersion, Timestamp};

pub use content::{AssetContent, HEAD_BYTES};

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
    /// All that a machine boots from.
    pub fn all_for(arch: Arch) -> [Self; 2] {
        [AssetKind::Kernel, AssetKind::Initramfs].map(|kind| Self { arch, kind })
    }

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

/// The newest release that is whole, that is, has both a kernel and an initramfs for `arch`; a pre-release only if there is nothing
/// else. It is what machines boot where no release is chosen.
pub fn newest_whole(assets: &[Asset], arch: Arch) -> Option<TalosVersion> {
    let versions = assets.iter().map(|asset| &asset.version);
    versions
        .filter(|version| lacking(assets, version, arch).is_empty())
        .max_by_key(|version| (!version.is_prerelease(), (*version).clone()))
        .cloned()
}

/// What of a release was not imported for `arch`.
pub fn lacking(assets: &[Asset], version: &TalosVersion, arch: Arch) -> Vec<AssetName> {
    let is_there = |name: &AssetName| {
        assets
            .iter()
            .any(|asset| asset.version == *version && asset.name() == *name)
    };
    let names = AssetName::all_for(arch).into_iter();
    names.filter(|name| !is_there(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_one_that_is_whole() {
        let asset = |version: &str, name: &str| {
            let AssetName { arch, kind } = AssetName::parse(name).unwrap();
            Asset {
                version: version.parse().unwrap(),
                arch,
                kind,
                size: 1,
                sha256: Sha256Digest([0; 32]),
                imported_at: Timestamp::from_micros(0),
            }
        };
        let (kernel, initramfs) = ("vmlinuz-amd64", "initramfs-amd64.xz");
        let of = |assets: &[(&str, &str)], arch| {
            let assets: Vec<Asset> = assets.iter().map(|(v, name)| asset(v, name)).collect();
            newest_whole(&assets, arch).map(|version| version.to_string())
        };
        let both = [
            ("v2.0.0", kernel),
            ("v1.13.8", kernel),
            ("v1.13.8", initramfs),
        ];
        assert_eq!(of(&both, Arch::Amd64).as_deref(), Some("v1.13.8"));
        assert_eq!(of(&both, Arch::Arm64), None);
        assert_eq!(of(&both[..2], Arch::Amd64), None);
        let early = [("v2.0.0-rc.1", kernel), ("v2.0.0-rc.1", initramfs)];
        assert_eq!(of(&early, Arch::Amd64).as_deref(), Some("v2.0.0-rc.1"));
        let all = [&early[..], &both[..]].concat();
        assert_eq!(of(&all, Arch::Amd64).as_deref(), Some("v1.13.8"));
    }

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
