//! What kind of machine it is.

use crate::error::word_enum;

word_enum! {
    /// A processor architecture that Talos has images for.
    Arch, "an architecture: amd64 or arm64", {
        /// 64-bit x86.
        Amd64 = "amd64",
        /// 64-bit ARM.
        Arm64 = "arm64",
    }
}

word_enum! {
    /// The firmware a machine boots with.
    Firmware, "a firmware: bios or uefi", {
        /// PC BIOS, or UEFI in its compatibility mode.
        Bios = "bios",
        /// UEFI of any width.
        Uefi = "uefi",
    }
}
