//! `/`: what happens now.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{ApprovalStatus, Timestamp};
use serde::Serialize;
use store::{DeviceFilter, EventFilter, Reader};

use super::page::{Ask, render};
use super::picture::BootPicture;
use crate::device::{look, shown};
use crate::types::{Device, Event, Status};
use crate::{Api, Error, status};

/// How many rows each list has.
const ROWS: u64 = 10;
/// How many of the newest boots are looked through for those under way and those that failed.
const BOOTS: u64 = 300;
/// What failed longer ago is history.
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Serialize)]
struct Overview {
    status: Status,
    waiting: Vec<Row>,
    /// Those that need a person, and how many there are in all.
    needy: Vec<Row>,
    needy_in_all: u64,
    booting: Vec<Row>,
    failed: Vec<Row>,
    events: Vec<EventLine>,
}

/// A device and its last boot.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) device: Device,
    pub(super) boot: Option<BootPicture>,
}

impl Row {
    /// A device with its last boot.
    pub(super) fn read(
        reader: &Reader<'_>,
        device: model::Device,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let boots = reader.boots(device.id, 1)?;
        Ok(Self {
            boot: boots.first().map(|boot| BootPicture::new(boot, now)),
            device: shown(reader, device)?,
        })
    }
}

/// An event as the pages show it.
#[derive(Serialize)]
pub(super) struct EventLine {
    #[serde(flatten)]
    event: Event,
    /// The person who did it, if one did.
    person: Option<String>,
}

impl EventLine {
    /// The person who changed something, if it tells of a change of fields.
    pub(super) fn changer(&self) -> Option<&str> {
        let person = self.person.as_deref();
        person.filter(|_| !self.event.event.changes.is_empty())
    }
}

impl From<model::Event> for EventLine {
    fn from(event: model::Event) -> Self {
        Self {
            person: match &event.actor {
                model::Actor::Person(name) => Some(name.clone()),
                _ => None,
            },
            event: event.into(),
        }
    }
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let status = status::status(&api).await?;
    let now = api.gate.now();
    let (waiting, (needy, needy_in_all), (booting, failed), events) =
        look(&api.store, move |reader| {
            Ok((
                waiting(reader, now)?,
                needy(reader, now)?,
                under_way(reader, now)?,
                latest(reader)?,
            ))
        })
        .await?;
    let view = Overview {
        status,
        waiting,
        needy,
        needy_in_all,
        booting,
        failed,
        events,
    };
    render(&api, &ask, ("overview.html", "/"), StatusCode::OK, &view).await
}

fn waiting(reader: &Reader<'_>, now: Timestamp) -> Result<Vec<Row>, Error> {
    let filter = DeviceFilter {
        status: Some(ApprovalStatus::Pending),
        limit: Some(ROWS),
        ..DeviceFilter::default()
    };
    let devices = reader.devices(&filter)?;
    devices
        .into_iter()
        .map(|device| Row::read(reader, device, now))
        .collect()
}

fn needy(reader: &Reader<'_>, now: Timestamp) -> Result<(Vec<Row>, u64), Error> {
    let filter = DeviceFilter {
        needs_person: true,
        limit: Some(ROWS),
        ..DeviceFilter::default()
    };
    let devices = reader.devices(&filter)?.into_iter();
    let rows = devices.map(|device| Row::read(reader, device, now));
    let rows: Vec<Row> = rows.collect::<Result<_, Error>>()?;
    let in_all = match rows.len() as u64 {
        few @ 0..ROWS => few,
        _ => reader.count_matching(&filter)?,
    };
    Ok((rows, in_all))
}

/// The devices whose last boot goes on, and those whose last boot failed within a day; the newest first.
fn under_way(reader: &Reader<'_>, now: Timestamp) -> Result<(Vec<Row>, Vec<Row>), Error> {
    let (mut booting, mut failed) = (Vec::new(), Vec::new());
    let mut known = Vec::new();
    for boot in reader.newest_boots(BOOTS)? {
        if known.contains(&boot.device) || now.since(boot.last_at) > DAY {
            continue;
        }
        known.push(boot.device);
        let Some(device) = reader.device(boot.device)? else {
            continue;
        };
        let row = Row::read(reader, device, now)?;
        match &row.boot {
            // Those that are held are under "waiting".
            Some(boot) if boot.moving && !boot.waits => booting.push(row),
            Some(boot) if boot.failed => failed.push(row),
            _ => {}
        }
    }
    Ok((booting, failed))
}

fn latest(reader: &Reader<'_>) -> Result<Vec<EventLine>, Error> {
    let filter = EventFilter {
        limit: 14,
        ..EventFilter::default()
    };
    Ok(reader
        .events(&filter)?
        .into_iter()
        .map(EventLine::from)
        .collect())
}
