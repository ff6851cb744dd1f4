//! The guest: a Debian kernel and a file system in memory that behaves as Talos does with `talos.config=`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cpio::Cpio;
use crate::kit::{Arch, Kit};
use crate::process::run;

/// The kernel's file name, as `ktizo assets import` reads it.
pub const KERNEL: &str = "vmlinuz-amd64";
/// The first file system's file name, as `ktizo assets import` reads it.
pub const INITRAMFS: &str = "initramfs-amd64.xz";

const INIT: &str = include_str!("../data/guest/init");
const LEASE: &str = include_str!("../data/guest/lease");

/// Writes kernel and initramfs for an architecture into a folder that then is ready to be imported.
///
/// # Errors
/// When a part of the kit is missing or `xz` fails.
pub fn build(kit: &Kit, arch: Arch, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let kernel = folder.join(format!("vmlinuz-{}", arch.name()));
    fs::copy(kit.kernel(arch), kernel).context("the guest's kernel could not be copied")?;
    let plain = folder.join(format!("initramfs-{}", arch.name()));
    fs::write(&plain, archive(kit, arch)?).context("the guest's initramfs could not be written")?;
    // The kernel knows xz with this checksum only.
    let plain = plain
        .to_str()
        .context("the build folder's path is not UTF-8")?;
    run("xz", &["--force", "--check=crc32", "-1", plain])?;
    Ok(())
}

fn archive(kit: &Kit, arch: Arch) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for directory in ["bin", "dev", "modules"] {
        cpio.directory(directory);
    }
    cpio.device("dev/console", 5, 1);
    cpio.device("dev/null", 1, 3);
    cpio.file(
        "bin/busybox",
        0o755,
        &fs::read(kit.guest_busybox(arch)).context("busybox could not be read")?,
    );
    cpio.file("init", 0o755, INIT.as_bytes());
    cpio.file("lease", 0o755, LEASE.as_bytes());
    let order = fs::read(kit.modules(arch).join("modules"))
        .context("the modules' order could not be read")?;
    cpio.file("modules/order", 0o644, &order);
    for module in String::from_utf8(order)?.lines() {
        let name = format!("{module}.ko");
        let content = fs::read(kit.modules(arch).join(&name))
            .with_context(|| format!("{name} could not be read"))?;
        cpio.file(&format!("modules/{name}"), 0o644, &content);
    }
    Ok(cpio.finish())
}

/// What the guest said it got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceivedConfig {
    /// Bytes received.
    pub bytes: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

impl ReceivedConfig {
    /// Reads it from the console's line `GUEST CONFIG bytes=... sha256=...`.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn read(console: &str) -> Result<Self> {
        let line = console.lines().find_map(|line| {
            line.trim_end()
                .split_once("GUEST CONFIG ")
                .map(|(_, rest)| rest)
        });
        let words = line.context("the guest received no config")?;
        let value = |name: &str| words.split(' ').find_map(|word| word.strip_prefix(name));
        let (Some(bytes), Some(sha256)) = (value("bytes="), value("sha256=")) else {
            bail!("the guest's line is not whole: {words}");
        };
        Ok(Self {
            bytes: bytes.parse().context("the guest's count is no number")?,
            sha256: sha256.to_owned(),
        })
    }
}

/// A script that boots the guest from a plain HTTP server, for the lab's own proof.
pub fn script(server: &str) -> String {
    format!(
        "#!ipxe\nkernel http://{server}/{KERNEL} initrd={INITRAMFS} console=ttyS0 talos.platform=metal \
         talos.config=http://{server}/config.yaml\ninitrd --name {INITRAMFS} http://{server}/{INITRAMFS}\nboot\n"
    )
}

/// Where the built guest is, built anew once for each run of the lab.
///
/// # Errors
/// As [`build`].
pub fn assets(kit: &Kit) -> Result<PathBuf> {
    let folder = kit.folder("assets")?;
    build(kit, Arch::Amd64, &folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn reads_what_the_guest_received() {
        let console = "noise\r\nGUEST CONFIG bytes=12 sha256=ab01\r\nGUEST DONE\r\n";
        assert_eq!(
            ReceivedConfig::read(console).unwrap(),
            ReceivedConfig {
                bytes: 12,
                sha256: "ab01".to_owned()
            }
        );
        assert!(ReceivedConfig::read("GUEST DONE").is_err());
    }

    #[test]
    fn the_guests_scripts_are_valid_shell() {
        for script in ["init", "lease"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("data/guest")
                .join(script);
            let checked = Command::new("sh").arg("-n").arg(path).status().unwrap();
            assert!(checked.success(), "{script}");
        }
    }
}
