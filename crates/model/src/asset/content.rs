//! What a file is by its first bytes, whatever its name says.

use std::fmt;

use super::{AssetKind, AssetName};
use crate::Arch;

/// So many bytes from the beginning of a file tell what it is.
pub const HEAD_BYTES: usize = 4096;

/// What a file seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetContent {
    /// An x86 kernel (`HdrS` at 0x202: Documentation/arch/x86/boot.rst).
    BzImage,
    /// An arm64 kernel (`ARM\x64` at 0x38: Documentation/arch/arm64/booting.rst).
    Arm64Image,
    /// A program of EFI, such as a kernel that starts itself, for the machine its PE header names.
    Efi(Option<Arch>),
    /// A file system in memory, plain (`newc`) or packed.
    Archive(&'static str),
    /// Something that no machine boots from, by name.
    Other(&'static str),
    /// Nothing that is known; it begins with these bytes.
    Unknown([u8; 4]),
}

impl AssetContent {
    /// Reads the beginning of a file, [`HEAD_BYTES`] of it or all there is.
    pub fn of(head: &[u8]) -> Self {
        let at = |offset: usize, magic: &[u8]| {
            head.get(offset..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        if at(0x202, b"HdrS") {
            return Self::BzImage;
        }
        if at(0x38, b"ARM\x64") {
            return Self::Arm64Image;
        }
        if at(0, b"MZ") {
            return Self::Efi(pe_machine(head));
        }
        for (magic, name) in [
            (&b"\xfd7zXZ\0"[..], "xz"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"\x1f\x8b", "gzip"),
            // The frame format, and the legacy one that kernels are built with.
            (b"\x04\x22\x4d\x18", "lz4"),
            (b"\x02\x21\x4c\x18", "lz4"),
            (b"070701", "cpio"),
        ] {
            if at(0, magic) {
                return Self::Archive(name);
            }
        }
        for (offset, magic, name) in [
            (0, &b"\x7fELF"[..], "an ELF program"),
            (0, b"PK\x03\x04", "a zip archive"),
            (0, b"QFI\xfb", "a disk image (qcow2)"),
            (257, b"ustar", "a tar archive"),
            (0, b"BZh", "a bzip2 archive"),
            (510, b"\x55\xaa", "a disk image"),
        ] {
            if at(offset, magic) {
                return Self::Other(name);
            }
        }
        let start = head.trim_ascii_start();
        if start.is_empty() {
            return Self::Other("empty");
        }
        if start.starts_with(b"<") {
            return Self::Other("a web page or XML");
        }
        let printable = |byte: &u8| (b' '..=b'~').contains(byte) || byte.is_ascii_whitespace();
        match head.get(..4) {
            Some(&[a, b, c, d]) if !head.iter().all(printable) => Self::Unknown([a, b, c, d]),
            _ => Self::Other("plain text"),
        }
    }

    /// Checks that it can be what a name says; the error says what it seems to be, as the end of a sentence that names the file.
    pub fn check(self, name: AssetName) -> Result<(), String> {
        let arch = name.arch;
        let fits = match (name.kind, self) {
            (AssetKind::Kernel, Self::BzImage) => arch == Arch::Amd64,
            (AssetKind::Kernel, Self::Arm64Image) => arch == Arch::Arm64,
            (AssetKind::Kernel, Self::Efi(machine)) => machine.is_none_or(|it| it == arch),
            (AssetKind::Initramfs, Self::Archive(_)) => true,
            _ => false,
        };
        let wanted = match name.kind {
            AssetKind::Kernel => format!("a Linux kernel for {arch}"),
            AssetKind::Initramfs => "an initramfs (cpio, alone or in xz, zstd, gzip or lz4)".into(),
        };
        if fits {
            return Ok(());
        }
        Err(format!("is not {wanted}: it seems to be {self}"))
    }
}

impl fmt::Display for AssetContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BzImage => f.write_str("a Linux kernel for amd64"),
            Self::Arm64Image => f.write_str("a Linux kernel for arm64"),
            Self::Efi(Some(arch)) => write!(f, "an EFI program or kernel for {arch}"),
            Self::Efi(None) => f.write_str("an EFI or DOS program"),
            Self::Archive("cpio") => f.write_str("a cpio archive, as an initramfs is"),
            Self::Archive(packed) => write!(f, "packed with {packed}, as an initramfs is"),
            Self::Other(name) => f.write_str(name),
            Self::Unknown([a, b, c, d]) => write!(
                f,
                "something else (it begins with {a:02x} {b:02x} {c:02x} {d:02x})"
            ),
        }
    }
}

/// The machine in a PE header, where that is one of ours: the offset of the header is at 0x3c (Microsoft's PE format, section
/// "Machine Types").
fn pe_machine(head: &[u8]) -> Option<Arch> {
    let offset: [u8; 4] = head.get(0x3c..0x40)?.try_into().ok()?;
    let header = head.get(usize::try_from(u32::from_le_bytes(offset)).ok()?..)?;
    match header.strip_prefix(b"PE\0\0")?.get(..2)? {
        [0x64, 0x86] => Some(Arch::Amd64),
        [0x64, 0xaa] => Some(Arch::Arm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with some bytes at some places.
    fn file(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 0x400];
        for (offset, bytes) in parts {
            file[*offset..*offset + bytes.len()].copy_from_slice(bytes);
        }
        file
    }

    fn pe(machine: [u8; 2]) -> Vec<u8> {
        file(&[
            (0, b"MZ"),
            (0x3c, &0x80_u32.to_le_bytes()),
            (0x80, b"PE\0\0"),
            (0x84, &machine),
        ])
    }

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        let kernels = ["vmlinuz-amd64", "vmlinuz-arm64"];
        let archives = ["initramfs-amd64.xz", "initramfs-arm64.xz"];
        let bz = file(&[(0, b"MZ"), (510, b"\x55\xaa"), (0x202, b"HdrS")]);
        let arm = file(&[(0, b"MZ"), (0x38, b"ARM\x64")]);
        let strange = "something else (it begins with 07 07 07 07)";
        for (head, fits, called) in [
            (bz, &kernels[..1], "a Linux kernel for amd64"),
            (arm, &kernels[1..], "a Linux kernel for arm64"),
            (
                pe([0x64, 0x86]),
                &kernels[..1],
                "an EFI program or kernel for amd64",
            ),
            (
                pe([0x64, 0xaa]),
                &kernels[1..],
                "an EFI program or kernel for arm64",
            ),
            (b"MZ".to_vec(), &kernels, "an EFI or DOS program"),
            (
                b"\xfd7zXZ\0..".to_vec(),
                &archives,
                "packed with xz, as an initramfs is",
            ),
            (
                b"\x28\xb5\x2f\xfd..".to_vec(),
                &archives,
                "packed with zstd, as an initramfs is",
            ),
            (
                b"\x1f\x8b..".to_vec(),
                &archives,
                "packed with gzip, as an initramfs is",
            ),
            (
                b"\x04\x22\x4d\x18".to_vec(),
                &archives,
                "packed with lz4, as an initramfs is",
            ),
            (
                b"\x02\x21\x4c\x18".to_vec(),
                &archives,
                "packed with lz4, as an initramfs is",
            ),
            (
                b"070701..".to_vec(),
                &archives,
                "a cpio archive, as an initramfs is",
            ),
            (b"hello\n".to_vec(), &[], "plain text"),
            (b"hi".to_vec(), &[], "plain text"),
            (b"\r\n<!DOCTYPE html>".to_vec(), &[], "a web page or XML"),
            (b"\x7fELF\x02".to_vec(), &[], "an ELF program"),
            (file(&[(510, b"\x55\xaa")]), &[], "a disk image"),
            (vec![7; 600], &[], strange),
            (Vec::new(), &[], "empty"),
        ] {
            let content = AssetContent::of(&head);
            assert_eq!(content.to_string(), called);
            for name in kernels.iter().chain(&archives) {
                let checked = content.check(AssetName::parse(name).unwrap());
                assert_eq!(checked.is_ok(), fits.contains(name), "{called}: {name}");
                if let Err(why) = checked {
                    assert!(why.ends_with(called), "{why}");
                }
            }
        }
    }

    #[test]
    fn no_beginning_of_a_file_is_too_short_or_too_strange() {
        let whole = pe([0x64, 0x86]);
        for len in 0..whole.len() {
            AssetContent::of(&whole[..len]);
        }
        let far = file(&[(0, b"MZ"), (0x3c, &u32::MAX.to_le_bytes())]);
        assert_eq!(AssetContent::of(&far), AssetContent::Efi(None));
    }
}
