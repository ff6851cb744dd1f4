//! What each kind of firmware gets where it needs something else than the usual.

use serde::{Deserialize, Serialize};

use crate::error::word_enum;

word_enum! {
    /// The kinds of firmware that ask for a boot program.
    FirmwareKind, "a kind of firmware: bios, efi_x64, http_x64, efi_arm64, http_arm64, efi_ia32 or efi_arm32", {
        /// PC BIOS.
        Bios = "bios",
        /// 64-bit x86 UEFI, by PXE.
        EfiX64 = "efi_x64",
        /// 64-bit x86 UEFI, by HTTP.
        HttpX64 = "http_x64",
        /// 64-bit ARM UEFI, by PXE.
        EfiArm64 = "efi_arm64",
        /// 64-bit ARM UEFI, by HTTP.
        HttpArm64 = "http_arm64",
        /// 32-bit x86 UEFI, by PXE or HTTP.
        EfiIa32 = "efi_ia32",
        /// 32-bit ARM UEFI, by PXE or HTTP.
        EfiArm32 = "efi_arm32",
    }
}

impl FirmwareKind {
    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bios => "PC BIOS",
            Self::EfiX64 => "UEFI x64",
            Self::HttpX64 => "UEFI x64, HTTP boot",
            Self::EfiArm64 => "UEFI arm64",
            Self::HttpArm64 => "UEFI arm64, HTTP boot",
            Self::EfiIa32 => "UEFI ia32",
            Self::EfiArm32 => "UEFI arm32",
        }
    }

    /// Whether it never speaks PXE, and so never looks at option 43.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::HttpX64 | Self::HttpArm64)
    }

    /// The name of its loader among the network settings.
    pub(crate) const fn loader_field(self) -> &'static str {
        match self {
            Self::Bios => "firmware.bios.loader",
            Self::EfiX64 => "firmware.efi_x64.loader",
            Self::HttpX64 => "firmware.http_x64.loader",
            Self::EfiArm64 => "firmware.efi_arm64.loader",
            Self::HttpArm64 => "firmware.http_arm64.loader",
            Self::EfiIa32 => "firmware.efi_ia32.loader",
            Self::EfiArm32 => "firmware.efi_arm32.loader",
        }
    }
}

/// What one kind of firmware gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FirmwareProfile {
    /// File name of the boot loader; `None` takes the one that the config file names for the platform. A loader of a device's own
    /// goes before it.
    pub loader: Option<String>,
    /// Whether option 43 tells PXE firmware to take the offered file without asking port 4011. Some UEFI firmware of HP and Dell ignores
    /// offers that have it. Nothing where the firmware boots by HTTP.
    pub discovery_control: bool,
}

impl Default for FirmwareProfile {
    fn default() -> Self {
        Self {
            loader: None,
            discovery_control: true,
        }
    }
}

/// The profiles of all kinds of firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FirmwareProfiles {
    /// PC BIOS.
    pub bios: FirmwareProfile,
    /// 64-bit x86 UEFI, by PXE.
    pub efi_x64: FirmwareProfile,
    /// 64-bit x86 UEFI, by HTTP.
    pub http_x64: FirmwareProfile,
    /// 64-bit ARM UEFI, by PXE.
    pub efi_arm64: FirmwareProfile,
    /// 64-bit ARM UEFI, by HTTP.
    pub http_arm64: FirmwareProfile,
    /// 32-bit x86 UEFI.
    pub efi_ia32: FirmwareProfile,
    /// 32-bit ARM UEFI.
    pub efi_arm32: FirmwareProfile,
}

impl FirmwareProfiles {
    /// The profile of a kind.
    pub const fn of(&self, kind: FirmwareKind) -> &FirmwareProfile {
        match kind {
            FirmwareKind::Bios => &self.bios,
            FirmwareKind::EfiX64 => &self.efi_x64,
            FirmwareKind::HttpX64 => &self.http_x64,
            FirmwareKind::EfiArm64 => &self.efi_arm64,
            FirmwareKind::HttpArm64 => &self.http_arm64,
            FirmwareKind::EfiIa32 => &self.efi_ia32,
            FirmwareKind::EfiArm32 => &self.efi_arm32,
        }
    }
}

/// Whether a text is the bare file name of a boot loader: 1 to 64 letters, digits, `.`, `-` and `_`, not beginning with a dot.
pub fn is_loader_name(text: &str) -> bool {
    let letters = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    letters && (1..=64).contains(&text.len()) && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_as_its_field() {
        let all = serde_json::to_value(FirmwareProfiles::default()).unwrap();
        assert_eq!(all.as_object().unwrap().len(), FirmwareKind::ALL.len());
        for kind in FirmwareKind::ALL {
            assert!(all[kind.as_str()].is_object(), "{kind}");
            assert_eq!(kind.loader_field(), format!("firmware.{kind}.loader"));
        }
        let mut profiles = FirmwareProfiles::default();
        profiles.http_arm64.loader = Some("other.efi".to_owned());
        let others = FirmwareKind::ALL
            .iter()
            .filter(|kind| profiles.of(**kind).loader.is_some());
        assert_eq!(others.collect::<Vec<_>>(), [&FirmwareKind::HttpArm64]);
    }
}
