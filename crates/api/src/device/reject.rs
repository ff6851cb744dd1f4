//! Turning a device away.

use model::{Actor, Approval, EventKind};
use store::{Lane, Store};

use super::approve::check_not_last;
use super::{DeviceRef, find, shown, shown_again};
use crate::{Error, types};

/// Turns a device away and deletes its config, if it had one. To reject it again changes nothing.
pub(crate) async fn reject(
    store: &Store,
    actor: Actor,
    who: DeviceRef,
) -> Result<types::Device, Error> {
    store
        .write(Lane::Admin, actor, move |writer| {
            let mut device = find(writer, who)?;
            if matches!(device.approval, Approval::Rejected { .. }) {
                return shown(writer, device);
            }
            check_not_last(writer, &device)?;
            device.approval = Approval::Rejected {
                by: writer.actor().clone(),
                at: writer.now(),
            };
            device.wipe_asked_at = None;
            writer.update_device(&device)?;
            writer.delete_config(device.id)?;
            writer.event(Some(&device), EventKind::DeviceRejected)?;
            shown_again(writer, device.id)
        })
        .await
}
