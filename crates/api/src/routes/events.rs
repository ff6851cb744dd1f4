//! `/events` and `/audit/logs`.

use axum::Json;
use axum::extract::State;

use crate::body::Asked;
use crate::event::EventQuery;
use crate::types::Event;
use crate::{Api, Error, event};

pub(crate) async fn list(
    State(api): State<Api>,
    Asked(query): Asked<EventQuery>,
) -> Result<Json<Vec<Event>>, Error> {
    event::list(&api.store, query, false).await.map(Json)
}

pub(crate) async fn audit(
    State(api): State<Api>,
    Asked(query): Asked<EventQuery>,
) -> Result<Json<Vec<Event>>, Error> {
    event::list(&api.store, query, true).await.map(Json)
}
