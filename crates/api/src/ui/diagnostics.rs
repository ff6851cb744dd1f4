//! `/diagnostics`: what is served where, and what is wrong.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use store::{EventFilter, Lane};

use super::overview::EventLine;
use super::page::{Ask, render};
use super::refusals::{Refusal, refusals};
use crate::types::Status;
use crate::{Api, Error, status};

#[derive(Serialize)]
struct View {
    status: Status,
    refusals: Vec<Refusal>,
    /// What went wrong lately.
    troubles: Vec<EventLine>,
}

/// The kinds of events that tell of something that went wrong.
const TROUBLES: [&str; 4] = [
    "config_failed",
    "config_refused",
    "file_missing",
    "sign_in_refused",
];
/// How many of each kind are looked through, and how many are shown together.
const SHOWN: usize = 12;

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let troubles = api
        .store
        .read(Lane::Admin, |reader| {
            let mut found = Vec::new();
            for kind in TROUBLES {
                found.extend(reader.events(&EventFilter {
                    kind: Some(kind.to_owned()),
                    limit: SHOWN as u64,
                    ..EventFilter::default()
                })?);
            }
            found.sort_by_key(|event| std::cmp::Reverse(event.id));
            found.truncate(SHOWN);
            Ok(found)
        })
        .await?;
    let view = View {
        status: status::status(&api).await?,
        refusals: refusals(&api.service.samples()),
        troubles: troubles.into_iter().map(EventLine::from).collect(),
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
