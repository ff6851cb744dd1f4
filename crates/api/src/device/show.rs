//! Looking at devices.

use data_encoding::BASE64URL_NOPAD;
use model::{ApprovalStatus, Arch, Author, Boot, DeviceId, EventKind, LabelFilter, Role};
use serde::Deserialize;
use serde_json::Value;
use store::{DeviceFilter, DeviceKey, DeviceSort, Lane, Reader, SortValue, Store, StoredConfig};

use super::{DeviceRef, called, find, shown, shown_all};
use crate::{Error, types};

/// Which devices a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Only those with this status.
    pub(crate) status: Option<ApprovalStatus>,
    /// Only those with this role.
    pub(crate) role: Option<Role>,
    /// Only those with this processor.
    pub(crate) arch: Option<Arch>,
    /// Only those with this label: `key`, whatever its value, or `key=value`.
    #[param(value_type = Option<String>)]
    pub(crate) label: Option<LabelFilter>,
    /// With `true` only those that need a person: their install failed, their wipe waits for a word, or it is undecided who they are.
    pub(crate) needs_person: bool,
    /// Only those that have this text somewhere.
    pub(crate) q: Option<String>,
    /// By which field the list is ordered; with `-` before it, the other way round.
    pub(crate) sort: Option<String>,
    /// Goes on where the page ended that named this.
    pub(crate) after: Option<String>,
    /// Leaves out so many at the beginning.
    pub(crate) skip: u64,
    /// Shows so many at most; all without it.
    pub(crate) limit: Option<u64>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The devices.
    pub(crate) devices: Vec<types::Device>,
    /// What to ask for to go on; `None` at the end.
    pub(crate) next: Option<String>,
    /// How many devices the list has in all.
    pub(crate) total: u64,
}

/// The words for the orders of a list.
pub(crate) const SORTS: [(&str, DeviceSort); 8] = [
    ("id", DeviceSort::Id),
    ("mac_address", DeviceSort::Mac),
    ("hostname", DeviceSort::Hostname),
    ("ip_address", DeviceSort::Address),
    ("status", DeviceSort::Status),
    ("role", DeviceSort::Role),
    ("last_seen", DeviceSort::LastSeen),
    ("updated_at", DeviceSort::UpdatedAt),
];

/// A page of a list of devices, ordered by number if no other order is asked for.
pub(crate) async fn page(store: &Store, query: ListQuery) -> Result<Page, Error> {
    let word = query.sort.as_deref().unwrap_or("id");
    let (word, descending) = match word.strip_prefix('-') {
        Some(word) => (word, true),
        None => (word, false),
    };
    let sort = SORTS.iter().find(|(known, _)| *known == word);
    let Some((word, sort)) = sort else {
        let known = SORTS.map(|(known, _)| known).join(", ");
        return Err(Error::invalid(
            "sort",
            format!("must be one of {known}, with - before it for the other way round"),
        ));
    };
    let after = query
        .after
        .as_deref()
        .map(|text| Cursor::read(text, word, descending))
        .transpose()?;
    let filter = DeviceFilter {
        status: query.status,
        role: query.role,
        arch: query.arch,
        label: query.label,
        needs_person: query.needs_person,
        search: query.q,
        sort: *sort,
        newest_boot_first: false,
        descending,
        after,
        skip: query.skip,
        // One more tells whether there is a next page.
        limit: query.limit.map(|limit| limit.saturating_add(1)),
    };
    let limit = query
        .limit
        .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    look(store, move |reader| {
        let mut found = reader.devices(&filter)?;
        let mut next = None;
        if let Some(limit) = limit.filter(|limit| found.len() > *limit) {
            found.truncate(limit);
            next = found
                .last()
                .map(|last| Cursor::write(word, descending, &sort.key(last)));
        }
        Ok(Page {
            devices: shown_all(reader, found)?,
            next,
            total: reader.count_matching(&filter)?,
        })
    })
    .await
}

/// A place in an order, as text that callers do not look into: order, direction, key and number.
struct Cursor;

impl Cursor {
    fn write(sort: &str, descending: bool, key: &DeviceKey) -> String {
        let value = match &key.value {
            SortValue::Number(number) => Value::from(*number),
            SortValue::Text(text) => Value::from(text.as_str()),
        };
        let cursor = serde_json::json!([sort, descending, value, key.id.0]);
        BASE64URL_NOPAD.encode(cursor.to_string().as_bytes())
    }

    fn read(text: &str, sort: &str, descending: bool) -> Result<DeviceKey, Error> {
        let wrong = || {
            Error::invalid(
                "after",
                "is not what a page of this list in this order has named as its next",
            )
        };
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| wrong())?;
        let (of, way, value, id): (String, bool, Value, i64) =
            serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let value = match value {
            Value::String(text) => SortValue::Text(text),
            other => SortValue::Number(other.as_i64().ok_or_else(wrong)?),
        };
        if of != sort || way != descending {
            return Err(wrong());
        }
        Ok(DeviceKey {
            value,
            id: DeviceId(id),
        })
    }
}

/// One device.
pub(crate) async fn show(store: &Store, who: DeviceRef) -> Result<types::Device, Error> {
    look(store, move |reader| shown(reader, find(reader, &who)?)).await
}

/// The last boots of a device with their stages, newest first.
pub(crate) async fn boots(store: &Store, who: DeviceRef, limit: u64) -> Result<Vec<Boot>, Error> {
    look(store, move |reader| {
        Ok(reader.boots(find(reader, &who)?.id, limit)?)
    })
    .await
}

/// The config that is served to a device. It holds secrets.
pub(crate) async fn config(store: &Store, who: DeviceRef) -> Result<StoredConfig, Error> {
    look(store, move |reader| {
        let device = find(reader, &who)?;
        reader.config(device.id)?.ok_or_else(|| Error::NotFound {
            what: "config: none is made for the device",
            name: format!("{}, which is {}", who.in_words(), device.approval.status()),
        })
    })
    .await
}

/// The same for a person, who sees the secrets, and it is written down.
pub(crate) async fn export_config(
    store: &Store,
    author: Author,
    who: DeviceRef,
) -> Result<Vec<u8>, Error> {
    let config = config(store, who).await?;
    exported(store, author, config.device).await?;
    Ok(config.bytes)
}

/// Writes down that a person saw the config of a device with its secrets.
pub(super) async fn exported(store: &Store, author: Author, id: DeviceId) -> Result<(), Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let device = writer.device(id)?;
            let file = match &device {
                Some(device) => format!("the config of {}", called(device)),
                None => "the config of a device".to_owned(),
            };
            writer.event(device.as_ref(), EventKind::SecretsExported { file })?;
            Ok(())
        })
        .await
}

/// Reads on one view, with this crate's own refusals.
pub(crate) async fn look<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    store.read(Lane::Admin, move |reader| Ok(f(reader))).await?
}
