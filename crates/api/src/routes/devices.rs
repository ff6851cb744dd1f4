//! `/devices`.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{Authority, Boot};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::body::{Asked, Body};
use crate::device::DeviceRef;
use crate::types::{
    ApproveDevice, BulkAction, BulkAnswer, BulkDevices, ConfigDiff, ConfigOrigin, DecideIdentity,
    Device, GiveOrder, KernelLog, NewDevice, RegenerateProgress, Regenerated, ScriptPreview,
    Suggestions, Vouch,
};
use crate::version::{IfMatch, Version};
use crate::{Api, Error, base, device};

type Answer<T> = Result<Json<T>, Error>;

/// A list; with a limit, `Next-Cursor` is what to send as `after` to go on.
pub(crate) async fn list(
    State(api): State<Api>,
    Asked(query): Asked<device::ListQuery>,
) -> Result<impl IntoResponse, Error> {
    let page = device::page(&api.store, query).await?;
    Ok((paged(page.next, Some(page.total)), Json(page.devices)))
}

/// The headers of a page.
pub(super) fn paged(next: Option<String>, total: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("next-cursor", next),
        ("total-count", total.map(|total| total.to_string())),
    ] {
        // Cursors are base64url, totals digits.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The device that the last part of a path names. It may be a host name that is a path of its own for another method.
pub(crate) struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let id = Option::<Path<String>>::from_request_parts(parts, state).await;
        let id = id.map_err(|err| Error::Malformed(err.to_string()))?;
        let last = || parts.uri.path().rsplit('/').next().unwrap_or_default();
        Ok(Self(id.map_or_else(|| last().to_owned(), |Path(id)| id)))
    }
}

pub(crate) async fn show(
    State(api): State<Api>,
    Named(id): Named,
) -> Result<impl IntoResponse, Error> {
    device::show(&api.store, id.parse()?).await.map(versioned)
}

/// A device with its version.
fn versioned(device: Device) -> impl IntoResponse {
    (Version::of_device(&device).header(), Json(device))
}

pub(crate) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<NewDevice>,
) -> Result<(StatusCode, Json<Device>), Error> {
    let added = device::add(
        &api.store,
        caller.author(),
        new,
        api.service.own_addresses(),
    )
    .await?;
    Ok((StatusCode::CREATED, Json(added)))
}

pub(crate) async fn register(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<NewDevice>,
) -> Result<(StatusCode, Json<Device>), Error> {
    let (device, is_new) = device::register(
        &api.store,
        caller.author(),
        new,
        api.service.own_addresses(),
    )
    .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(device)))
}

pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    expected: IfMatch,
    Body(fields): Body<Map<String, Value>>,
) -> Result<impl IntoResponse, Error> {
    device::update(
        &api.store,
        caller.author(),
        id.parse()?,
        fields,
        device::MadeFrom {
            device: expected,
            ..device::MadeFrom::default()
        },
        api.service.own_addresses(),
    )
    .await
    .map(versioned)
}

pub(crate) async fn approve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
    Body(with): Body<ApproveDevice>,
) -> Result<impl IntoResponse, Error> {
    let (who, author) = (id.parse()?, caller.author());
    let own = api.service.own_addresses();
    let device = device::approve(&api.store, author, who, with, expected, own).await?;
    Ok((Version::of_device(&device).header(), Json(device)))
}

pub(crate) async fn reject(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
) -> Result<impl IntoResponse, Error> {
    device::reject(&api.store, caller.author(), id.parse()?, expected)
        .await
        .map(versioned)
}

pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    expected: IfMatch,
) -> Result<StatusCode, Error> {
    device::delete(&api.store, caller.author(), id.parse()?, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn script(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Answer<ScriptPreview> {
    let device = device::show(&api.store, id.parse()?).await?;
    let mac = device.mac_address;
    api.next_boot.script(mac, api.gate.now()).await.map(Json)
}

pub(crate) async fn give_order(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
    Body(given): Body<GiveOrder>,
) -> Result<impl IntoResponse, Error> {
    device::give_order(&api.store, caller.author(), id.parse()?, given, expected)
        .await
        .map(versioned)
}

pub(crate) async fn decline_wipe(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
) -> Result<impl IntoResponse, Error> {
    device::decline_wipe(&api.store, caller.author(), id.parse()?, expected)
        .await
        .map(versioned)
}

pub(crate) async fn vouch(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
    Body(given): Body<Vouch>,
) -> Result<impl IntoResponse, Error> {
    device::vouch(
        &api.store,
        caller.author(),
        id.parse()?,
        given.proof,
        expected,
    )
    .await
    .map(versioned)
}

pub(crate) async fn decide_identity(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
    Body(asked): Body<DecideIdentity>,
) -> Result<impl IntoResponse, Error> {
    device::decide_identity(&api.store, caller.author(), id.parse()?, asked, expected)
        .await
        .map(versioned)
}

pub(crate) async fn renew_release(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
) -> Result<impl IntoResponse, Error> {
    device::renew_release(&api.store, caller.author(), id.parse()?, expected)
        .await
        .map(versioned)
}

pub(crate) async fn suggest(State(api): State<Api>, Path(id): Path<String>) -> Answer<Suggestions> {
    device::suggest(&api.store, id.parse()?, api.service.own_addresses())
        .await
        .map(Json)
}

/// How many boots are shown.
#[derive(Deserialize, utoipa::IntoParams)]
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
    let mut boots = device::boots(&api.store, id.parse()?, query.limit).await?;
    for boot in &mut boots {
        // Two servers may note what they saw in another order than it happened.
        boot.stages.sort_by_key(|stage| stage.at);
    }
    Ok(Json(boots))
}

pub(crate) async fn kernel_log(
    State(api): State<Api>,
    Path(id): Path<String>,
    Asked(query): Asked<device::LogQuery>,
) -> Answer<KernelLog> {
    device::kernel_log(&api.store, id.parse()?, query)
        .await
        .map(Json)
}

pub(crate) async fn config(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    device::export_config(&api.store, caller.author(), id.parse()?)
        .await
        .map(yaml)
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
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<device::PreviewQuery>,
) -> Result<Response, Error> {
    if query.secrets {
        caller.must(Authority::Admin)?;
    }
    let own = api.service.own_addresses();
    let who: DeviceRef = id.parse()?;
    let text = device::preview(&api.store, who.clone(), query, own).await?;
    if query.secrets {
        device::preview_shown(&api.store, caller.author(), who).await?;
    }
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
) -> Result<impl IntoResponse, Error> {
    let settings = device::settings(&api.store, id.parse()?).await?;
    Ok((Version::of(&settings).header(), Json(settings)))
}

pub(crate) async fn change_settings(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
    Body(fields): Body<Map<String, Value>>,
) -> Result<impl IntoResponse, Error> {
    let (who, author) = (id.parse()?, caller.author());
    let settings = device::change_settings(&api.store, author, who, fields, expected).await?;
    Ok((Version::of(&settings).header(), Json(settings)))
}

pub(crate) async fn progress(State(api): State<Api>) -> Json<RegenerateProgress> {
    Json(api.progress.look())
}

pub(crate) async fn regenerate(State(api): State<Api>, caller: Caller) -> Answer<Regenerated> {
    base::regenerate(&api.store, &api.progress, caller.author(), api.base_folder)
        .await
        .map(Json)
}

pub(crate) async fn bulk(
    State(api): State<Api>,
    caller: Caller,
    Body(asked): Body<BulkDevices>,
) -> Answer<BulkAnswer> {
    if asked.action == BulkAction::Delete {
        caller.must(Authority::Admin)?;
    }
    let own = api.service.own_addresses();
    device::bulk(&api.store, caller.author(), asked, own)
        .await
        .map(Json)
}
