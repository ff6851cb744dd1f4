//! `/network/settings` and `/cluster/base`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{BaseImport, BaseImported, NetworkAnswer, NetworkPatch};
use crate::version::{IfMatch, Version};
use crate::{Api, Error, base, settings};

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
    settings::change(&api.store, caller.author(), patch, expected)
        .await
        .map(versioned)
}

pub(crate) async fn import_base(
    State(api): State<Api>,
    caller: Caller,
    Body(given): Body<BaseImport>,
) -> Result<Json<BaseImported>, Error> {
    base::import(&api.store, caller.author(), given)
        .await
        .map(Json)
}
