//! Operations on devices.

mod add;
mod approve;
mod bulk;
mod config;
mod delete;
mod disk;
mod fields;
mod identity;
mod log;
mod order;
mod reject;
mod release;
mod show;
mod suggest;
mod update;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use model::{Device, DeviceId, Hostname, MacAddr};
use store::Reader;

use crate::{Error, auth, types};

pub(crate) use add::{add, register};
pub(crate) use approve::approve;
pub(crate) use bulk::{MOST_AT_ONCE, bulk};
pub(crate) use config::{
    ExplainQuery, PreviewQuery, change_settings, diff, explain, preview, preview_shown, settings,
};
pub(crate) use delete::delete;
pub(crate) use identity::decide_identity;
pub(crate) use log::{LogQuery, kernel_log};
pub(crate) use order::{decline_wipe, give_order, vouch};
pub(crate) use reject::reject;
pub(crate) use release::renew_release;
pub(crate) use show::{ListQuery, SORTS, boots, config, export_config, look, page, show};
pub(crate) use suggest::{suggest, suggest_all};
pub(crate) use update::{MadeFrom, update};

/// How a request names a device: by number, by its MAC in any spelling, or by its host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRef {
    /// By number.
    Id(DeviceId),
    /// By boot MAC.
    Mac(MacAddr),
    /// By host name, which no two devices have.
    Name(Hostname),
}

impl FromStr for DeviceRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Twelve digits are a MAC before they are a number: so many devices there never are. A name comes last, so that none can be
        // given that takes the place of another device's number or MAC.
        if let Ok(mac) = text.parse() {
            return Ok(Self::Mac(mac));
        }
        if let Some(number) = text.parse().ok().filter(|number| *number > 0) {
            return Ok(Self::Id(DeviceId(number)));
        }
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        if let Some(name) = text.parse().ok().filter(|_| !is_number) {
            return Ok(Self::Name(name));
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
        Err(Error::invalid(
            "id",
            format!("`{shown}` is neither the number of a device, a MAC address nor a host name"),
        ))
    }
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Mac(mac) => f.write_str(&mac.hyphenated()),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// The device that is meant.
pub(crate) fn find(reader: &Reader<'_>, who: &DeviceRef) -> Result<Device, Error> {
    let found = match number_of(reader, who)? {
        Some(id) => reader.device(id)?,
        None => None,
    };
    found.ok_or_else(|| Error::NotFound {
        what: "device",
        name: match who {
            DeviceRef::Mac(mac) => mac.to_string(),
            other => other.to_string(),
        },
    })
}

/// The number of the device that is meant. One that is named by its number may be gone.
pub(crate) fn number_of(
    reader: &Reader<'_>,
    who: &DeviceRef,
) -> Result<Option<DeviceId>, store::Error> {
    Ok(match who {
        DeviceRef::Id(id) => Some(*id),
        DeviceRef::Mac(mac) => reader.device_by_mac(*mac)?.map(|device| device.id),
        DeviceRef::Name(name) => reader.device_with_hostname(name)?,
    })
}

/// A device as the API shows it.
pub(crate) fn shown(reader: &Reader<'_>, device: Device) -> Result<types::Device, Error> {
    let config_outdated = reader.is_outdated(device.id)?;
    let config_token = reader.token_grant(device.id)?.map(Into::into);
    let settings = reader.device_settings(device.id)?;
    Ok(types::Device {
        settings_version: settings.as_deref().map(settings_version),
        config_outdated,
        config_token,
        other_cards: reader.cards(device.id)?,
        identity_conflict: reader.conflict(device.id)?,
        ..device.into()
    })
}

/// Many devices as the API shows them, each looked up as one of all.
pub(crate) fn shown_all(
    reader: &Reader<'_>,
    devices: Vec<Device>,
) -> Result<Vec<types::Device>, Error> {
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
    let outdated = reader.outdated(&ids)?;
    let grants = reader.token_grants(&ids)?;
    let (mut cards, mut conflicts) = (reader.cards_of(&ids)?, reader.conflicts()?);
    let settings = settings_versions(reader, &ids)?;
    let shown = |device: Device| types::Device {
        settings_version: settings.get(&device.id).cloned(),
        config_outdated: outdated.contains(&device.id),
        config_token: grants.get(&device.id).copied().map(Into::into),
        other_cards: cards.remove(&device.id).unwrap_or_default(),
        identity_conflict: conflicts.remove(&device.id),
        ..device.into()
    };
    Ok(devices.into_iter().map(shown).collect())
}

/// What names the state of the settings of each of these devices that has any.
fn settings_versions(
    reader: &Reader<'_>,
    ids: &[DeviceId],
) -> Result<HashMap<DeviceId, String>, Error> {
    // More than these are read faster all at once.
    const FEW: usize = 500;
    let mut versions = HashMap::new();
    if ids.len() > FEW {
        for (id, json) in reader.all_device_settings()? {
            versions.insert(id, settings_version(&json));
        }
        return Ok(versions);
    }
    for id in ids {
        if let Some(json) = reader.device_settings(*id)? {
            versions.insert(*id, settings_version(&json));
        }
    }
    Ok(versions)
}

/// Names one state of what a device's config has beyond its fields.
fn settings_version(json: &str) -> String {
    let print = auth::secret::fingerprint(json).to_string();
    print[..12].to_owned()
}

/// A device as the API shows it, read anew.
fn shown_again(reader: &Reader<'_>, id: DeviceId) -> Result<types::Device, Error> {
    shown(reader, find(reader, &DeviceRef::Id(id))?)
}

/// How messages call a device.
pub(crate) fn called(device: &Device) -> String {
    match &device.hostname {
        Some(hostname) => format!("{hostname} ({})", device.mac),
        None => device.mac.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_number_mac_or_name_and_no_name_takes_the_place_of_the_others() {
        for (text, read) in [
            ("7", "Id(DeviceId(7))"),
            ("52:54:00:aa:bb:01", "Mac(52:54:00:aa:bb:01)"),
            ("525400123456", "Mac(52:54:00:12:34:56)"),
            ("52-54-00-12-34-56", "Mac(52:54:00:12:34:56)"),
            ("cp-1", "Name(cp-1)"),
            ("0x7", "Name(0x7)"),
        ] {
            let got = match text.parse::<DeviceRef>().unwrap() {
                DeviceRef::Id(id) => format!("Id({id:?})"),
                DeviceRef::Mac(mac) => format!("Mac({mac})"),
                DeviceRef::Name(name) => format!("Name({name})"),
            };
            assert_eq!(got, read, "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "00",
            "99999999999999999999",
            "CP-1",
            "../x",
            "a.b",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert!(text.parse::<DeviceRef>().is_err(), "{text}");
        }
    }
}
