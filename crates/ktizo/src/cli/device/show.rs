//! Devices and their boots, for people.

use std::time::Duration;

use api::types::{Boot, BulkAnswer, BulkRow, Device, ScriptPreview};
use model::{ApprovalStatus, BootOrder, Install, StageOutcome, StageRecord, Wipe};

use crate::cli::output::{bytes, columns, fields, or_dash, or_nothing, when, when_known};

/// One line a device.
pub(super) fn table(devices: &[Device]) -> String {
    let row = |device: &Device| {
        vec![
            device.mac_address.to_string(),
            status(device),
            or_dash(device.hostname.as_ref()),
            or_dash(device.ip_address.as_ref()),
            or_dash(device.role.as_ref()),
            next_boot(device),
            hardware(device),
            when(device.last_seen),
        ]
    };
    columns(
        &[
            "mac",
            "status",
            "name",
            "address",
            "role",
            "next boot",
            "machine",
            "last seen",
        ],
        devices.iter().map(row).collect(),
        "No device matches. A machine that boots from the network appears here by itself.",
    )
}

/// Its status, and for what it needs a person.
fn status(device: &Device) -> String {
    let mut words = vec![device.status.to_string()];
    if device.identity_conflict.is_some() {
        words.push("CONFLICT".to_owned());
    }
    match device.wipe {
        Wipe::Asked { .. } => words.push("WIPE ASKED FOR".to_owned()),
        Wipe::Spent { .. } => words.push("WIPE NOT PROVEN".to_owned()),
        _ => {}
    }
    if matches!(device.install, Install::Failed { .. }) {
        words.push("INSTALL FAILED".to_owned());
    }
    words.join(" ")
}

/// What its next network boot does, in the word of `device script`. A daemon that does not tell has the order alone.
fn next_boot(device: &Device) -> String {
    match &device.next_boot {
        Some(next) => next.does.replace('_', " "),
        None => device.boot_order.to_string(),
    }
}

/// What an approval of many would give, one line a device.
pub(super) fn approvals(answer: &BulkAnswer) -> String {
    let row = |row: &BulkRow| {
        let device = &row.device;
        vec![
            device.mac_address.to_string(),
            or_dash(device.hostname.as_ref()),
            or_dash(device.ip_address.as_ref()),
            or_dash(device.role.as_ref()),
            row.refusal
                .as_ref()
                .map_or_else(String::new, |refusal| refusal.message.clone()),
        ]
    };
    let table = columns(
        &["mac", "name", "address", "role", "in the way"],
        answer.devices.iter().map(row).collect(),
        "No device.",
    );
    let mut lines = vec![table];
    lines.extend(effects_of(answer));
    lines.join("\n")
}

/// What is done to the disks, each sentence once, with how many it is true of.
fn effects_of(answer: &BulkAnswer) -> Vec<String> {
    let mut said: Vec<(&str, usize)> = Vec::new();
    for row in answer.devices.iter().filter(|row| row.refusal.is_none()) {
        match said.iter_mut().find(|(known, _)| *known == row.effect) {
            Some((_, count)) => *count += 1,
            None => said.push((&row.effect, 1)),
        }
    }
    let line = |(effect, count)| match count {
        1 => format!("1 machine: {effect}"),
        more => format!("{more} machines, of each: {effect}"),
    };
    said.into_iter().map(line).collect()
}

/// What would be done with many, one line a device.
pub(super) fn effects(answer: &BulkAnswer) -> String {
    let row = |row: &BulkRow| {
        let said = row.refusal.as_ref().map_or_else(
            || row.effect.clone(),
            |refusal| format!("IN THE WAY: {}", refusal.message),
        );
        vec![
            row.before.mac_address.to_string(),
            or_dash(row.before.hostname.as_ref()),
            said,
        ]
    };
    columns(
        &["mac", "name", "what happens"],
        answer.devices.iter().map(row).collect(),
        "No device.",
    )
}

/// Everything known of one device.
pub(super) fn details(device: &Device) -> String {
    fields(&[
        ("MAC", device.mac_address.to_string()),
        ("number", device.id.to_string()),
        ("status", device.status.to_string()),
        ("approved", when_known(device.approved_at)),
        ("name", or_nothing(device.hostname.as_ref())),
        ("address", or_nothing(device.ip_address.as_ref())),
        ("role", or_nothing(device.role.as_ref())),
        ("boot order", order(device)),
        ("next boot", reason(device)),
        ("install", install(device)),
        ("wipe", device.wipe.to_string()),
        (
            "install disk",
            device.install_disk.clone().unwrap_or_else(|| {
                "not chosen for this machine: its selector or the base config decides".to_owned()
            }),
        ),
        (
            "ephemeral least",
            or_nothing(device.ephemeral_min_size.as_ref()),
        ),
        (
            "ephemeral most",
            or_nothing(device.ephemeral_max_size.as_ref()),
        ),
        (
            "ephemeral disk",
            or_nothing(device.ephemeral_disk_selector.as_ref()),
        ),
        ("local boot", device.local_boot.to_string()),
        ("loader", or_nothing(device.loader.as_ref())),
        ("machine", hardware(device)),
        ("serial", or_nothing(device.serial.as_ref())),
        ("UUID", or_nothing(device.uuid.as_ref())),
        ("first seen", when_known(device.first_seen)),
        ("last seen", when_known(device.last_seen)),
        ("config download", when_known(device.last_config_download)),
        (
            "config",
            if device.config_outdated {
                "OUTDATED: it runs an older config than it would be served now; `ktizo device config diff` shows what changed".to_owned()
            } else {
                String::new()
            },
        ),
        ("other cards", cards(device)),
        ("identity", conflict(device)),
        ("config token", token(device)),
        ("labels", labels(device)),
        ("notes", device.notes.clone()),
    ])
}

/// What its next network boot does; an order is in force once the device is approved.
fn order(device: &Device) -> String {
    match device.status {
        ApprovalStatus::Approved => device.boot_order.to_string(),
        ApprovalStatus::Pending => format!("none yet; {} once it is approved", device.boot_order),
        ApprovalStatus::Rejected => "none; it is sent to its disk".to_owned(),
    }
}

/// What its next network boot does, and why.
fn reason(device: &Device) -> String {
    let why = device.next_boot.as_ref().and_then(|it| it.why.as_ref());
    match why {
        Some(why) => format!("{}: {why}", next_boot(device)),
        None => next_boot(device),
    }
}

/// How its install stands, where one is ordered or was.
fn install(device: &Device) -> String {
    let ordered = device.boot_order == BootOrder::Install;
    match device.install {
        Install::Waiting { .. } if !ordered => "none is ordered".to_owned(),
        _ => device.install.to_string(),
    }
}

/// A script, after the reason for it.
pub(super) fn script(preview: &ScriptPreview) -> String {
    let missing = preview.missing.as_ref();
    let missing = missing.map_or_else(String::new, |missing| format!("# {missing}\n"));
    format!(
        "# {}: {}\n{missing}{}",
        preview.decision,
        preview.why,
        preview.script.trim_end()
    )
}

fn labels(device: &Device) -> String {
    let pair = |(key, value)| format!("{key}={value}");
    let pairs: Vec<String> = device.labels.iter().map(pair).collect();
    pairs.join(" ")
}

/// Who a device is, as far as it is known.
pub(super) fn identity(device: &Device) -> String {
    fields(&[
        ("MAC", device.mac_address.to_string()),
        ("other cards", cards(device)),
        ("UUID", or_nothing(device.uuid.as_ref())),
        ("serial", or_nothing(device.serial.as_ref())),
        ("identity", conflict(device)),
    ])
}

fn cards(device: &Device) -> String {
    let one = |card: &model::OtherCard| {
        let standing = card.confirmed_at.map_or(" (not confirmed)", |_| "");
        format!("{}{standing}", card.mac)
    };
    let cards: Vec<String> = device.other_cards.iter().map(one).collect();
    cards.join(", ")
}

fn conflict(device: &Device) -> String {
    device.identity_conflict.as_ref().map_or_else(String::new, |conflict| {
        format!(
            "CONFLICT since {}: {}. {} showed UUID {} and serial {}. No config until --accept, --keep or --split",
            conflict.since.minute(),
            conflict.kind.meaning(),
            conflict.mac,
            or_dash(conflict.uuid.as_ref()),
            or_dash(conflict.serial.as_ref())
        )
    })
}

/// How long and how often the machine may still fetch its config.
fn token(device: &Device) -> String {
    device
        .config_token
        .as_ref()
        .map_or_else(String::new, |token| {
            format!(
                "good until {}, used {} of {} times",
                token.expires_at.minute(),
                token.fetches,
                token.fetches_allowed
            )
        })
}

fn hardware(device: &Device) -> String {
    let words = [
        device.vendor.clone(),
        device.model.clone(),
        device.arch.map(|arch| arch.to_string()),
        device.firmware.map(|firmware| firmware.to_string()),
    ];
    let known: Vec<String> = words.into_iter().flatten().collect();
    if known.is_empty() {
        "-".to_owned()
    } else {
        known.join(" ")
    }
}

/// Each boot with its stages.
pub(super) fn boots(boots: &[Boot]) -> String {
    if boots.is_empty() {
        return "This machine has not booted from the network yet.".to_owned();
    }
    let one = |boot: &Boot| {
        let rows = boot
            .stages
            .iter()
            .map(|stage| stage_row(boot, stage))
            .collect();
        let stages = columns(
            &[
                "after", "stage", "outcome", "took", "size", "rate", "resent", "peer", "detail",
            ],
            rows,
            "no stages",
        );
        format!(
            "boot {} began {}, reached {}\n{stages}",
            boot.number,
            boot.began_at.second(),
            boot.furthest
        )
    };
    boots.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

fn stage_row(boot: &Boot, stage: &StageRecord) -> Vec<String> {
    let seconds = |span: Duration| format!("{:.3} s", span.as_secs_f64());
    vec![
        seconds(stage.at.since(boot.began_at)),
        stage.stage.to_string(),
        if stage.outcome == StageOutcome::Failed {
            "FAILED".to_owned()
        } else {
            stage.outcome.to_string()
        },
        stage
            .duration_us
            .map_or_else(String::new, |us| seconds(Duration::from_micros(us))),
        stage.bytes.map_or_else(String::new, bytes),
        rate(stage).map_or_else(String::new, |rate| format!("{}/s", bytes(rate))),
        stage
            .retries
            .filter(|count| *count > 0)
            .map_or_else(String::new, |count| count.to_string()),
        or_nothing(stage.peer.as_ref()),
        stage.detail.clone(),
    ]
}

/// Bytes a second, where a stage moved enough of them for long enough to tell.
fn rate(stage: &StageRecord) -> Option<u64> {
    let (bytes, us) = (stage.bytes?, stage.duration_us?);
    (bytes >= 64 << 10 && us > 0)
        .then(|| u64::try_from(u128::from(bytes) * 1_000_000 / u128::from(us)).unwrap_or(u64::MAX))
}
