//! `cargo xtask bench`: the daemon measured as it is released, in network namespaces of its own.

use anyhow::Result;

use crate::command::{as_root, become_program, cargo, run, say};
use crate::dirs::Dirs;
use crate::setup;

/// Prepares, builds the release and becomes the lab's benchmark.
pub(crate) fn bench(dirs: &Dirs) -> Result<()> {
    setup::everything(dirs)?;
    say("bench: building the release of ktizo and the lab");
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--release",
        "--workspace",
        "--bin",
        "ktizo",
        "--bin",
        "bench",
    ]);
    run(build.current_dir(&dirs.root))?;
    become_program(&mut as_root(dirs.released("bench"))?)
}
