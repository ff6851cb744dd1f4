//! `cargo xtask demo`: the product on one terminal, without hardware.

use anyhow::Result;

use crate::command::{as_root, become_program, cargo, run, say};
use crate::dirs::Dirs;
use crate::setup;

/// Prepares, builds and becomes the lab's demonstration.
pub(crate) fn demo(dirs: &Dirs, yes: bool, uefi: bool) -> Result<()> {
    setup::everything(dirs)?;
    say("demo: building ktizo and the lab");
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        "ktizo",
        "--bin",
        "demo",
    ]);
    run(build.current_dir(&dirs.root))?;
    let mut demo = as_root(dirs.binary("demo"))?;
    if yes {
        demo.arg("--yes");
    }
    if uefi {
        demo.arg("--uefi");
    }
    become_program(&mut demo)
}
