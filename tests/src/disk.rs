//! The lab's disks: one that starts by itself under BIOS and UEFI, and an empty one.
//!
//! The first is 16 MiB of FAT16 (Microsoft FAT specification 1.03) without partitions: its boot sector is the BIOS
//! program, `EFI/BOOT/BOOTX64.EFI` the UEFI one. Both write [`LOCAL_DISK`] to the serial port and power off.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::efi;

/// What a machine says that has started from its disk.
pub const LOCAL_DISK: &str = "LOCAL DISK";

const SECTOR: usize = 512;
const SECTORS: usize = 32 * 1024;
const SECTORS_PER_CLUSTER: usize = 4;
const FAT_SECTORS: usize = 32;
const ROOT_ENTRIES: usize = 512;
/// First sector of the root directory: after the boot sector and two tables.
const ROOT_AT: usize = 1 + 2 * FAT_SECTORS;
/// First sector of cluster 2.
const DATA_AT: usize = ROOT_AT + ROOT_ENTRIES * 32 / SECTOR;

/// A disk image.
#[derive(Clone, Debug)]
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Writes a disk with something to start on it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn bootable(path: &Path) -> Result<Self> {
        Self::write(path, &image())
    }

    /// Writes a disk without anything to start, but with content that could be lost.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn empty(path: &Path) -> Result<Self> {
        let mut bytes = vec![0; SECTOR * SECTORS];
        let mark = b"what nobody ordered to be wiped";
        bytes[SECTOR * SECTORS / 2..][..mark.len()].copy_from_slice(mark);
        Self::write(path, &bytes)
    }

    fn write(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut file =
            File::create(path).with_context(|| format!("{} could not be made", path.display()))?;
        file.write_all(bytes)?;
        Ok(Self {
            path: path.to_path_buf(),
        })
    }

    /// The image's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of every byte of it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sha256(&self) -> Result<String> {
        sha256(&self.path)
    }
}

/// The SHA-256 of a file, in lower-case hex.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file =
        File::open(path).with_context(|| format!("{} could not be read", path.display()))?;
    let mut bytes = Vec::with_capacity(usize::try_from(fs::metadata(path)?.len())?);
    file.read_to_end(&mut bytes)?;
    Ok(HEXLOWER.encode(&Sha256::digest(&bytes)))
}

fn image() -> Vec<u8> {
    let program = efi::program(&format!("\r\n{LOCAL_DISK}\r\n"));
    let mut image = vec![0; SECTOR * SECTORS];
    image[..SECTOR].copy_from_slice(&boot_sector());
    // Clusters 2 and 3 are the directories, the program follows; each is one chain.
    let mut fat = vec![0xfff8_u16, 0xffff, 0xffff, 0xffff];
    let clusters = program.len().div_ceil(SECTOR * SECTORS_PER_CLUSTER);
    for cluster in 1..=clusters {
        let next = u16::try_from(4 + cluster).expect("a small program");
        fat.push(if cluster == clusters { 0xffff } else { next });
    }
    let table: Vec<u8> = fat.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    for copy in 0..2 {
        image[SECTOR * (1 + copy * FAT_SECTORS)..][..table.len()].copy_from_slice(&table);
    }
    let mut place = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    let cluster = |number: usize| SECTOR * (DATA_AT + (number - 2) * SECTORS_PER_CLUSTER);
    let size = u32::try_from(program.len()).expect("a small program");
    place(
        SECTOR * ROOT_AT,
        &directory_entry(b"EFI        ", true, 2, 0),
    );
    place(
        cluster(2),
        &[
            directory_entry(b".          ", true, 2, 0),
            directory_entry(b"..         ", true, 0, 0),
        ]
        .concat(),
    );
    place(
        cluster(2) + 64,
        &directory_entry(b"BOOT       ", true, 3, 0),
    );
    place(
        cluster(3),
        &[
            directory_entry(b".          ", true, 3, 0),
            directory_entry(b"..         ", true, 2, 0),
        ]
        .concat(),
    );
    place(
        cluster(3) + 64,
        &directory_entry(b"BOOTX64 EFI", false, 4, size),
    );
    place(cluster(4), &program);
    image
}

fn directory_entry(name: &[u8; 11], directory: bool, cluster: u16, size: u32) -> [u8; 32] {
    let mut entry = [0; 32];
    entry[..11].copy_from_slice(name);
    entry[11] = if directory { 0x10 } else { 0x20 };
    entry[24..26].copy_from_slice(&0x5a21_u16.to_le_bytes()); // some date: zero is none
    entry[26..28].copy_from_slice(&cluster.to_le_bytes());
    entry[28..32].copy_from_slice(&size.to_le_bytes());
    entry
}

/// The BIOS loads this sector to 0x7c00 and jumps to it, in 16-bit mode.
fn boot_sector() -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        sector[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    let short = |value: usize| u16::try_from(value).expect("fits the format").to_le_bytes();
    put(&[0xeb, 0x3c, 0x90]); // jmp to the code, behind the description of the file system
    put(b"KTIZOLAB");
    put(&short(SECTOR));
    put(&[u8::try_from(SECTORS_PER_CLUSTER).expect("fits the format")]);
    put(&short(1)); // the boot sector itself is reserved
    put(&[2]);
    put(&short(ROOT_ENTRIES));
    put(&short(SECTORS));
    put(&[0xf8]); // a fixed disk
    put(&short(FAT_SECTORS));
    put(&short(63));
    put(&short(16));
    put(&[0; 8]); // no hidden sectors; the count above is whole
    put(&[0x80, 0, 0x29, 0x77, 0x00, 0x4c, 0x41]); // drive, signature, serial number
    put(b"KTIZO LAB  FAT16   ");
    put(&[
        0x31, 0xc0, //             xor ax, ax
        0x8e, 0xd8, //             mov ds, ax
        0xfc, //                   cld
        0xbe, 0x67, 0x7c, //       mov si, message
        0xac, //             next: lodsb
        0x84, 0xc0, //             test al, al
        0x74, 0x12, //             jz off
        0x88, 0xc3, //             mov bl, al
        0xba, 0xfd, 0x03, //       mov dx, 0x3fd
        0xec, //             wait: in al, dx
        0xa8, 0x20, //             test al, 0x20
        0x74, 0xfb, //             jz wait
        0x88, 0xd8, //             mov al, bl
        0xba, 0xf8, 0x03, //       mov dx, 0x3f8
        0xee, //                   out dx, al
        0xeb, 0xe9, //             jmp next
        0xba, 0x04, 0x06, //  off: mov dx, 0x604          power management of the q35 machine
        0xb8, 0x00, 0x20, //       mov ax, 0x2000         soft off
        0xef, //                   out dx, ax
        0xf4, //             halt: hlt
        0xeb, 0xfd, //             jmp halt
    ]);
    put(format!("\r\n{LOCAL_DISK}\r\n\0").as_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_sector_points_at_its_message() {
        let sector = boot_sector();
        let si = usize::from(u16::from_le_bytes([sector[0x3e + 6], sector[0x3e + 7]])) - 0x7c00;
        assert!(sector[si..].starts_with(b"\r\nLOCAL DISK\r\n\0"), "{si:#x}");
    }

    #[test]
    fn the_boot_sectors_jumps_hit_their_marks() {
        let code = &boot_sector()[0x3e..];
        let target =
            |at: usize| usize::try_from(at as isize + 2 + isize::from(code[at + 1] as i8)).unwrap();
        assert_eq!(code[target(11)..][..3], [0xba, 0x04, 0x06], "jz off");
        assert_eq!(code[target(21)], 0xec, "jz wait");
        assert_eq!(code[target(29)], 0xac, "jmp next");
    }

    #[test]
    fn both_disks_have_something_to_lose() {
        let folder = tempfile::tempdir().unwrap();
        let bootable = Disk::bootable(&folder.path().join("a")).unwrap();
        let empty = Disk::empty(&folder.path().join("b")).unwrap();
        assert_ne!(bootable.sha256().unwrap(), empty.sha256().unwrap());
        assert!(
            fs::read(empty.path())
                .unwrap()
                .iter()
                .any(|byte| *byte != 0)
        );
    }
}
