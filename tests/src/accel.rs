//! Whether this host's KVM can run the lab's machines.
//!
//! That `/dev/kvm` opens proves little: on nested hosts the BIOS may run while iPXE hangs in its banner. The probe
//! boots the card's ROM without a network and waits for the line that it prints when it starts to look for one.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;

use crate::console::Console;
use crate::process::{Process, on_host};

/// How machines are run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accel {
    /// On the processor itself.
    Kvm,
    /// Translated by QEMU: slower, works everywhere.
    Tcg,
}

impl Accel {
    /// The `-machine` property's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// The processor that goes with it.
    pub fn cpu(self) -> &'static str {
        match self {
            // Nested hosts refuse the register behind this flag.
            Self::Kvm => "host,arch-capabilities=off",
            // QEMU 7.2 leaves rubbish in the flags after cmpxchg16b; an interrupt just then saves it, and some kernels in twenty die.
            Self::Tcg => "max,-cx16",
        }
    }

    /// The better one that works here; probed once for each run of the lab.
    pub fn probed(folder: &Path) -> Self {
        static VERDICT: OnceLock<Accel> = OnceLock::new();
        *VERDICT.get_or_init(|| {
            if probe(folder).unwrap_or(false) {
                Self::Kvm
            } else {
                Self::Tcg
            }
        })
    }
}

/// Longer than the ROM takes on any working KVM (2 to 3 s).
const PATIENCE: Duration = Duration::from_secs(12);

fn probe(folder: &Path) -> Result<bool> {
    if !Path::new("/dev/kvm").exists() {
        return Ok(false);
    }
    let log = folder.join("kvm-probe.serial");
    let console = Console::open(&log, false)?;
    let mut qemu = on_host(None, "qemu-system-x86_64");
    qemu.args([
        "-nodefaults",
        "-display",
        "none",
        "-vga",
        "none",
        "-monitor",
        "none",
        "-m",
        "256",
        "-no-reboot",
    ])
    .args([
        "-machine",
        "q35,accel=kvm,graphics=off",
        "-cpu",
        Accel::Kvm.cpu(),
    ])
    .args([
        "-netdev",
        "hubport,id=n0,hubid=0",
        "-device",
        "virtio-net-pci,netdev=n0,bootindex=1",
    ])
    .arg("-serial")
    .arg(format!("file:{}", log.display()));
    let _qemu = Process::start("QEMU with KVM", &mut qemu, &folder.join("kvm-probe.log"))?;
    Ok(console.wait("Configuring (net0", PATIENCE).is_some())
}
