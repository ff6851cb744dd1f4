//! Boot assets.

use model::{Arch, Asset, AssetKind, Sha256Digest, TalosVersion};
use serde::{Deserialize, Serialize};

/// A file that has arrived and is not in use yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Upload {
    /// Its fingerprint, which is its name from now on.
    pub sha256: Sha256Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// What an upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetImport {
    /// The Talos release it belongs to.
    pub version: TalosVersion,
    /// The processors it runs on.
    pub arch: Arch,
    /// What it is.
    pub kind: AssetKind,
    /// The upload.
    pub sha256: Sha256Digest,
    /// The fingerprint that its publisher names, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_sha256: Option<Sha256Digest>,
}

/// Uploads that come into use together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetCommit {
    /// Which.
    pub assets: Vec<AssetImport>,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AssetImported {
    /// The assets as they are in use now.
    pub assets: Vec<Asset>,
    /// How many of them were not in use before.
    pub new: u64,
}
