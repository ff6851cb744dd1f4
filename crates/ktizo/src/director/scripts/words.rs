//! What the machine's screen and its timeline say of a decision.

use std::time::Duration;

use model::{BootDecision, HoldReason, LeaveReason, MacAddr, MenuDefault};

use super::View;

/// What the screen says of a machine that is not let have what was ordered for it, a line for what fits on one.
pub(super) fn refusal_lines(first: String, why: &str) -> Vec<String> {
    // A screen has 80 columns.
    const COLUMNS: usize = 79;
    let mut lines = vec![first, String::new()];
    for word in why.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.push("It asks again. README, section \"Who gets a config\", says what to do.".to_owned());
    lines
}

/// What the machine's screen says; `by_firmware` is whether only the firmware can start a disk.
pub(super) fn lines(
    mac: MacAddr,
    name: &str,
    view: &View,
    held: Option<Duration>,
    decision: BootDecision,
    by_firmware: bool,
) -> Vec<String> {
    let limit = view.settings.hold_limit_seconds;
    let minutes =
        |span: Duration| format!("{} min {:02} s", span.as_secs() / 60, span.as_secs() % 60);
    let waited = held.map(|held| {
        format!(
            "Waiting for {} of at most {}.",
            minutes(held),
            minutes(Duration::from_secs(limit.into()))
        )
    });
    let missing = view.talos.as_ref().err();
    let mut lines = match decision {
        BootDecision::Hold(HoldReason::Approval) => vec![
            "Unknown MAC Address".to_owned(),
            mac.to_string(),
            "This machine waits for approval. Its disks are left alone.".to_owned(),
            format!("On the ktizo host: ktizo device approve {mac}"),
        ],
        BootDecision::Hold(HoldReason::WipeAsked) => vec![
            format!("A wipe of {name} was asked for at this console."),
            "It waits for a signed-in person. Nothing is wiped until then.".to_owned(),
            format!("On the ktizo host, to wipe it: ktizo device wipe {mac}"),
            format!("To go on without a wipe:       ktizo device wipe {mac} --cancel"),
        ],
        BootDecision::Hold(HoldReason::WipeNotProven) => vec![
            format!(
                "{name}: wipe not proven. It was sent to this machine once and is not sent again."
            ),
            "It waits for a person. Nothing is started until then.".to_owned(),
            format!("On the ktizo host, if it is wiped: ktizo device wiped {mac}"),
            format!("To wipe it once more:              ktizo device wipe {mac}"),
            format!("To go on without:                  ktizo device set {mac} --order local"),
        ],
        BootDecision::Hold(HoldReason::InstallFailed) => vec![
            format!(
                "{name} was to install itself {} times, and nothing proves that it did.",
                view.attempt()
            ),
            format!("The last time: {}", view.last_failure()),
            "It waits for a person. Nothing is started until then.".to_owned(),
            format!("On the ktizo host, to try again: ktizo device set {mac} --order install"),
            format!("If Talos is on its disk:         ktizo device installed {mac}"),
        ],
        BootDecision::Hold(HoldReason::OtherCard) => vec![
            format!("{mac} says that it is another card of {name}."),
            "It waits for a person to confirm that. Its disks are left alone.".to_owned(),
            format!("On the ktizo host: ktizo device identity {mac} --accept (or --split)"),
        ],
        BootDecision::Hold(HoldReason::Conflict) => vec![
            format!("IDENTITY CONFLICT: two machines claim to be {name} ({mac})."),
            "Neither gets a config until a person decides. Disks are left alone.".to_owned(),
            format!("On the ktizo host: ktizo device identity {mac}"),
        ],
        BootDecision::Hold(HoldReason::TurnedAway) => vec![
            format!("This is not {name} ({mac}), as a person decided, but another machine."),
            "It gets no config. Its disks are left alone.".to_owned(),
            format!("If it is {name} after all: ktizo device identity {mac} --accept"),
        ],
        BootDecision::Hold(HoldReason::AssetMissing) => {
            // A screen has 80 columns: what to do gets a line of its own.
            let missing = missing.map(String::as_str).unwrap_or_default();
            let sentences = missing
                .split_inclusive(". ")
                .map(|line| line.trim_end().to_owned());
            let first = format!("{name} is approved, but cannot start:");
            std::iter::once(first).chain(sentences).collect()
        }
        BootDecision::Leave(LeaveReason::HoldLimit) => vec![
            format!("{mac} was held as long as it may be, and goes to its disk."),
            "Its next network boot asks again.".to_owned(),
        ],
        BootDecision::Leave(LeaveReason::Rejected) => {
            vec![format!("{mac} was rejected and goes to its disk.")]
        }
        BootDecision::Leave(LeaveReason::Ordered) => {
            vec![format!("{name} is to boot its local disk.")]
        }
        BootDecision::Leave(LeaveReason::Installed) => {
            vec![format!("{name} is installed and boots its local disk.")]
        }
        BootDecision::Wipe => vec![format!("A wipe of {name} was ordered. Its disk is wiped.")],
        BootDecision::LocalElseTalos { .. } if by_firmware => vec![
            "Unknown MAC Address".to_owned(),
            mac.to_string(),
            "Strict boot mode is off: this machine goes to its disk, as its firmware does it."
                .to_owned(),
        ],
        BootDecision::LocalElseTalos { .. } => vec![
            "Unknown MAC Address".to_owned(),
            mac.to_string(),
            "Strict boot mode is off: a local disk is tried, then Talos without a config."
                .to_owned(),
        ],
        BootDecision::Install { attempt: 1, .. } => vec![format!("Approved as {name}.")],
        BootDecision::Install { attempt, .. } => vec![
            format!("Approved as {name}."),
            format!(
                "Attempt {attempt} of {} to install: nothing proves that the one before did.",
                view.settings.install_attempts
            ),
        ],
        BootDecision::Menu {
            why: MenuDefault::Ordered,
            ..
        } => vec![format!("{name} is to show its menu.")],
        BootDecision::Menu {
            why: MenuDefault::Unproven,
            ..
        } => vec![
            format!("{name} got its config before, so Talos may be installed already."),
            "Without a choice it goes to its local disk.".to_owned(),
            format!("On the ktizo host, if it is: ktizo device installed {mac}"),
            format!("On the ktizo host, to install again: ktizo device set {mac} --order install"),
        ],
    };
    if matches!(decision, BootDecision::Hold(_)) {
        lines.extend(waited);
    }
    lines
}
