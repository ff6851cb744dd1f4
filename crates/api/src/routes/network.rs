//! `/network/settings`.

use axum::Json;
use axum::extract::State;

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{NetworkAnswer, NetworkPatch};
use crate::{Api, Error, settings};

pub(crate) async fn show(State(api): State<Api>) -> Result<Json<NetworkAnswer>, Error> {
    settings::show(&api.store).await.map(Json)
}

pub(crate) async fn change(
    State(api): State<Api>,
    Caller(actor): Caller,
    Body(patch): Body<NetworkPatch>,
) -> Result<Json<NetworkAnswer>, Error> {
    settings::change(&api.store, &api.progress, actor, patch)
        .await
        .map(Json)
}
