//! `/events` and `/audit/logs`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use model::EventId;

use super::devices::paged;
use crate::auth::{Caller, Credential};
use crate::body::Asked;
use crate::event::EventQuery;
use crate::types::Event;
use crate::{Api, Error, event};

/// History as JSON; to a listener that accepts `text/event-stream`, what happens from now on.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(credential): Extension<Credential>,
    caller: Caller,
    headers: HeaderMap,
    Asked(query): Asked<EventQuery>,
) -> Result<Response, Error> {
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if !accepts.is_some_and(|accepts| accepts.contains("text/event-stream")) {
        let events = event::list(&api.store, query, false).await?;
        return Ok(page(events).into_response());
    }
    if let Some(field) = query.beside_after() {
        let why =
            "is no filter of live news, which tell all that happens; `after` alone goes with them";
        return Err(Error::invalid(field, why));
    }
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(EventId);
    let after = last.or(query.after);
    let gate = api.gate.clone();
    let news = api.live.listen(after, gate, &caller, credential).await?;
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
    ];
    // nginx would gather the news otherwise.
    let unbuffered = [("x-accel-buffering", "no")];
    Ok((headers, unbuffered, Body::from_stream(news)).into_response())
}

pub(crate) async fn audit(
    State(api): State<Api>,
    Asked(query): Asked<EventQuery>,
) -> Result<impl IntoResponse, Error> {
    event::list(&api.store, query, true).await.map(page)
}

/// Events, newest first; `Next-Cursor` is what to send as `before` to go on.
fn page((events, more): (Vec<Event>, bool)) -> impl IntoResponse {
    let next = events
        .last()
        .filter(|_| more)
        .map(|last| last.event.id.to_string());
    (paged(next, None), Json(events))
}
