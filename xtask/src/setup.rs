//! `cargo xtask setup`: makes a fresh machine ready, and says what it does.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, say};
use crate::contract;
use crate::dirs::Dirs;
use crate::packages;
use crate::unpack::Archive;

/// Network boot loaders by the name ktizo serves them under, and where Debian 13's `ipxe` package has them.
const LOADERS: &[(&str, &str)] = &[
    ("undionly.kpxe", "usr/lib/ipxe/undionly.kpxe"),
    ("ipxe.pxe", "usr/lib/ipxe/ipxe.pxe"),
    ("snponly.efi", "usr/lib/ipxe/snponly.efi"),
    ("ipxe.efi", "usr/lib/ipxe/ipxe.efi"),
    ("snponly-arm64.efi", "usr/lib/ipxe/snponly-arm64.efi"),
    ("ipxe-arm64.efi", "usr/lib/ipxe/ipxe-arm64.efi"),
];

/// Loaders that not every build of the package has.
const OPTIONAL: &[&str] = &["snponly-arm64.efi"];

/// The guest's drivers beyond what its kernel has built in, in the order in which they can be loaded.
const MODULES: &[&str] = &[
    "virtio",
    "virtio_ring",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
];

/// What `run` needs.
pub(crate) fn runtime(dirs: &Dirs) -> Result<()> {
    packages::for_runtime()?;
    loaders(dirs)?;
    Archive::clear(dirs)
}

/// What every command needs.
pub(crate) fn everything(dirs: &Dirs) -> Result<()> {
    packages::for_tests()?;
    loaders(dirs)?;
    busybox(dirs, "busybox-static", "busybox")?;
    busybox(dirs, "busybox-static:arm64", "busybox-arm64")?;
    firmware(dirs)?;
    guest(dirs, "linux-image-cloud-amd64", "guest")?;
    guest(dirs, "linux-image-cloud-arm64:arm64", "guest-arm64")?;
    axe(dirs)?;
    contract::install(dirs)?;
    Archive::clear(dirs)
}

/// The accessibility checker of the browser tests (MPL-2.0, used and never shipped), in the version whose rules were read.
const AXE: &str = "axe-core@4.14.1";

fn axe(dirs: &Dirs) -> Result<()> {
    once(&dirs.axe(), |fresh| {
        say(format_args!("setup: fetching {AXE} for the browser tests"));
        let mut npm = Command::new("npm");
        let quiet = ["--no-save", "--no-audit", "--no-fund", "--silent"];
        npm.arg("install").args(quiet).arg("--prefix").arg(fresh);
        run(npm.arg(AXE))?;
        copy(
            &fresh.join("node_modules/axe-core/axe.min.js"),
            &fresh.join("axe.min.js"),
        )
    })
}

fn loaders(dirs: &Dirs) -> Result<()> {
    let folder = dirs.loaders();
    once(&folder, |fresh| {
        say("setup: unpacking the network boot loaders of Debian 13's ipxe package");
        let package = Archive::open(dirs)?.unpack("ipxe")?;
        for (name, source) in LOADERS {
            let source = package.join(source);
            if source.exists() {
                copy(&source, &fresh.join(name))?;
            } else if !OPTIONAL.contains(name) {
                bail!("the ipxe package has no {}", source.display());
            }
        }
        Ok(())
    })
}

fn busybox(dirs: &Dirs, package: &str, folder: &str) -> Result<()> {
    once(&dirs.lab().join(folder), |fresh| {
        say(format_args!(
            "setup: unpacking {package} for the lab's guest"
        ));
        let package = Archive::open(dirs)?.unpack(package)?;
        let built = ["usr/bin/busybox", "bin/busybox"].map(|path| package.join(path));
        let built = built
            .iter()
            .find(|path| path.exists())
            .context("the busybox-static package has no busybox")?;
        copy(built, &fresh.join("busybox"))
    })
}

fn firmware(dirs: &Dirs) -> Result<()> {
    once(&dirs.lab().join("ovmf"), |fresh| {
        say("setup: unpacking Debian 13's UEFI firmware for the lab");
        let package = Archive::open(dirs)?.unpack("ovmf")?;
        for name in ["OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"] {
            copy(
                &package.join("usr/share/OVMF").join(name),
                &fresh.join(name),
            )?;
        }
        Ok(())
    })
}

fn guest(dirs: &Dirs, metapackage: &str, folder: &str) -> Result<()> {
    once(&dirs.lab().join(folder), |fresh| {
        say(format_args!(
            "setup: unpacking the kernel of {metapackage} for the lab's guest"
        ));
        let archive = Archive::open(dirs)?;
        // The metapackage depends on exactly one kernel, whose name carries its version.
        let kernel = archive.depends(metapackage)?;
        let package = archive.unpack(&kernel)?;
        let release = kernel.split(':').next();
        let release = release
            .and_then(|name| name.strip_prefix("linux-image-"))
            .context("the kernel package has an odd name")?;
        copy(
            &package.join(format!("boot/vmlinuz-{release}")),
            &fresh.join("vmlinuz"),
        )?;
        let built_in = package.join(format!("usr/lib/modules/{release}/modules.builtin"));
        let built_in = if built_in.exists() {
            built_in
        } else {
            package.join(format!("lib/modules/{release}/modules.builtin"))
        };
        let tree = built_in
            .parent()
            .context("the kernel package has no modules")?;
        let built_in = fs::read_to_string(&built_in)
            .context("the kernel package lists no built-in modules")?;
        let mut order = String::new();
        for module in MODULES {
            if built_in
                .lines()
                .any(|line| line.ends_with(&format!("/{module}.ko")))
            {
                continue;
            }
            let source = find(&tree.join("kernel"), module)?
                .with_context(|| format!("the kernel has no {module}"))?;
            unpack_module(&source, &fresh.join(format!("{module}.ko")))?;
            order.push_str(module);
            order.push('\n');
        }
        fs::write(fresh.join("modules"), order).context("the list of modules could not be written")
    })
}

/// Makes a folder whole or not at all: `make` fills a neighbour that is renamed when it is complete.
fn once(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let fresh = folder.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)
            .with_context(|| format!("{} could not be removed", fresh.display()))?;
    }
    fs::create_dir_all(&fresh).with_context(|| format!("{} could not be made", fresh.display()))?;
    make(&fresh)?;
    fs::rename(&fresh, folder)
        .with_context(|| format!("{} could not be put in its place", folder.display()))
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    fs::copy(source, target).with_context(|| {
        format!(
            "{} could not be copied to {}",
            source.display(),
            target.display()
        )
    })?;
    Ok(())
}

/// Finds a module's file by its name, whatever its folder and compression.
fn find(tree: &Path, module: &str) -> Result<Option<std::path::PathBuf>> {
    for entry in
        fs::read_dir(tree).with_context(|| format!("{} could not be read", tree.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, module)? {
                return Ok(Some(found));
            }
        } else if path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.split_once('.'))
            .is_some_and(|(stem, rest)| stem == module && rest.starts_with("ko"))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn unpack_module(source: &Path, target: &Path) -> Result<()> {
    if source
        .extension()
        .is_some_and(|extension| extension == "xz")
    {
        let unpacked = fs::File::create(target)
            .with_context(|| format!("{} could not be made", target.display()))?;
        return run(Command::new("xz")
            .args(["--decompress", "--stdout"])
            .arg(source)
            .stdout(unpacked));
    }
    copy(source, target)
}
