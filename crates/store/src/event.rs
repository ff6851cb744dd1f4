//! Events: what happened, appended in the transaction in which it happened.

use model::{Actor, Device, DeviceId, Event, EventId, EventKind};
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use crate::row::{Cells, count};
use crate::{Error, Reader, Writer};

/// Which events a list shows, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those before this one.
    pub before: Option<EventId>,
    /// Only those after this one.
    pub after: Option<EventId>,
    /// Only those of this device, also after it was deleted.
    pub device: Option<DeviceId>,
    /// Only those of this kind, by its word such as `device_approved`.
    pub kind: Option<String>,
    /// Only what persons did.
    pub person_only: bool,
    /// Shows so many at most.
    pub limit: u64,
}

impl Default for EventFilter {
    /// The last hundred of all.
    fn default() -> Self {
        Self {
            before: None,
            after: None,
            device: None,
            kind: None,
            person_only: false,
            limit: 100,
        }
    }
}

/// Old events of machines are dropped after so many new events of any kind.
const TRIM_EVERY: i64 = 1024;

/// ?1 how many stay.
const TRIM: &str = "
    DELETE FROM events
    WHERE actor NOT GLOB 'person:*'
      AND id <= (SELECT id FROM events WHERE actor NOT GLOB 'person:*' ORDER BY id DESC LIMIT 1 OFFSET ?1)";

impl Reader<'_> {
    /// A list of events, newest first.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Error> {
        // A condition that is not asked for is left out, so that SQLite sees which index serves the rest.
        let mut sql =
            "SELECT id, happened_at, actor, device_id, mac, what FROM events WHERE true".to_owned();
        let mut values = Vec::new();
        let asked = [
            (" AND id < ?", filter.before.map(|id| id.0.into())),
            (" AND id > ?", filter.after.map(|id| id.0.into())),
            (" AND device_id = ?", filter.device.map(|id| id.0.into())),
            (" AND kind = ?", filter.kind.clone().map(Value::from)),
        ];
        for (condition, value) in asked {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value);
            }
        }
        if filter.person_only {
            sql.push_str(" AND actor GLOB 'person:*'");
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(count(filter.limit).into());
        self.all(&sql, params_from_iter(values), read)
    }
}

impl Writer<'_> {
    /// Appends an event by the author of the change. Now and then this drops events of machines beyond the number that is kept.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an event is made where it is written, and callers read better without a borrow"
    )]
    pub fn event(&self, device: Option<&Device>, what: EventKind) -> Result<EventId, Error> {
        self.event_by(self.actor(), device, &what)
    }

    /// Appends an event by somebody else.
    pub(crate) fn event_by(
        &self,
        actor: &Actor,
        device: Option<&Device>,
        what: &EventKind,
    ) -> Result<EventId, Error> {
        let json = serde_json::to_string(what).map_err(|err| Error::Refused(err.to_string()))?;
        self.run(
            "INSERT INTO events (happened_at, actor, device_id, mac, kind, what) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                self.now().as_micros(),
                actor.to_string(),
                device.map(|device| device.id.0),
                device.map(|device| device.mac.to_string()),
                what.word(),
                json,
            ],
        )?;
        let id = EventId(self.conn.last_insert_rowid());
        self.touch(|change| change.last_event = Some(id));
        if id.0 % TRIM_EVERY == 0 {
            self.run(TRIM, [count(self.options.machine_events)])?;
        }
        Ok(id)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Event> {
    let mut cells = Cells::of(row);
    Ok(Event {
        id: EventId(cells.get()?),
        at: cells.at()?,
        actor: cells.parse()?,
        device: cells.get::<Option<i64>>()?.map(DeviceId),
        mac: cells.parse_or_null()?,
        what: cells.json()?,
    })
}
