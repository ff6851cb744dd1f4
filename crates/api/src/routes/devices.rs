//! `/devices`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use model::Boot;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::body::{Asked, Body};
use crate::types::{
    ApproveDevice, ConfigDiff, ConfigOrigin, Device, DeviceSettings, GiveOrder, NewDevice,
    RegenerateProgress, Regenerated, Suggestions,
};
use crate::{Api, Error, base, device};

type Answer<T> = Result<Json<T>, Error>;

pub(crate) async fn list(
    State(api): State<Api>,
    Asked(query): Asked<device::ListQuery>,
) -> Answer<Vec<Device>> {
    device::list(&api.store, query).await.map(Json)
}

pub(crate) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Answer<Device> {
    device::show(&api.store, id.parse()?).await.map(Json)
}

pub(crate) async fn add(
    State(api): State<Api>,
    Caller(actor): Caller,
    Body(new): Body<NewDevice>,
) -> Result<(StatusCode, Json<Device>), Error> {
    let added = device::add(&api.store, actor, new, api.service.own_addresses()).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

pub(crate) async fn register(
    State(api): State<Api>,
    Caller(actor): Caller,
    Body(new): Body<NewDevice>,
) -> Result<(StatusCode, Json<Device>), Error> {
    let (device, is_new) =
        device::register(&api.store, actor, new, api.service.own_addresses()).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(device)))
}

pub(crate) async fn update(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Body(fields): Body<Map<String, Value>>,
) -> Answer<Device> {
    device::update(
        &api.store,
        actor,
        id.parse()?,
        fields,
        api.service.own_addresses(),
    )
    .await
    .map(Json)
}

pub(crate) async fn approve(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Body(with): Body<ApproveDevice>,
) -> Answer<Device> {
    device::approve(
        &api.store,
        actor,
        id.parse()?,
        with,
        api.service.own_addresses(),
    )
    .await
    .map(Json)
}

pub(crate) async fn reject(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<Device> {
    device::reject(&api.store, actor, id.parse()?)
        .await
        .map(Json)
}

pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    device::delete(&api.store, actor, id.parse()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn give_order(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Body(given): Body<GiveOrder>,
) -> Answer<Device> {
    device::give_order(&api.store, actor, id.parse()?, given.order)
        .await
        .map(Json)
}

pub(crate) async fn suggest(State(api): State<Api>, Path(id): Path<String>) -> Answer<Suggestions> {
    device::suggest(&api.store, id.parse()?, api.service.own_addresses())
        .await
        .map(Json)
}

/// How many boots are shown.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BootsQuery {
    limit: u64,
}

impl Default for BootsQuery {
    fn default() -> Self {
        Self { limit: 20 }
    }
}

pub(crate) async fn boots(
    State(api): State<Api>,
    Path(id): Path<String>,
    Asked(query): Asked<BootsQuery>,
) -> Answer<Vec<Boot>> {
    device::boots(&api.store, id.parse()?, query.limit)
        .await
        .map(Json)
}

pub(crate) async fn config(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let config = device::config(&api.store, id.parse()?).await?;
    Ok(yaml(config.bytes))
}

/// A file that holds secrets.
pub(super) fn yaml(bytes: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/x-yaml"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, bytes).into_response()
}

pub(crate) async fn preview(
    State(api): State<Api>,
    Path(id): Path<String>,
    Asked(query): Asked<device::PreviewQuery>,
) -> Result<Response, Error> {
    let own = api.service.own_addresses();
    let text = device::preview(&api.store, id.parse()?, query, own).await?;
    Ok(yaml(text))
}

pub(crate) async fn diff(State(api): State<Api>, Path(id): Path<String>) -> Answer<ConfigDiff> {
    device::diff(&api.store, id.parse()?).await.map(Json)
}

pub(crate) async fn explain(
    State(api): State<Api>,
    Path(id): Path<String>,
    Asked(query): Asked<device::ExplainQuery>,
) -> Answer<Vec<ConfigOrigin>> {
    let own = api.service.own_addresses();
    device::explain(&api.store, id.parse()?, query.path, own)
        .await
        .map(Json)
}

pub(crate) async fn settings(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Answer<DeviceSettings> {
    device::settings(&api.store, id.parse()?).await.map(Json)
}

pub(crate) async fn change_settings(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Body(fields): Body<Map<String, Value>>,
) -> Answer<DeviceSettings> {
    device::change_settings(&api.store, actor, id.parse()?, fields)
        .await
        .map(Json)
}

pub(crate) async fn progress(State(api): State<Api>) -> Json<RegenerateProgress> {
    Json(api.progress.look())
}

pub(crate) async fn regenerate(
    State(api): State<Api>,
    Caller(actor): Caller,
) -> Answer<Regenerated> {
    base::regenerate(&api.store, &api.progress, actor, api.base_folder)
        .await
        .map(Json)
}
