//! What a form was made from, and what became of that since.

use model::{Actor, DeviceId, EventId, EventKind, PersonName};
use serde::Serialize;
use store::{EventFilter, Lane};

use super::post::Post;
use crate::types::{Device, Event, User};
use crate::{Api, Error, IfMatch, Version, people};

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
    /// A version of something, and the last event there was.
    pub(super) fn of(version: &Version, last: Option<EventId>) -> Self {
        Self {
            version: version.to_string(),
            event: last.map(|id| id.to_string()).unwrap_or_default(),
        }
    }

    /// What a page shows of a device.
    pub(super) fn new(device: &Device, last: Option<EventId>) -> Self {
        Self::of(&Version::of_device(device), last)
    }
}

/// The version that a form was made from.
pub(super) fn expected(post: &Post) -> IfMatch {
    IfMatch::from_form(post.text("seen"))
}

/// A user as a page shows it.
#[derive(Debug, Serialize)]
pub(super) struct SeenUser {
    #[serde(flatten)]
    user: User,
    seen: Seen,
}

impl SeenUser {
    /// A user, and the last event there was.
    pub(super) fn new(user: User, last: Option<EventId>) -> Self {
        let seen = Seen::of(&people::version(&user), last);
        Self { user, seen }
    }
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
        device: Some(device),
        ..EventFilter::default()
    };
    named(api, filter, post, |_| true).await
}

/// The same of a user.
pub(super) async fn changes_of_user_since(
    api: &Api,
    user: PersonName,
    post: &Post,
) -> Result<String, Error> {
    named(
        api,
        EventFilter::default(),
        post,
        move |event| match &event.what {
            EventKind::UserChanged { name, .. } | EventKind::UserAdded { name, .. } => {
                *name == user
            }
            _ => false,
        },
    )
    .await
}

async fn named(
    api: &Api,
    filter: EventFilter,
    post: &Post,
    concerns: impl Fn(&model::Event) -> bool,
) -> Result<String, Error> {
    let filter = EventFilter {
        after: post.text("seen_event").parse().ok().map(EventId),
        limit: 100,
        ..filter
    };
    let events = api
        .store
        .read(Lane::Admin, move |reader| reader.events(&filter))
        .await?;
    let told: Vec<String> = events
        .into_iter()
        .filter(|event| concerns(event))
        .filter_map(told)
        .take(NAMED)
        .collect();
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
