//! What happened.

use model::EventId;
use serde::Deserialize;
use store::{EventFilter, Lane, Store};

use crate::device::DeviceRef;
use crate::{Error, types};

/// Which events a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventQuery {
    /// Only those before this one.
    before: Option<EventId>,
    /// Only those after this one.
    after: Option<EventId>,
    /// Only those of this device, by number or MAC; a deleted one has its number only.
    device: Option<String>,
    /// Only those of this kind.
    kind: Option<String>,
    /// Shows so many at most, up to 1000.
    limit: Option<u64>,
}

/// The most events of one answer.
const MOST: u64 = 1000;

/// A list of events, newest first; with `person_only`, what persons did.
pub(crate) async fn list(
    store: &Store,
    query: EventQuery,
    person_only: bool,
) -> Result<Vec<types::Event>, Error> {
    let who = query
        .device
        .as_deref()
        .map(str::parse::<DeviceRef>)
        .transpose()
        .map_err(|_| {
            Error::invalid(
                "device",
                "is neither the number of a device nor a MAC address",
            )
        })?;
    let found = store
        .read(Lane::Admin, move |reader| {
            let mut filter = EventFilter {
                before: query.before,
                after: query.after,
                device: None,
                kind: query.kind,
                person_only,
                limit: query.limit.unwrap_or(100).min(MOST),
            };
            match who {
                None => {}
                Some(DeviceRef::Id(id)) => filter.device = Some(id),
                Some(DeviceRef::Mac(mac)) => match reader.device_by_mac(mac)? {
                    Some(device) => filter.device = Some(device.id),
                    None => return Ok(Vec::new()),
                },
            }
            reader.events(&filter)
        })
        .await?;
    Ok(found.into_iter().map(types::Event::from).collect())
}
