//! Forgetting a device.

use model::{Author, EventKind, FieldChange};
use store::{Lane, Store, Writer};

use super::approve::check_not_last;
use super::{DeviceRef, find_expected};
use crate::Error;
use crate::version::IfMatch;

/// Deletes a device with its config and its boots, if it is the expected version. If it boots again, it is a new one.
pub(crate) async fn delete(
    store: &Store,
    author: Author,
    who: DeviceRef,
    expected: IfMatch,
) -> Result<(), Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            delete_in(writer, &who, &expected)
        })
        .await
}

/// The same within a change.
pub(super) fn delete_in(
    writer: &Writer<'_>,
    who: &DeviceRef,
    expected: &IfMatch,
) -> Result<(), Error> {
    let device = find_expected(writer, who, expected)?;
    check_not_last(writer, &device)?;
    let status = device.approval.status();
    let fields = [
        (
            "hostname",
            device.hostname.as_ref().map(ToString::to_string),
        ),
        (
            "ip_address",
            device.ip_address.map(|address| address.to_string()),
        ),
        ("role", device.role.map(|role| role.to_string())),
    ];
    let changes: Vec<FieldChange> = fields
        .into_iter()
        .filter_map(|(field, before)| {
            Some(FieldChange {
                field: field.to_owned(),
                before: before?,
                after: "null".to_owned(),
            })
        })
        .collect();
    writer.event_of(Some(&device), EventKind::DeviceDeleted { status }, &changes)?;
    writer.delete_device(device.id)?;
    Ok(())
}
