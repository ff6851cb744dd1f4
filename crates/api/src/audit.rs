//! What a change was before and is since.

use model::{Device, Event, EventKind, FieldChange};
use serde::Serialize;
use serde_json::Value;

use crate::types;

/// Fields that only record when something happened.
const MOMENTS: [&str; 6] = [
    "updated_at",
    "approved_at",
    "config_released_at",
    "install",
    "wipe",
    "last_seen",
];

/// The fields in which two values differ. Neither may hold a secret.
pub(crate) fn changes(before: &impl Serialize, after: &impl Serialize) -> Vec<FieldChange> {
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return Vec::new();
    };
    // A field that is left out has its default.
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    after
        .keys()
        .chain(gone)
        .filter(|field| !MOMENTS.contains(&field.as_str()))
        .filter_map(|field| {
            let before = before.get(field).unwrap_or(&Value::Null);
            let after = after.get(field).unwrap_or(&Value::Null);
            (before != after).then(|| FieldChange {
                field: field.clone(),
                before: shown(before),
                after: shown(after),
            })
        })
        .collect()
}

/// The fields, as the API has them, in which two states of a device differ.
pub(crate) fn of_device(before: &Device, after: &Device) -> Vec<FieldChange> {
    changes(
        &types::Device::from(before.clone()),
        &types::Device::from(after.clone()),
    )
}

/// The change of a field whose values nobody is told.
pub(crate) fn of_secret(field: &str) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        before: "(secret)".to_owned(),
        after: "(secret)".to_owned(),
    }
}

/// The event without the fingerprints of patches that older versions wrote: what is short can be found by trying.
pub(crate) fn without_prints(mut event: Event) -> Event {
    if let EventKind::PatchSaved { .. } | EventKind::PatchDeleted { .. } = event.what {
        for text in event
            .changes
            .iter_mut()
            .flat_map(|change| [&mut change.before, &mut change.after])
        {
            if text.starts_with("sha256 ") {
                "(secret)".clone_into(text);
            }
        }
    }
    event
}

/// A text as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
