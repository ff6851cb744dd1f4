//! What a form was made from, and what became of that since.

use model::{Actor, DeviceId, EventId, EventKind};
use serde::Serialize;
use store::{EventFilter, Lane};

use super::post::Post;
use crate::types::{Device, Event};
use crate::{Api, Error, IfMatch, Version};

/// What a person has seen who sends a form of a device.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    /// The version of the device.
    version: String,
    /// The number of the last event there was; empty if there was none.
    event: String,
}

/// The last event there is, to be read before what a page shows.
pub(super) async fn last_event(api: &Api) -> Result<Option<EventId>, Error> {
    let read = api
        .store
        .read(Lane::Admin, |reader| reader.last_event())
        .await;
    Ok(read?)
}

impl Seen {
    /// What a page shows of a device.
    pub(super) fn new(device: &Device, last: Option<EventId>) -> Self {
        Self {
            version: Version::of_device(device).to_string(),
            event: last.map(|id| id.to_string()).unwrap_or_default(),
        }
    }
}

/// The version that a form was made from.
pub(super) fn expected(post: &Post) -> IfMatch {
    IfMatch::from_form(post.text("seen"))
}

/// How many changes are named.
const NAMED: usize = 5;

/// What was decided of a device, and what came of it, after the last event that the author of a form saw, the newest first.
pub(super) async fn changes_since(
    api: &Api,
    device: DeviceId,
    post: &Post,
) -> Result<String, Error> {
    let filter = EventFilter {
        after: post.text("seen_event").parse().ok().map(EventId),
        device: Some(device),
        limit: 100,
        ..EventFilter::default()
    };
    let events = api
        .store
        .read(Lane::Admin, move |reader| reader.events(&filter))
        .await?;
    let told: Vec<String> = events.into_iter().filter_map(told).take(NAMED).collect();
    Ok(match told.is_empty() {
        true => "somebody changed it".to_owned(),
        false => told.join("; "),
    })
}

/// An event that makes another version of a device, in a sentence.
fn told(event: model::Event) -> Option<String> {
    let by_itself = matches!(
        event.what,
        EventKind::WipeSent
            | EventKind::WipeExpired
            | EventKind::WipeProven { .. }
            | EventKind::InstallProven { .. }
    );
    let person = match &event.actor {
        Actor::Person(name) => Some(name.clone()),
        _ => None,
    };
    let event = Event::from(event);
    match person {
        Some(person) => Some(format!("{person}: {}", event.message)),
        None => by_itself.then_some(event.message),
    }
}
