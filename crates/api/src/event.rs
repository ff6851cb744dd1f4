//! What happened.

use model::{Actor, EventId, EventKind, Timestamp};
use serde::Deserialize;
use store::{EventFilter, Lane, Store};

use crate::device::{DeviceRef, number_of};
use crate::{Error, types};

/// Which events a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventQuery {
    /// Only those before this one.
    before: Option<EventId>,
    /// Only those after this one.
    pub(crate) after: Option<EventId>,
    /// Only those of this device, by number, MAC or host name; a deleted one has its number only.
    device: Option<String>,
    /// Only those of this kind.
    kind: Option<String>,
    /// Only those of this actor, such as `person:ada`.
    actor: Option<Actor>,
    /// Only those at or after this moment.
    since: Option<Timestamp>,
    /// Only those before this moment.
    until: Option<Timestamp>,
    /// Shows so many at most, up to 1000.
    limit: Option<u64>,
}

impl EventQuery {
    /// A filter that is given beside [`EventQuery::after`], if one is.
    pub(crate) fn beside_after(&self) -> Option<&'static str> {
        let given = [
            ("before", self.before.is_some()),
            ("device", self.device.is_some()),
            ("kind", self.kind.is_some()),
            ("actor", self.actor.is_some()),
            ("since", self.since.is_some()),
            ("until", self.until.is_some()),
            ("limit", self.limit.is_some()),
        ];
        given.into_iter().find(|(_, is)| *is).map(|(name, _)| name)
    }
}

/// The most events of one answer.
const MOST: u64 = 1000;

/// A list of events, newest first, and whether there are more; with `person_only`, what persons did.
pub(crate) async fn list(
    store: &Store,
    query: EventQuery,
    person_only: bool,
) -> Result<(Vec<types::Event>, bool), Error> {
    let who = query
        .device
        .as_deref()
        .map(str::parse::<DeviceRef>)
        .transpose()
        .map_err(|_| {
            Error::invalid(
                "device",
                "is neither the number of a device, a MAC address nor a host name",
            )
        })?;
    if let Some(kind) = query
        .kind
        .as_deref()
        .filter(|kind| !EventKind::WORDS.contains(kind))
    {
        let why = format!("`{kind}` is none of {}", EventKind::WORDS.join(", "));
        return Err(Error::invalid("kind", why));
    }
    let limit = query.limit.unwrap_or(100).min(MOST);
    let mut found = store
        .read(Lane::Admin, move |reader| {
            let mut filter = EventFilter {
                before: query.before,
                after: query.after,
                device: None,
                kind: query.kind,
                person_only,
                actor: query.actor,
                since: query.since,
                until: query.until,
                // One more tells whether there are more.
                limit: limit.saturating_add(1),
            };
            if let Some(who) = &who {
                filter.device = number_of(reader, who)?;
                if filter.device.is_none() {
                    return Ok(Vec::new());
                }
            }
            reader.events(&filter)
        })
        .await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found.into_iter().map(types::Event::from).collect(), more))
}
