//! `/cluster`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use model::Role;
use serde::Deserialize;

use super::devices::yaml;
use crate::auth::Caller;
use crate::body::{Asked, Body};
use crate::types::{
    BaseImport, BaseImported, Cluster, ClusterAnswer, ClusterGenerated, ClusterPatch,
    GenerateCluster, SecretsImport, SecretsImported,
};
use crate::version::{IfMatch, Version};
use crate::{Api, Error, base, cluster};

type Answer<T> = Result<Json<T>, Error>;

pub(crate) async fn show(State(api): State<Api>) -> Answer<Cluster> {
    cluster::show(&api.store).await.map(Json)
}

pub(crate) async fn settings(State(api): State<Api>) -> Result<impl IntoResponse, Error> {
    cluster::settings(&api.store).await.map(versioned)
}

/// The settings with their version.
fn versioned(answer: ClusterAnswer) -> impl IntoResponse {
    (Version::of(&answer.settings).header(), Json(answer))
}

pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    expected: IfMatch,
    Body(patch): Body<ClusterPatch>,
) -> Result<impl IntoResponse, Error> {
    cluster::change(
        &api.store,
        &api.progress,
        &*api.clock,
        caller.author(),
        patch,
        expected,
    )
    .await
    .map(versioned)
}

pub(crate) async fn generate(
    State(api): State<Api>,
    caller: Caller,
    Body(asked): Body<GenerateCluster>,
) -> Answer<ClusterGenerated> {
    cluster::generate(
        &api.store,
        &api.progress,
        &*api.clock,
        caller.author(),
        asked,
    )
    .await
    .map(Json)
}

pub(crate) async fn import_base(
    State(api): State<Api>,
    caller: Caller,
    Body(given): Body<BaseImport>,
) -> Answer<BaseImported> {
    base::import(&api.store, &api.progress, caller.author(), given)
        .await
        .map(Json)
}

pub(crate) async fn export_base(
    State(api): State<Api>,
    caller: Caller,
    Path(role): Path<String>,
) -> Result<Response, Error> {
    let role: Role = role
        .parse()
        .map_err(|err: model::ParseError| Error::invalid("role", err.to_string()))?;
    cluster::export_base(&api.store, caller.author(), role)
        .await
        .map(yaml)
}

pub(crate) async fn import_secrets(
    State(api): State<Api>,
    caller: Caller,
    Body(given): Body<SecretsImport>,
) -> Answer<SecretsImported> {
    cluster::import(&api.store, &api.progress, caller.author(), given)
        .await
        .map(Json)
}

/// Which bundle is taken out.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SecretsQuery {
    /// The number of one that was replaced.
    backup: Option<i64>,
}

pub(crate) async fn export_secrets(
    State(api): State<Api>,
    caller: Caller,
    Asked(query): Asked<SecretsQuery>,
) -> Result<Response, Error> {
    cluster::export(&api.store, caller.author(), query.backup)
        .await
        .map(yaml)
}

pub(crate) async fn talosconfig(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    cluster::talosconfig(&api.store, &*api.clock, caller.author())
        .await
        .map(yaml)
}
