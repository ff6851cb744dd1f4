//! Turning a device away.

use model::{Approval, Author, EventKind};
use store::{Lane, Store, Writer};

use super::approve::check_not_last;
use super::{DeviceRef, find_expected, shown, shown_again};
use crate::version::IfMatch;
use crate::{Error, audit, types};

/// Turns a device away and deletes its config, if it had one, if it is the expected version. To reject it again changes nothing.
pub(crate) async fn reject(
    store: &Store,
    author: Author,
    who: DeviceRef,
    expected: IfMatch,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            reject_in(writer, &who, &expected)
        })
        .await
}

/// The same within a change.
pub(super) fn reject_in(
    writer: &Writer<'_>,
    who: &DeviceRef,
    expected: &IfMatch,
) -> Result<types::Device, Error> {
    let before = find_expected(writer, who, expected)?;
    if matches!(before.approval, Approval::Rejected { .. }) {
        return shown(writer, before);
    }
    check_not_last(writer, &before)?;
    let mut device = before.clone();
    device.approval = Approval::Rejected {
        by: writer.actor().clone(),
        at: writer.now(),
    };
    let called_off = device.life.decline_wipe();
    writer.update_device(&device)?;
    writer.delete_config(device.id)?;
    if let Some(called_off) = called_off {
        writer.event(Some(&device), called_off)?;
    }
    let changes = audit::of_device(&before, &device);
    writer.event_of(Some(&device), EventKind::DeviceRejected, &changes)?;
    shown_again(writer, device.id)
}
