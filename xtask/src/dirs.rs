//! Where things are: the checkout, the build, and what setup unpacked.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders that the developer's commands work in.
#[derive(Debug)]
pub(crate) struct Dirs {
    /// The checkout: the folder of the workspace's manifest.
    pub(crate) root: PathBuf,
    /// Cargo's build folder, wherever it was put.
    pub(crate) target: PathBuf,
    /// What setup unpacks and the lab writes: `ktizo-dev` in the build folder, so that removing the build removes it.
    pub(crate) dev: PathBuf,
}

impl Dirs {
    /// Finds them from the place of this very program, which cargo built into `<target>/<profile>/`.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder")?;
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let target = program
            .parent()
            .and_then(Path::parent)
            .context("this program is not in a build folder")?;
        Ok(Self {
            root: root.to_path_buf(),
            target: target.to_path_buf(),
            dev: target.join("ktizo-dev"),
        })
    }

    /// The boot loaders that setup unpacked.
    pub(crate) fn loaders(&self) -> PathBuf {
        self.dev.join("loaders")
    }

    /// What the lab's machines are made of: kernel, modules, busybox, firmware.
    pub(crate) fn lab(&self) -> PathBuf {
        self.dev.join("lab")
    }

    /// The accessibility checker of the browser tests.
    pub(crate) fn axe(&self) -> PathBuf {
        self.dev.join("axe-core")
    }

    /// A binary of this workspace as the dev profile builds it.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// A binary of this workspace as the release profile builds it.
    pub(crate) fn released(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }
}
