//! Turning a device away.

use model::{Actor, Approval, EventKind};
use store::{Lane, Store};

use super::{DeviceRef, find};
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
                return Ok(device.into());
            }
            device.approval = Approval::Rejected {
                by: writer.actor().clone(),
                at: writer.now(),
            };
            device.wipe_asked_at = None;
            writer.update_device(&device)?;
            writer.delete_config(device.id)?;
            writer.event(Some(&device), EventKind::DeviceRejected)?;
            Ok(find(writer, DeviceRef::Id(device.id))?.into())
        })
        .await
}
