//! `/events`: what happened, and the audit of what persons did.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use form_urlencoded::Serializer;
use model::{Actor, EventId};
use serde::Serialize;
use store::{EventFilter, Lane};

use super::fields::Choice;
use super::overview::EventLine;
use super::page::{Ask, render};
use crate::device::{DeviceRef, number_of};
use crate::{Api, Error};

/// How many rows a page has.
const ROWS: u64 = 100;

/// The kinds that can be asked for, and what they are called.
const KINDS: [(&str, &str); 35] = [
    ("", "Every kind"),
    ("device_seen", "device seen"),
    ("device_added", "device added"),
    ("device_approved", "device approved"),
    ("device_rejected", "device rejected"),
    ("device_updated", "device changed"),
    ("device_deleted", "device deleted"),
    ("devices_forgotten", "devices forgotten"),
    ("order_given", "order given"),
    ("install_proven", "install proven"),
    ("install_failed", "install failed"),
    ("install_repeated", "install repeated"),
    ("wipe_asked", "wipe asked for"),
    ("wipe_ordered", "wipe ordered"),
    ("wipe_sent", "wipe sent"),
    ("wipe_proven", "wipe proven"),
    ("wipe_cancelled", "wipe called off"),
    ("wipe_expired", "wipe expired"),
    ("config_served", "config served"),
    ("config_refused", "config refused"),
    ("config_failed", "config failed"),
    ("regenerated", "regenerated"),
    ("settings_changed", "settings changed"),
    ("strict_mode_switched", "strict mode switched"),
    ("base_imported", "base imported"),
    ("base_generated", "base made"),
    ("cluster_settings_changed", "cluster settings changed"),
    ("secrets_made", "secrets made"),
    ("secrets_imported", "secrets imported"),
    ("secrets_exported", "secrets taken out"),
    ("patch_saved", "patch saved"),
    ("patch_deleted", "patch deleted"),
    ("asset_imported", "asset imported"),
    ("asset_removed", "asset removed"),
    ("file_missing", "file missing"),
];

#[derive(Serialize)]
struct View {
    events: Vec<EventLine>,
    device: String,
    kind: String,
    who: String,
    kinds: Vec<Choice>,
    audit: bool,
    is_filtered: bool,
    older: Option<String>,
    wrong: Option<&'static str>,
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let query = ask.query();
    let (device, kind) = (
        query.text("device").to_owned(),
        query.text("kind").to_owned(),
    );
    let actor = query.text("who").to_owned();
    let audit = query.text("by") == "person";
    let before: Option<EventId> = query.text("before").parse().ok().map(EventId);
    let who = (!device.is_empty()).then(|| device.parse::<DeviceRef>());
    let wrong = matches!(who, Some(Err(_)))
        .then_some("Name a device by its number, its MAC address or its host name.");
    let filter = EventFilter {
        before,
        kind: (!kind.is_empty()).then(|| kind.clone()),
        person_only: audit,
        // A name is one of a person.
        actor: (!actor.is_empty()).then(|| {
            let known = actor.parse::<Actor>().ok();
            known.unwrap_or_else(|| Actor::Person(actor.clone()))
        }),
        limit: ROWS,
        ..EventFilter::default()
    };
    let events = api
        .store
        .read(Lane::Admin, move |reader| {
            let device = match &who {
                None => None,
                Some(Ok(who)) => match number_of(reader, who)? {
                    Some(device) => Some(device),
                    None => return Ok(Vec::new()),
                },
                Some(Err(_)) => return Ok(Vec::new()),
            };
            reader.events(&EventFilter { device, ..filter })
        })
        .await?;
    let last = events
        .last()
        .map(|event| event.id)
        .filter(|_| events.len() as u64 == ROWS);
    let older = last.map(|last| {
        let mut query = Serializer::new(String::new());
        for (name, value) in [("device", &device), ("kind", &kind), ("who", &actor)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if audit {
            query.append_pair("by", "person");
        }
        query.append_pair("before", &last.to_string());
        format!("/events?{}", query.finish())
    });
    let view = View {
        events: events.into_iter().map(EventLine::from).collect(),
        is_filtered: !device.is_empty() || !kind.is_empty() || !actor.is_empty(),
        who: actor,
        device,
        kind,
        kinds: KINDS
            .iter()
            .map(|(word, label)| Choice::new(word, label))
            .collect(),
        audit,
        older,
        wrong,
    };
    render(
        &api,
        &ask,
        ("events.html", "/events"),
        StatusCode::OK,
        &view,
    )
    .await
}
