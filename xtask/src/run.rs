//! `cargo xtask run`: the daemon from this checkout, with its built-in defaults.

use std::path::Path;

use anyhow::Result;

use crate::command::{as_root, become_program, cargo, run as run_to_end, say};
use crate::dirs::Dirs;
use crate::setup;

/// Prepares, builds and becomes `ktizo serve`.
pub(crate) fn run(dirs: &Dirs, serve: &[String]) -> Result<()> {
    setup::runtime(dirs)?;
    say("run: building ktizo");
    run_to_end(
        cargo()
            .args(["build", "--quiet", "--workspace", "--bin", "ktizo"])
            .current_dir(&dirs.root),
    )?;
    let mut daemon = as_root(dirs.binary("ktizo"))?;
    daemon.arg("serve");
    if !serve
        .iter()
        .any(|word| word == "--state-dir" || word.starts_with("--state-dir="))
    {
        let state = dirs.dev.join("state");
        install_loaders(dirs, &state.join("loaders"))?;
        daemon.arg("--state-dir").arg(&state);
    }
    become_program(daemon.args(serve))
}

/// Copies the loaders to where the daemon looks for them; one that an operator put there stays. As root, because
/// the state belongs to the daemon.
fn install_loaders(dirs: &Dirs, target: &Path) -> Result<()> {
    const COPY: &str = r#"mkdir -p "$2" && for loader in "$1"/*; do
        to="$2/${loader##*/}"; [ -e "$to" ] || cp "$loader" "$to" || exit 1; done"#;
    run_to_end(
        as_root("sh")?
            .args(["-c", COPY, "sh"])
            .arg(dirs.loaders())
            .arg(target),
    )
}
