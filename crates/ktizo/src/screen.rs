//! The first screen: what is served where, where the state is, and what to do next.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use api::Service as _;
use api::auth::{self, Gate};
use model::{Actor, ApprovalStatus, Role};
use store::{Lane, Store};

use crate::config::DEFAULT_SOCKET;
use crate::privilege::Privilege;
use crate::report::Report;

/// Prints the screen.
pub(crate) async fn show(report: &Report, store: &Store) -> anyhow::Result<()> {
    let known = store
        .read(Lane::Admin, |reader| {
            Ok(Known {
                strict: reader.settings()?.strict_boot_mode,
                has_assets: !reader.assets()?.is_empty(),
                has_base: reader.base(Role::Controlplane)?.is_some(),
                pending: reader.count_devices(Some(ApprovalStatus::Pending))?,
                approved: reader.count_devices(Some(ApprovalStatus::Approved))?,
            })
        })
        .await?;
    // A daemon whose terminal went away serves all the same.
    let _ = io::stdout().write_all(screen(report, &known).as_bytes());
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

/// What the store has, as far as it decides what to do next.
struct Known {
    strict: bool,
    has_assets: bool,
    has_base: bool,
    pending: u64,
    approved: u64,
}

fn screen(report: &Report, known: &Known) -> String {
    let status = report.status();
    let mut text = format!("\nktizo {}\n\n", status.version);
    let mut line = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    for served in &status.serves {
        line(&served.what, &served.address);
    }
    line("state", &status.state_dir);
    match &report.privilege {
        Privilege::Unprivileged => {}
        Privilege::Became(user) => line("runs as", user),
        Privilege::StillRoot(why) => line("runs as", &format!("root: {why}")),
    }
    line(
        "devices",
        &format!("{} pending, {} approved", known.pending, known.approved),
    );
    if !known.strict {
        line(
            "WARNING",
            "strict boot mode is off: a machine that nobody approved may run Talos, and lose its disk",
        );
    }
    for problem in &status.problems {
        line("PROBLEM", problem);
    }
    for warning in &status.warnings {
        line("WARNING", warning);
    }
    text.push_str("\nNext, in another terminal:\n");
    let mut step = |what: &str, words: &str| {
        let _ = writeln!(text, "  {what}\n      {}", command(report, words));
    };
    if !known.has_assets {
        step(
            "Bring the kernel and initramfs of a Talos release (vmlinuz-amd64, initramfs-amd64.xz):",
            "assets import DIR --version v1.13.9",
        );
    }
    if !known.has_base {
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

/// A command for the daemon as it can be typed here: with the path of this program, and its socket where that is not the usual one.
fn command(report: &Report, words: &str) -> String {
    let program = std::env::current_exe().map_or_else(|_| "ktizo".to_owned(), |path| short(&path));
    let socket = if report.socket.as_os_str() == DEFAULT_SOCKET {
        String::new()
    } else {
        format!(" --socket {}", report.socket.display())
    };
    format!("{program} {words}{socket}")
}

/// The path of the program, from the current folder where it is below it.
fn short(path: &std::path::Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| {
        path.strip_prefix(here)
            .ok()
            .map(|below| below.display().to_string())
    });
    below.unwrap_or_else(|| path.display().to_string())
}
