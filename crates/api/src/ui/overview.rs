//! `/`: what happens now.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{DeviceId, Timestamp};
use serde::Serialize;
use store::{DeviceFilter, EventFilter, Newest, Reader};

use super::page::{Ask, render};
use super::picture::{self, BootPicture};
use crate::device::{look, shown_all};
use crate::status::{self, SILENT};
use crate::types::{Device, Event, Status};
use crate::{Api, Error};

/// How many rows each list has.
const ROWS: u64 = 10;
/// How many boots under way are listed, and how many that failed.
const BOOTS: u64 = 50;
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
    booting_in_all: u64,
    failed: Vec<Row>,
    failed_in_all: u64,
    events: Vec<EventLine>,
}

/// A device and its last boot.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) device: Device,
    pub(super) boot: Option<BootPicture>,
}

impl Row {
    /// Devices with their last boots.
    pub(super) fn read_all(
        reader: &Reader<'_>,
        devices: Vec<model::Device>,
        now: Timestamp,
    ) -> Result<Vec<Self>, Error> {
        let ids: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
        let boots = reader.last_boots(&ids)?;
        let row = |device: Device| Self {
            boot: boots
                .get(&device.id)
                .map(|boot| BootPicture::new(boot, now)),
            device,
        };
        Ok(shown_all(reader, devices)?.into_iter().map(row).collect())
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
    let (alive, today) = (now.minus(picture::SILENT), now.minus(DAY));
    let (
        waiting,
        (needy, needy_in_all),
        (booting, booting_in_all),
        (failed, failed_in_all),
        events,
    ) = look(&api.store, move |reader| {
        Ok((
            waiting(reader, now)?,
            needy(reader, now)?,
            of_boots(reader, reader.under_way(alive, today, BOOTS)?, now)?,
            of_boots(reader, reader.failed(alive, today, BOOTS)?, now)?,
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
        booting_in_all,
        failed,
        failed_in_all,
        events,
    };
    render(&api, &ask, ("overview.html", "/"), StatusCode::OK, &view).await
}

fn waiting(reader: &Reader<'_>, now: Timestamp) -> Result<Vec<Row>, Error> {
    Row::read_all(reader, reader.waiting(now.minus(SILENT), ROWS)?, now)
}

fn needy(reader: &Reader<'_>, now: Timestamp) -> Result<(Vec<Row>, u64), Error> {
    let filter = DeviceFilter {
        needs_person: true,
        limit: Some(ROWS),
        ..DeviceFilter::default()
    };
    let rows = Row::read_all(reader, reader.devices(&filter)?, now)?;
    let in_all = match rows.len() as u64 {
        few @ 0..ROWS => few,
        _ => reader.count_matching(&filter)?,
    };
    Ok((rows, in_all))
}

/// Some devices of many, in the order of their boots, and how many there are.
fn of_boots(reader: &Reader<'_>, newest: Newest, now: Timestamp) -> Result<(Vec<Row>, u64), Error> {
    let mut devices = Vec::new();
    for id in newest.devices {
        devices.extend(reader.device(id)?);
    }
    Ok((Row::read_all(reader, devices, now)?, newest.in_all))
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
