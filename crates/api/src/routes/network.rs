//! `/network/settings`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{NetworkAnswer, NetworkPatch};
use crate::version::{IfMatch, Version};
use crate::{Api, Error, settings};

pub(crate) async fn show(State(api): State<Api>) -> Result<impl IntoResponse, Error> {
    settings::show(&api.store).await.map(versioned)
}

/// The settings with their version.
fn versioned(answer: NetworkAnswer) -> impl IntoResponse {
    (Version::of(&answer.settings).header(), Json(answer))
}

pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    expected: IfMatch,
    Body(patch): Body<NetworkPatch>,
) -> Result<impl IntoResponse, Error> {
    settings::change(&api.store, &api.progress, caller.author(), patch, expected)
        .await
        .map(versioned)
}
