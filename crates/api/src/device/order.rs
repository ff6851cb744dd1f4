//! Boot orders.

use model::{Author, BootOrder, Device, EventKind};
use store::{Lane, Store, Writer};

use super::{DeviceRef, find, shown_again};
use crate::{Error, audit, types};

/// Gives a device a boot order, also the one it has: an `install` is then done once more. A wipe that was asked for at the
/// console is answered by it with a no.
pub(crate) async fn give_order(
    store: &Store,
    author: Author,
    who: DeviceRef,
    order: BootOrder,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            order_in(writer, who, order)
        })
        .await
}

/// The same within a change.
pub(super) fn order_in(
    writer: &Writer<'_>,
    who: DeviceRef,
    order: BootOrder,
) -> Result<types::Device, Error> {
    let before = find(writer, who)?;
    let mut device = before.clone();
    set_order(&mut device, order);
    writer.update_device(&device)?;
    record_order(writer, &before, &device)?;
    shown_again(writer, device.id)
}

/// Puts an order in force: what was proven or released under the one before counts no more.
pub(super) fn set_order(device: &mut Device, order: BootOrder) {
    device.order = order;
    device.config_released_at = None;
    device.wipe_asked_at = None;
}

/// Writes the event of an order.
pub(super) fn record_order(
    writer: &Writer<'_>,
    before: &Device,
    device: &Device,
) -> Result<(), Error> {
    let what = EventKind::OrderGiven {
        order: device.order,
    };
    let mut changes = audit::of_device(before, device);
    changes.retain(|change| change.field == "boot_order");
    writer.event_of(Some(device), what, &changes)?;
    Ok(())
}
