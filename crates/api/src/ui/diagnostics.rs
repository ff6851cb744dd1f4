//! `/diagnostics`: what is served where, and what is wrong.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::page::{Ask, render};
use crate::types::Status;
use crate::{Api, Error, status};

#[derive(Serialize)]
struct View {
    status: Status,
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let view = View {
        status: status::status(&api.store, &api.service).await?,
    };
    render(
        &api,
        &ask,
        ("diagnostics.html", "/diagnostics"),
        StatusCode::OK,
        &view,
    )
    .await
}
