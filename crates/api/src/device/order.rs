//! Boot orders.

use model::{Actor, BootOrder, Device, EventKind};
use store::{Lane, Store, Writer};

use super::{DeviceRef, find, shown_again};
use crate::{Error, types};

/// Gives a device a boot order, also the one it has: an `install` is then done once more. A wipe that was asked for at the
/// console is answered by it with a no.
pub(crate) async fn give_order(
    store: &Store,
    actor: Actor,
    who: DeviceRef,
    order: BootOrder,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, actor, move |writer| {
            let mut device = find(writer, who)?;
            set_order(&mut device, order);
            writer.update_device(&device)?;
            record_order(writer, &device)?;
            shown_again(writer, device.id)
        })
        .await
}

/// Puts an order in force: what was proven or released under the one before counts no more.
pub(super) fn set_order(device: &mut Device, order: BootOrder) {
    device.order = order;
    device.config_released_at = None;
    device.wipe_asked_at = None;
}

/// Writes the event of an order.
pub(super) fn record_order(writer: &Writer<'_>, device: &Device) -> Result<(), Error> {
    let what = EventKind::OrderGiven {
        order: device.order,
    };
    writer.event(Some(device), what)?;
    Ok(())
}
