//! The distribution's packages that this machine needs installed.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{as_root, is_installed, output, say};

/// What proves that a package is there. Files and programs rather than the package database, so that a
/// program that came another way counts too.
enum Proof {
    Program(&'static str),
    File(&'static str),
}

use Proof::{File, Program};

/// What the tests and the lab start from the host: the proof, the Debian package that brings it, and what for.
const TESTS: &[(Proof, &str, &str)] = &[
    (
        Program("qemu-system-x86_64"),
        "qemu-system-x86",
        "the lab's machines",
    ),
    (
        Program("qemu-system-aarch64"),
        "qemu-system-arm",
        "the lab's machines with ARM",
    ),
    (
        File("/usr/share/AAVMF/AAVMF_CODE.fd"),
        "qemu-efi-aarch64",
        "the lab's UEFI for ARM",
    ),
    (
        File("/usr/lib/ipxe/qemu/pxe-virtio.rom"),
        "ipxe-qemu",
        "the boot ROM in the lab's network cards",
    ),
    (
        File("/usr/share/seabios/bios-256k.bin"),
        "seabios",
        "the lab's BIOS",
    ),
    (
        File("/usr/share/OVMF/OVMF_CODE_4M.fd"),
        "ovmf",
        "the lab's UEFI",
    ),
    (
        Program("dnsmasq"),
        "dnsmasq-base",
        "the lab's site DHCP server",
    ),
    (Program("ip"), "iproute2", "the lab's network"),
    (
        Program("ethtool"),
        "ethtool",
        "whole checksums on the lab's network",
    ),
    (Program("unshare"), "util-linux", "the lab's walls"),
    (
        Program("openssl"),
        "openssl",
        "certificates checked by a second program",
    ),
    (
        Program("systemd-analyze"),
        "systemd",
        "the service unit's checks",
    ),
    (
        Program("xz"),
        "xz-utils",
        "kernel modules of the lab's guest",
    ),
    (Program("dpkg-deb"), "dpkg", "unpacking packages"),
    (
        Program("python3"),
        "python3-venv",
        "the API's check by its document",
    ),
    (Program("chromium"), "chromium", "the browser tests"),
    (
        Program("chromedriver"),
        "chromium-driver",
        "the browser tests",
    ),
    (
        Program("npm"),
        "npm",
        "the accessibility checker of the browser tests",
    ),
];

/// What unpacking a package beside the system needs.
const UNPACKING: &[(Proof, &str, &str)] = &[(Program("dpkg-deb"), "dpkg", "unpacking packages")];

/// Installs what the tests need and is missing.
pub(crate) fn for_tests() -> Result<()> {
    install(TESTS)
}

/// Installs what `run` needs and is missing.
pub(crate) fn for_runtime() -> Result<()> {
    install(UNPACKING)
}

/// Apt's words for an installation without questions and extras.
const INSTALL: &[&str] = &["-q", "-q", "-y", "--no-install-recommends", "install"];

fn install(wanted: &[(Proof, &'static str, &'static str)]) -> Result<()> {
    let missing: Vec<_> = wanted
        .iter()
        .filter(|(proof, ..)| !is_there(proof))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (_, package, purpose) in &missing {
        say(format_args!("setup: {package} is missing ({purpose})"));
    }
    let packages: Vec<_> = missing.iter().map(|(_, package, _)| *package).collect();
    if !is_installed("apt-get") {
        bail!(
            "this machine has no apt-get: install what brings {} yourself",
            packages.join(", ")
        );
    }
    say(format_args!(
        "setup: apt-get install {}",
        packages.join(" ")
    ));
    // One unreachable extra source of the host must not stop us: whether the packages can be had is told by the install.
    if let Err(err) = output(as_root("apt-get")?.args(["-q", "-q", "update"])) {
        say(format_args!(
            "setup: {err:#}; going on with the package lists as they are"
        ));
    }
    let plan = output(
        Command::new("apt-get")
            .args(INSTALL)
            .arg("--simulate")
            .args(&packages),
    )?;
    let removed = removed(&plan);
    if !removed.is_empty() {
        agree(&removed)?;
    }
    output(
        as_root("env")?
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(INSTALL)
            .args(&packages),
    )?;
    for (proof, package, _) in missing {
        if !is_there(proof) {
            bail!(
                "{package} was installed, and yet {} is not there",
                proof.name()
            );
        }
    }
    Ok(())
}

/// The packages that apt would remove, as its simulation tells.
fn removed(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Remv "))
        .filter_map(|line| line.split(' ').next())
        .collect()
}

/// Nothing of the host's is removed in silence: a person is asked, and a machine without one is told.
fn agree(removed: &[&str]) -> Result<()> {
    let removed = removed.join(" ");
    if !std::io::stdin().is_terminal() {
        say(format_args!(
            "setup: apt removes what is in their way: {removed}"
        ));
        return Ok(());
    }
    say(format_args!(
        "setup: apt would remove what is in their way: {removed}. Go on? [y/N]"
    ));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !answer.trim().eq_ignore_ascii_case("y") {
        bail!("nothing was installed and nothing removed");
    }
    Ok(())
}

fn is_there(proof: &Proof) -> bool {
    match proof {
        Program(name) => is_installed(name),
        File(path) => Path::new(path).exists(),
    }
}

impl Proof {
    fn name(&self) -> &'static str {
        match self {
            Program(name) | File(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_remove_is_read_from_its_plan() {
        let plan =
            "Remv qemu-utils [1:10.0.2]\nInst ovmf (2022.11 Debian)\nConf ovmf (2022.11 Debian)\n";
        assert_eq!(removed(plan), ["qemu-utils"]);
        assert!(removed("Inst ovmf (2022.11 Debian)\n").is_empty());
    }
}
