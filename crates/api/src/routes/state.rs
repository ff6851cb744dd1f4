//! `/status`, `/healthz` and `/readyz`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::types::Status;
use crate::{Api, Error, status};

pub(crate) async fn status(State(api): State<Api>) -> Result<Json<Status>, Error> {
    status::status(&api.store, &api.service).await.map(Json)
}

/// Whether the process answers at all.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether a machine could be served; if not, each reason on a line.
pub(crate) async fn readyz(State(api): State<Api>) -> (StatusCode, String) {
    let reasons = match status::status(&api.store, &api.service).await {
        Ok(status) => [status.service.problems, status.missing].concat(),
        Err(err) => vec![err.to_string()],
    };
    if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }
}
