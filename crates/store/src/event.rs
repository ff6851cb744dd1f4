//! Events: what happened, appended in the transaction in which it happened.

use model::{Actor, Device, DeviceId, Event, EventId, EventKind, FieldChange, Timestamp};
use rusqlite::types::{Type, Value};
use rusqlite::{Row, params, params_from_iter};

use crate::row::{Cells, count, json};
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
    /// Only those of this actor.
    pub actor: Option<Actor>,
    /// Only those at or after this moment.
    pub since: Option<Timestamp>,
    /// Only those before this moment.
    pub until: Option<Timestamp>,
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
            actor: None,
            since: None,
            until: None,
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
    /// The number of the last event.
    pub fn last_event(&self) -> Result<Option<EventId>, Error> {
        self.one("SELECT max(id) FROM events", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.map(EventId))
        })
    }

    /// How many events of a kind are kept.
    pub fn count_events(&self, kind: &str) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM events WHERE kind = ?1";
        self.one(sql, [kind], |row| Cells::of(row).count())
    }

    /// One event, if it is still kept.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        let sql = "SELECT id, happened_at, actor, device_id, mac, came_from, changes, what FROM events WHERE id = ?1";
        self.maybe(sql, [id.0], read)
    }

    /// A list of events, newest first.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Error> {
        // A condition that is not asked for is left out, so that SQLite sees which index serves the rest.
        let mut sql =
            "SELECT id, happened_at, actor, device_id, mac, came_from, changes, what FROM events WHERE true".to_owned();
        let mut values = Vec::new();
        let asked = [
            (" AND id < ?", filter.before.map(|id| id.0.into())),
            (" AND id > ?", filter.after.map(|id| id.0.into())),
            (" AND device_id = ?", filter.device.map(|id| id.0.into())),
            (" AND kind = ?", filter.kind.clone().map(Value::from)),
            (
                " AND actor = ?",
                filter.actor.as_ref().map(|actor| actor.to_string().into()),
            ),
            (
                " AND happened_at >= ?",
                filter.since.map(|at| at.as_micros().into()),
            ),
            (
                " AND happened_at < ?",
                filter.until.map(|at| at.as_micros().into()),
            ),
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
        self.event_by(self.actor(), device, &what, &[])
    }

    /// The same, with what the fields were before and are since. Secrets must be masked in them.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an event is made where it is written, and callers read better without a borrow"
    )]
    pub fn event_of(
        &self,
        device: Option<&Device>,
        what: EventKind,
        changes: &[FieldChange],
    ) -> Result<EventId, Error> {
        self.event_by(self.actor(), device, &what, changes)
    }

    /// Appends an event by somebody else.
    pub(crate) fn event_by(
        &self,
        actor: &Actor,
        device: Option<&Device>,
        what: &EventKind,
        changes: &[FieldChange],
    ) -> Result<EventId, Error> {
        if let EventKind::ConfigFailed { .. } = what {
            self.touch(|change| change.config_failures += 1);
        }
        let told = json(what)?;
        let changes = (!changes.is_empty()).then(|| json(&changes)).transpose()?;
        self.run(
            "INSERT INTO events (happened_at, actor, device_id, mac, kind, what, came_from, changes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                self.now().as_micros(),
                actor.to_string(),
                device.map(|device| device.id.0),
                device.map(|device| device.mac.to_string()),
                what.word(),
                told,
                self.from(),
                changes,
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
        from: cells.get()?,
        changes: cells
            .get::<Option<String>>()?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|err| rusqlite::Error::FromSqlConversionFailure(6, Type::Text, err.into()))?
            .unwrap_or_default(),
        what: cells.json()?,
    })
}
