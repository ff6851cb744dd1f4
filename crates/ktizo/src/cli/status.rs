//! `ktizo status`.

use api::types::Status;

use super::output::{fields, or_dash};
use super::{Failure, Remote};

pub(super) async fn run(remote: Remote) -> Result<(), Failure> {
    let status = remote.client()?.status().await?;
    remote.output.print(&status, table)
}

fn table(status: &Status) -> String {
    let service = &status.service;
    let devices = status.devices;
    let roles: Vec<&str> = status
        .base_configs
        .iter()
        .map(|role| role.as_str())
        .collect();
    let mut rows = vec![
        ("version", service.version.clone()),
        ("started", service.started_at.second()),
        ("state", service.state_dir.clone()),
        (
            "devices",
            format!(
                "{} pending, {} approved, {} rejected",
                devices.pending, devices.approved, devices.rejected
            ),
        ),
        (
            "strict boot mode",
            if status.strict_boot_mode {
                "on"
            } else {
                "OFF: machines nobody approved may run Talos"
            }
            .to_owned(),
        ),
        ("Talos version", or_dash(status.talos_version.as_ref())),
        (
            "base configs",
            if roles.is_empty() {
                "-".to_owned()
            } else {
                roles.join(", ")
            },
        ),
    ];
    rows.extend(
        service
            .serves
            .iter()
            .map(|served| ("serves", format!("{} at {}", served.what, served.address))),
    );
    rows.extend(
        service
            .problems
            .iter()
            .map(|problem| ("PROBLEM", problem.clone())),
    );
    rows.extend(
        service
            .warnings
            .iter()
            .map(|warning| ("WARNING", warning.clone())),
    );
    rows.extend(
        status
            .missing
            .iter()
            .map(|missing| ("to do", missing.clone())),
    );
    rows.extend(status.notes.iter().map(|note| ("note", note.clone())));
    rows.extend(
        status
            .edited
            .iter()
            .map(|edited| ("edited", edited.clone())),
    );
    fields(&rows)
}
