//! `/status`, `/healthz` and `/readyz`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::IntoResponse;
use tokio_util::io::ReaderStream;

use crate::auth::Caller;
use crate::types::Status;
use crate::{Api, Error, backup as archive, metrics as numbers, router, status};

pub(crate) async fn status(State(api): State<Api>) -> Result<Json<Status>, Error> {
    status::status(&api).await.map(Json)
}

/// All that lasts, as one archive. It holds every secret.
pub(crate) async fn backup(
    State(api): State<Api>,
    caller: Caller,
) -> Result<impl IntoResponse, Error> {
    let (state_dir, now) = (api.state_dir.clone(), api.gate.now());
    let (file, bytes) = archive::take(&api.store, caller.author(), state_dir, now).await?;
    let headers = [
        (CONTENT_TYPE, "application/x-tar".to_owned()),
        (CONTENT_LENGTH, bytes.to_string()),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"ktizo-backup.tar\"".to_owned(),
        ),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), 1 << 16);
    Ok((headers, axum::body::Body::from_stream(stream)))
}

/// Numbers for Prometheus.
pub(crate) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Error> {
    let text = numbers::text(&api.store, api.service.samples()).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text))
}

/// Whether the process answers at all.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether a machine could be served; if not, each reason on a line.
pub(crate) async fn readyz(State(api): State<Api>) -> (StatusCode, String) {
    let reasons = status::reasons(&api).await;
    if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }
}

/// The OpenAPI document of this API.
pub(crate) async fn openapi() -> Json<serde_json::Value> {
    Json(router::openapi())
}
