//! Forgetting a device.

use model::{Author, EventKind};
use store::{Lane, Store, Writer};

use super::approve::check_not_last;
use super::config::settings_gone;
use super::fields::undecided;
use super::{DeviceRef, find_expected};
use crate::version::IfMatch;
use crate::{Error, audit};

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
    let mut changes = audit::of_device(&device, &undecided(&device));
    changes.extend(settings_gone(writer, &device)?);
    writer.event_of(Some(&device), EventKind::DeviceDeleted { status }, &changes)?;
    writer.delete_device(device.id)?;
    Ok(())
}
