//! `/network/settings` and `/cluster/base`.

use axum::Json;
use axum::extract::State;

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{BaseImport, BaseImported, NetworkAnswer, NetworkPatch};
use crate::{Api, Error, base, settings};

pub(crate) async fn show(State(api): State<Api>) -> Result<Json<NetworkAnswer>, Error> {
    settings::show(&api.store).await.map(Json)
}

pub(crate) async fn change(
    State(api): State<Api>,
    Caller(actor): Caller,
    Body(patch): Body<NetworkPatch>,
) -> Result<Json<NetworkAnswer>, Error> {
    settings::change(&api.store, actor, patch).await.map(Json)
}

pub(crate) async fn import_base(
    State(api): State<Api>,
    Caller(actor): Caller,
    Body(given): Body<BaseImport>,
) -> Result<Json<BaseImported>, Error> {
    base::import(&api.store, actor, given).await.map(Json)
}
