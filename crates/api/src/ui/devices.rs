//! `/devices` and `/devices/new`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use form_urlencoded::Serializer;
use model::{ApprovalStatus, Role};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{DeviceFilter, Lane};

use super::fields::{Choice, Field, Fields};
use super::overview::Row;
use super::page::{Ask, done, render};
use super::post::Post;
use crate::types::{NewDevice, Status};
use crate::{Api, Error, body, device, status};

/// How many rows a page has.
const ROWS: u64 = 50;

#[derive(Serialize)]
struct Devices {
    status: Status,
    rows: Vec<Row>,
    total: u64,
    first: u64,
    last: u64,
    q: String,
    chosen: String,
    statuses: Vec<Choice>,
    is_filtered: bool,
    /// Whether rows can be ticked to be approved together.
    can_pick: bool,
    before: Option<String>,
    after: Option<String>,
}

pub(super) async fn list(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let query = ask.query();
    let (q, chosen) = (query.text("q").to_owned(), query.text("status").to_owned());
    let skip: u64 = query.text("skip").parse().unwrap_or(0);
    let filter = DeviceFilter {
        // A word that is no status finds all.
        status: chosen.parse::<ApprovalStatus>().ok(),
        search: (!q.is_empty()).then(|| q.clone()),
        skip,
        limit: Some(ROWS),
        ..DeviceFilter::default()
    };
    let is_filtered = filter.status.is_some() || filter.search.is_some();
    let now = api.gate.now();
    let (rows, total) = api
        .store
        .read(Lane::Admin, move |reader| {
            let total = reader.count_matching(&filter)?;
            let devices = reader.devices(&filter)?;
            let rows = devices
                .into_iter()
                .map(|device| Row::read(reader, device, now));
            Ok((rows.collect::<Result<Vec<Row>, store::Error>>()?, total))
        })
        .await?;
    let last = skip + rows.len() as u64;
    let page = |skip: u64| {
        let mut query = Serializer::new(String::new());
        for (name, value) in [("q", &q), ("status", &chosen)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("skip", &skip.to_string());
        format!("/devices?{}", query.finish())
    };
    let mut statuses = vec![Choice::new("", "Every state")];
    statuses.extend(Choice::words(ApprovalStatus::ALL));
    let view = Devices {
        status: status::status(&api.store, &api.service).await?,
        before: (skip > 0).then(|| page(skip.saturating_sub(ROWS))),
        after: (last < total).then(|| page(last)),
        can_pick: ask.visitor.may_operate
            && rows
                .iter()
                .any(|row| row.device.status != ApprovalStatus::Approved),
        rows,
        total,
        first: skip + 1,
        last,
        q,
        chosen,
        statuses,
        is_filtered,
    };
    render(
        &api,
        &ask,
        ("devices.html", "/devices"),
        StatusCode::OK,
        &view,
    )
    .await
}

#[derive(Serialize)]
struct New {
    form: Fields,
    wrong: Option<String>,
    roles: Vec<Choice>,
}

impl New {
    fn blank() -> Self {
        let names = [
            "mac_address",
            "hostname",
            "ip_address",
            "role",
            "install_disk",
            "notes",
        ];
        let mut roles = vec![Choice::new("", "Decide at the approval")];
        roles.extend(Choice::words(Role::ALL));
        Self {
            form: Fields::new(names.map(|name| (name, Field::default()))),
            wrong: None,
            roles,
        }
    }
}

pub(super) async fn blank(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    render(
        &api,
        &ask,
        ("device-new.html", "/devices"),
        StatusCode::OK,
        &New::blank(),
    )
    .await
}

pub(super) async fn add(State(api): State<Api>, ask: Ask, post: Post) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let mut new = Map::new();
    for name in [
        "mac_address",
        "hostname",
        "ip_address",
        "role",
        "install_disk",
        "notes",
    ] {
        let text = post.text(name);
        if !text.is_empty() || name == "mac_address" {
            new.insert(name.to_owned(), Value::from(text));
        }
    }
    let added = match body::read_value::<NewDevice>(new.into()) {
        Ok(new) => {
            let own = api.service.own_addresses();
            device::add(&api.store, ask.visitor.author(), new, own).await
        }
        Err(err) => Err(err),
    };
    match added {
        Ok(device) => Ok(done(&format!("/devices/{}", device.id), "added")),
        Err(err) => {
            let mut view = New::blank();
            view.form.typed(&post);
            view.wrong = view.form.refuse(err)?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            render(&api, &ask, ("device-new.html", "/devices"), status, &view).await
        }
    }
}
