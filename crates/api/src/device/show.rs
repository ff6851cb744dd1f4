//! Looking at devices.

use model::{ApprovalStatus, Boot, Device};
use serde::Deserialize;
use store::{DeviceFilter, Lane, Reader, Store, StoredConfig};

use super::{DeviceRef, find, shown};
use crate::{Error, types};

/// Which devices a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Only those with this status.
    status: Option<ApprovalStatus>,
    /// Only those that have this text somewhere.
    q: Option<String>,
    /// Leaves out so many at the beginning.
    skip: u64,
    /// Shows so many at most; all without it.
    limit: Option<u64>,
}

/// The devices of a list, ordered by number.
pub(crate) async fn list(store: &Store, query: ListQuery) -> Result<Vec<types::Device>, Error> {
    let filter = DeviceFilter {
        status: query.status,
        search: query.q,
        skip: query.skip,
        limit: query.limit,
    };
    look(store, move |reader| {
        let found = reader.devices(&filter)?;
        let outdated = reader.outdated()?;
        let shown = |device: Device| types::Device {
            config_outdated: outdated.binary_search(&device.id).is_ok(),
            ..device.into()
        };
        Ok(found.into_iter().map(shown).collect())
    })
    .await
}

/// One device.
pub(crate) async fn show(store: &Store, who: DeviceRef) -> Result<types::Device, Error> {
    look(store, move |reader| shown(reader, find(reader, who)?)).await
}

/// The last boots of a device with their stages, newest first.
pub(crate) async fn boots(store: &Store, who: DeviceRef, limit: u64) -> Result<Vec<Boot>, Error> {
    look(store, move |reader| {
        Ok(reader.boots(find(reader, who)?.id, limit)?)
    })
    .await
}

/// The config that is served to a device. It holds secrets.
pub(crate) async fn config(store: &Store, who: DeviceRef) -> Result<StoredConfig, Error> {
    look(store, move |reader| {
        let device = find(reader, who)?;
        reader.config(device.id)?.ok_or_else(|| Error::NotFound {
            what: "config: none is made for the device",
            name: format!("{who}, which is {}", device.approval.status()),
        })
    })
    .await
}

/// Reads on one view, with this crate's own refusals.
pub(crate) async fn look<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    store.read(Lane::Admin, move |reader| Ok(f(reader))).await?
}
