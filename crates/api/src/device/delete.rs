//! Forgetting a device.

use model::{Actor, EventKind};
use store::{Lane, Store};

use super::approve::check_not_last;
use super::{DeviceRef, find};
use crate::Error;

/// Deletes a device with its config and its boots. If it boots again, it is a new one.
pub(crate) async fn delete(store: &Store, actor: Actor, who: DeviceRef) -> Result<(), Error> {
    store
        .write(Lane::Admin, actor, move |writer| {
            let device = find(writer, who)?;
            check_not_last(writer, &device)?;
            let status = device.approval.status();
            writer.event(Some(&device), EventKind::DeviceDeleted { status })?;
            writer.delete_device(device.id)?;
            Ok(())
        })
        .await
}
