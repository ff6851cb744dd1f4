//! Lists of devices: which of them, and in which order.

use model::{ApprovalStatus, Arch, Device, DeviceId, LabelFilter, Role, Timestamp};
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::device::{SELECT, read};
use crate::row::{Cells, count, text};
use crate::{Error, Reader};

/// Which devices a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Only those with this status.
    pub status: Option<ApprovalStatus>,
    /// Only those with this role.
    pub role: Option<Role>,
    /// Only those with this processor.
    pub arch: Option<Arch>,
    /// Only those with this label.
    pub label: Option<LabelFilter>,
    /// Only those that have this text somewhere in their MAC (in any spelling), name, address, serial, vendor, model, notes or labels.
    /// Letters match in either case.
    pub search: Option<String>,
    /// Only those that need a person: their install failed, their wipe waits for a word, or it is undecided who they are.
    pub needs_person: bool,
    /// In which order.
    pub sort: DeviceSort,
    /// Those whose last boot began last come first, instead of that order; not together with `after`.
    pub newest_boot_first: bool,
    /// The other way round.
    pub descending: bool,
    /// Only those that come after this one in that order.
    pub after: Option<DeviceKey>,
    /// Leaves out so many at the beginning.
    pub skip: u64,
    /// Shows so many at most.
    pub limit: Option<u64>,
}

/// The order of a list. What is equal in it is ordered by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceSort {
    /// By number.
    #[default]
    Id,
    /// By boot MAC.
    Mac,
    /// By name; those without one come first, as everywhere here.
    Hostname,
    /// By address, as a number.
    Address,
    /// By status.
    Status,
    /// By role.
    Role,
    /// By when it was last heard of.
    LastSeen,
    /// By when it was last changed.
    UpdatedAt,
}

/// The place of a device in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// What it is ordered by.
    pub value: SortValue,
    /// Its number.
    pub id: DeviceId,
}

/// What a device is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortValue {
    /// A number, or a moment.
    Number(i64),
    /// A text.
    Text(String),
}

impl DeviceSort {
    /// The order in SQL; never NULL, and the same as [`Self::key`].
    const fn sql(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Mac => "mac",
            Self::Hostname => "coalesce(hostname, '')",
            // The four numbers of an address, which SQLite has no other function for.
            Self::Address => {
                "coalesce(
                    (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[0]') << 24)
                    + (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[1]') << 16)
                    + (json_extract('[' || replace(ip_address, '.', ',') || ']', '$[2]') << 8)
                    + json_extract('[' || replace(ip_address, '.', ',') || ']', '$[3]'), -1)"
            }
            Self::Status => "status",
            Self::Role => "coalesce(role, '')",
            Self::LastSeen => "coalesce(last_seen_at, -1)",
            Self::UpdatedAt => "updated_at",
        }
    }

    /// The place of a device in this order.
    pub fn key(self, device: &Device) -> DeviceKey {
        let moment = |at: Option<Timestamp>| SortValue::Number(at.map_or(-1, Timestamp::as_micros));
        let value = match self {
            Self::Id => SortValue::Number(device.id.0),
            Self::Mac => SortValue::Text(device.mac.to_string()),
            Self::Hostname => SortValue::Text(text(device.hostname.as_ref()).unwrap_or_default()),
            Self::Address => SortValue::Number(
                device
                    .ip_address
                    .map_or(-1, |address| i64::from(u32::from(address))),
            ),
            Self::Status => SortValue::Text(device.approval.status().to_string()),
            Self::Role => SortValue::Text(text(device.role.as_ref()).unwrap_or_default()),
            Self::LastSeen => moment(device.last_seen),
            Self::UpdatedAt => moment(Some(device.updated_at)),
        };
        DeviceKey {
            value,
            id: device.id,
        }
    }
}

/// Boots are numbered as they begin.
const NEWEST_BOOT: &str =
    "(SELECT coalesce(max(boots.id), 0) FROM boots WHERE device_id = devices.id)";

/// ?1 status, ?2 pattern for texts, ?3 pattern for the MAC with colons, ?4 pattern for the MAC without any, ?5 role, ?6 processor,
/// ?7 key of a label, ?8 its value, ?9 anything for those that need a person, ?10 pattern for what the labels hold of the text at least.
const MATCHING: &str = " FROM devices
      WHERE (?1 IS NULL OR status = ?1)
        AND (?2 IS NULL
             OR mac LIKE ?3 OR replace(mac, ':', '') LIKE ?4
             OR hostname LIKE ?2 ESCAPE '\\' OR ip_address LIKE ?2 ESCAPE '\\' OR serial LIKE ?2 ESCAPE '\\'
             OR vendor LIKE ?2 ESCAPE '\\' OR model LIKE ?2 ESCAPE '\\' OR notes LIKE ?2 ESCAPE '\\'
             OR labels LIKE ?10 ESCAPE '\\'
                AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key || '=' || label.value LIKE ?2 ESCAPE '\\'))
        AND (?5 IS NULL OR role = ?5)
        AND (?6 IS NULL OR arch = ?6)
        AND (?7 IS NULL
             OR EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ?7 AND (?8 IS NULL OR label.value = ?8)))
        AND (?9 IS NULL
             OR id IN (SELECT id FROM devices WHERE install ->> '$.state' = 'failed')
             OR id IN (SELECT id FROM devices WHERE wipe ->> '$.state' IN ('asked', 'spent'))
             OR id IN (SELECT device_id FROM conflicts WHERE kept_at IS NULL))";

impl Reader<'_> {
    /// A list of devices.
    pub fn devices(&self, filter: &DeviceFilter) -> Result<Vec<Device>, Error> {
        let mut values = matching(filter);
        let (order, descending) = if filter.newest_boot_first {
            (NEWEST_BOOT, true)
        } else {
            (filter.sort.sql(), filter.descending)
        };
        let (way, than) = if descending {
            ("DESC", "<")
        } else {
            ("ASC", ">")
        };
        let mut sql = SELECT.to_owned() + MATCHING;
        if let Some(after) = &filter.after {
            let place = values.len() + 1;
            sql.push_str(&format!(
                " AND ({order}, id) {than} (?{place}, ?{})",
                place + 1
            ));
            values.push(match &after.value {
                SortValue::Number(number) => Value::Integer(*number),
                SortValue::Text(text) => Value::Text(text.clone()),
            });
            values.push(Value::Integer(after.id.0));
        }
        let limit = values.len() + 1;
        sql.push_str(&format!(
            " ORDER BY {order} {way}, id {way} LIMIT ?{limit} OFFSET ?{}",
            limit + 1
        ));
        values.push(Value::Integer(filter.limit.map_or(-1, count)));
        values.push(Value::Integer(count(filter.skip)));
        self.all(&sql, params_from_iter(values), read)
    }

    /// How many devices a list has in all, whatever its place and its limit.
    pub fn count_matching(&self, filter: &DeviceFilter) -> Result<u64, Error> {
        let sql = format!("SELECT count(*){MATCHING}");
        self.one(&sql, params_from_iter(matching(filter)), |row| {
            Cells::of(row).count()
        })
    }

    /// The same, and how many of those wait for approval.
    pub fn tally(&self, filter: &DeviceFilter) -> Result<(u64, u64), Error> {
        let sql = format!("SELECT count(*), count(*) FILTER (WHERE status = 'pending'){MATCHING}");
        self.one(&sql, params_from_iter(matching(filter)), |row| {
            let mut cells = Cells::of(row);
            Ok((cells.count()?, cells.count()?))
        })
    }
}

/// The ten values of [`MATCHING`].
fn matching(filter: &DeviceFilter) -> Vec<Value> {
    let needle = filter.search.as_deref().map(str::trim);
    let needle = needle.filter(|needle| !needle.is_empty());
    let (colons, bare) = needle.map_or((None, None), mac_patterns);
    [
        filter.status.map(|status| status.to_string()),
        needle.map(text_pattern),
        colons,
        bare,
        filter.role.map(|role| role.to_string()),
        filter.arch.map(|arch| arch.to_string()),
        filter.label.as_ref().map(|label| label.key.to_string()),
        filter
            .label
            .as_ref()
            .and_then(|label| text(label.value.as_ref())),
        filter.needs_person.then(|| "yes".to_owned()),
        // The labels are kept as JSON, which has something else between a key and its value.
        needle.map(|needle| text_pattern(needle.split('=').next().unwrap_or_default())),
    ]
    .into_iter()
    .map(|text| text.map_or(Value::Null, Value::Text))
    .collect()
}

/// A pattern that finds `needle` anywhere, with the signs escaped that LIKE gives a meaning.
fn text_pattern(needle: &str) -> String {
    let mut pattern = String::from("%");
    for c in needle.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Patterns for a MAC, or a part of one, in one of its spellings: for the form with colons, or for the bare form.
fn mac_patterns(needle: &str) -> (Option<String>, Option<String>) {
    let hex = |group: &str| group.bytes().all(|b| b.is_ascii_hexdigit());
    let spelled = |separator: char, size: usize| {
        let groups: Vec<&str> = needle.split(separator).collect();
        let inner = groups.len().saturating_sub(1);
        groups.iter().enumerate().all(|(index, group)| {
            // The ends of a part may be cut; `10.5` is a part of an address rather than of a MAC in groups of four.
            let cut = index == inner || (index == 0 && size == 2);
            hex(group) && (group.len() == size || (cut && group.len() < size))
        })
    };
    if hex(needle) {
        (None, Some(format!("%{needle}%")))
    } else if spelled('-', 2) || spelled(':', 2) {
        (Some(format!("%{}%", needle.replace('-', ":"))), None)
    } else if spelled('.', 4) {
        (None, Some(format!("%{}%", needle.replace('.', ""))))
    } else {
        (None, None)
    }
}
