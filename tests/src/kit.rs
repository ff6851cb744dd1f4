//! What the lab is built of: the binaries of this build and what `cargo xtask setup` unpacked.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What a machine's processor is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Arch {
    /// Talos's word for it, which its files are named by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Paths of everything that the lab starts or serves.
#[derive(Clone, Debug)]
pub struct Kit {
    build: PathBuf,
    dev: PathBuf,
}

impl Kit {
    /// Finds the kit from the place of this very program in cargo's build folder.
    ///
    /// # Errors
    /// When setup has not been run; the error says so.
    pub fn find() -> Result<Self> {
        let program = env::current_exe().context("this program's own path is not known")?;
        // Test binaries are in `<target>/<profile>/deps`, others in `<target>/<profile>`.
        let build = program
            .ancestors()
            .skip(1)
            .find(|dir| !dir.ends_with("deps"));
        let build = build.context("this program is not in a build folder")?;
        let target = build
            .parent()
            .context("this program is not in a build folder")?;
        let kit = Self {
            build: build.to_path_buf(),
            dev: target.join("ktizo-dev"),
        };
        for needed in [
            kit.busybox(),
            kit.guest_busybox(Arch::Arm64),
            kit.kernel(Arch::Amd64),
            kit.kernel(Arch::Arm64),
            kit.loaders(),
            kit.ovmf_2025(),
        ] {
            if !needed.exists() {
                bail!("{} is missing: run `cargo xtask setup`", needed.display());
            }
        }
        Ok(kit)
    }

    /// The daemon of this build.
    pub fn ktizo(&self) -> PathBuf {
        self.build.join("ktizo")
    }

    /// The folder of network boot loaders.
    pub fn loaders(&self) -> PathBuf {
        self.dev.join("loaders")
    }

    /// A static busybox for this host.
    pub fn busybox(&self) -> PathBuf {
        self.dev.join("lab/busybox/busybox")
    }

    /// The static busybox of a guest.
    pub fn guest_busybox(&self, arch: Arch) -> PathBuf {
        match arch {
            Arch::Amd64 => self.busybox(),
            Arch::Arm64 => self.dev.join("lab/busybox-arm64/busybox"),
        }
    }

    /// A guest's kernel.
    pub fn kernel(&self, arch: Arch) -> PathBuf {
        self.modules(arch).join("vmlinuz")
    }

    /// The folder of a guest kernel's modules, with their order in a file `modules`.
    pub fn modules(&self, arch: Arch) -> PathBuf {
        self.dev.join(match arch {
            Arch::Amd64 => "lab/guest",
            Arch::Arm64 => "lab/guest-arm64",
        })
    }

    /// The folder of the host's own UEFI firmware.
    pub fn ovmf(&self) -> PathBuf {
        PathBuf::from("/usr/share/OVMF")
    }

    /// The folder of Debian 13's UEFI firmware.
    pub fn ovmf_2025(&self) -> PathBuf {
        self.dev.join("lab/ovmf")
    }

    /// The folder of the host's own UEFI firmware for ARM.
    pub fn aavmf(&self) -> PathBuf {
        PathBuf::from("/usr/share/AAVMF")
    }

    /// A new, empty folder for one test; the last run's is removed. It stays after the test, to be looked at.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, test: &str) -> Result<PathBuf> {
        let folder = self.dev.join("e2e").join(test);
        empty(&folder)?;
        Ok(folder)
    }
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} could not be removed", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))
}
