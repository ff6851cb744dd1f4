//! Disks, as far as a machine's kernel tells of them.

use serde::{Deserialize, Serialize};

/// A disk of a machine.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct Disk {
    /// Where it is, such as `/dev/sda`. Another boot may name it otherwise.
    pub path: String,
    /// How large it is, in the kernel's words such as `500 GB/466 GiB`.
    pub size: Option<String>,
}

impl Disk {
    /// Reads it from a line of the kernel log: `[sda] 976773168 512-byte logical blocks: (500 GB/466 GiB)` of a SCSI, SATA or virtio
    /// disk (`drivers/scsi/sd.c`, `drivers/block/virtio_blk.c`), or the list of the partitions of an NVMe disk (`block/partitions/core.c`).
    pub fn in_kernel_line(message: &str) -> Option<Self> {
        let line = message.lines().next()?;
        if let Some((before, after)) = line.split_once("-byte logical blocks") {
            let name = before.split_once('[')?.1.split_once(']')?.0;
            let size = after
                .split_once('(')
                .and_then(|(_, size)| size.split_once(')'));
            return is_name(name, &["sd", "vd"]).then(|| Self {
                path: format!("/dev/{name}"),
                size: size.map(|(size, _)| size.to_owned()),
            });
        }
        let name = line.trim_start().split_once(':')?.0;
        let (controller, disk) = name.strip_prefix("nvme")?.split_once('n')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        (digits(controller) && digits(disk)).then(|| Self {
            path: format!("/dev/{name}"),
            size: None,
        })
    }
}

fn is_name(name: &str, stems: &[&str]) -> bool {
    let letters = stems.iter().find_map(|stem| name.strip_prefix(stem));
    letters.is_some_and(|rest| {
        (1..=3).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_disks_are_told_from_all_else() {
        for (line, expected) in [
            (
                "sd 0:0:0:0: [sda] 976773168 512-byte logical blocks: (500 GB/466 GiB)",
                Some(("/dev/sda", Some("500 GB/466 GiB"))),
            ),
            (
                "virtio_blk virtio2: [vdb] 32768 512-byte logical blocks (16.8 MB/16.0 MiB)\n SUBSYSTEM=virtio",
                Some(("/dev/vdb", Some("16.8 MB/16.0 MiB"))),
            ),
            (" nvme0n1: p1 p2 p3", Some(("/dev/nvme0n1", None))),
            ("nvme nvme0: 8/0/0 default/read/poll queues", None),
            ("nvme0: no disk", None),
            ("sr 1:0:0:0: [sr0] scsi3-mmc drive", None),
            ("x: [../../etc] 1 512-byte logical blocks: (1 B)", None),
            ("sd 0:0:0:0: [sda] Write Protect is off", None),
            ("", None),
        ] {
            let read = Disk::in_kernel_line(line);
            let read = read
                .as_ref()
                .map(|disk| (disk.path.as_str(), disk.size.as_deref()));
            assert_eq!(read, expected, "{line}");
        }
    }
}
