//! The first screen: what is served where, where the state is, and what to do next.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use api::auth::{self, Gate};
use api::types::Status;
use api::{AssetFolder, Service as _};
use model::{Actor, Role};
use store::Store;

use crate::config::DEFAULT_SOCKET;
use crate::privilege::Privilege;
use crate::report::Report;

/// Prints the screen.
pub(crate) async fn show(
    report: &Report,
    store: &Store,
    assets: &AssetFolder,
) -> anyhow::Result<()> {
    let status = api::picture(store, report.status(), assets).await?;
    // A daemon whose terminal went away serves all the same.
    let _ = io::stdout().write_all(screen(report, &status).as_bytes());
    Ok(())
}

/// While nobody can sign in yet, makes a one-time set-up link and shows it, on a terminal only: it is a secret, and whatever else
/// standard output is, the journal or a file, keeps it.
pub(crate) async fn first_link(report: &Report, gate: &Gate) -> anyhow::Result<()> {
    let mut out = io::stdout();
    let Some(root) = report.admin_url() else {
        return Ok(());
    };
    if auth::has_users(gate).await? {
        return Ok(());
    }
    let text = if out.is_terminal() {
        let token = auth::make_set_up_link(gate, Actor::System.into()).await?;
        format!(
            "  Make the first user, with this link, once, within a day:\n      {root}/set-up?token={token}\n\n"
        )
    } else {
        format!(
            "  Nobody can sign in yet; this makes a one-time link for the first user:\n      {}\n\n",
            command(report, "admin reset")
        )
    };
    // A daemon whose terminal went away serves all the same.
    let _ = out.write_all(text.as_bytes());
    Ok(())
}

fn screen(report: &Report, status: &Status) -> String {
    let service = &status.service;
    let mut text = format!("\nktizo {}\n\n", service.version);
    let mut line = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    for served in &service.serves {
        line(&served.what, &served.address);
    }
    line("state", &service.state_dir);
    match &report.privilege {
        Privilege::Unprivileged => {}
        Privilege::Became(user) => line("runs as", user),
        Privilege::StillRoot(why) => line("runs as", &format!("root: {why}")),
    }
    line(
        "devices",
        &format!(
            "{} pending, {} approved",
            status.devices.pending, status.devices.approved
        ),
    );
    if !status.strict_boot_mode {
        line(
            "WARNING",
            "strict boot mode is off: a machine that nobody approved may run Talos, and lose its disk",
        );
    }
    for problem in &service.problems {
        line("PROBLEM", problem);
    }
    for warning in &service.warnings {
        line("WARNING", warning);
    }
    for missing in &status.missing {
        line("to do", missing);
    }
    text.push_str("\nNext, in another terminal:\n");
    let mut step = |what: &str, words: &str| {
        let _ = writeln!(text, "  {what}\n      {}", command(report, words));
    };
    if status.talos_version.is_none() {
        step(
            "Bring the kernel and initramfs of a Talos release (vmlinuz-amd64, initramfs-amd64.xz):",
            "assets import DIR --version v1.13.9",
        );
    }
    if !status.base_configs.contains(&Role::Controlplane) {
        step(
            "Found the cluster (or bring one that `talosctl gen config` made, with `cluster import DIR`):",
            "cluster init NAME https://ADDRESS-OF-THE-FIRST-CONTROL-PLANE:6443",
        );
    }
    step(
        "Power on a machine with network boot. It appears here, and waits:",
        "device list --status pending",
    );
    step(
        "Let it in; what you leave out is suggested:",
        "device approve MAC",
    );
    text.push('\n');
    text
}

/// A command for the daemon as it can be typed anywhere: with the path of this program, and its socket where that is not the usual one.
fn command(report: &Report, words: &str) -> String {
    let program = match std::env::current_exe() {
        Ok(path) => as_typed(&path, std::env::var_os("PATH").as_deref()),
        Err(_) => "ktizo".to_owned(),
    };
    let socket = if report.socket.as_os_str() == DEFAULT_SOCKET {
        String::new()
    } else {
        format!(" --socket {}", report.socket.display())
    };
    format!("{program} {words}{socket}")
}

/// The program's name where `search`, the value of `PATH`, finds this very file by it, else its path.
fn as_typed(program: &Path, search: Option<&OsStr>) -> String {
    let path = program.display().to_string();
    let (Some(name), Some(search)) = (program.file_name(), search) else {
        return path;
    };
    let found = std::env::split_paths(search)
        .map(|folder| folder.join(name))
        .find(|found| found.is_file());
    let is_this = |found: &Path| found.canonicalize().ok() == program.canonicalize().ok();
    match found {
        Some(found) if is_this(&found) => name.display().to_string(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_program_so_that_it_can_be_typed_in_any_folder() {
        let [own, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let program = own.path().join("ktizo");
        std::fs::write(&program, b"").unwrap();
        let search = |folders: &[&Path]| std::env::join_paths(folders).unwrap();
        let path = program.display().to_string();
        for (folders, expected) in [
            (vec![], path.as_str()),
            (vec![other.path()], &path),
            (vec![other.path(), own.path()], "ktizo"),
        ] {
            assert_eq!(as_typed(&program, Some(&search(&folders))), expected);
        }
        assert_eq!(as_typed(&program, None), path);
        // Another program of that name comes first.
        std::fs::write(other.path().join("ktizo"), b"").unwrap();
        let both = search(&[other.path(), own.path()]);
        assert_eq!(as_typed(&program, Some(&both)), path);
    }
}
