//! Devices as the API shows them.

use std::collections::HashMap;

use model::{Device, DeviceId};
use store::Reader;

use super::outlook::Outlook;
use super::{DeviceRef, find};
use crate::version::{IfMatch, Version};
use crate::{Error, auth, types};

/// A device as the API shows it.
pub(crate) fn shown(reader: &Reader<'_>, device: Device) -> Result<types::Device, Error> {
    let config_outdated = reader.is_outdated(device.id)?;
    let config_token = reader.token_grant(device.id)?.map(Into::into);
    let settings = reader.device_settings(device.id)?;
    let identity_conflict = reader.conflict(device.id)?;
    let next_boot = Outlook::read(reader)?.of(&device, identity_conflict.is_some());
    Ok(types::Device {
        next_boot: Some(next_boot),
        settings_version: settings.as_deref().map(settings_version),
        config_outdated,
        config_token,
        other_cards: reader.cards(device.id)?,
        identity_conflict,
        turned_away: reader.turned_away(device.id)?.is_some(),
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
    let turned_away = reader.all_turned_away()?;
    let settings = settings_versions(reader, &ids)?;
    let outlook = Outlook::read(reader)?;
    let shown = |device: Device| types::Device {
        next_boot: Some(outlook.of(&device, conflicts.contains_key(&device.id))),
        settings_version: settings.get(&device.id).cloned(),
        config_outdated: outdated.contains(&device.id),
        config_token: grants.get(&device.id).copied().map(Into::into),
        other_cards: cards.remove(&device.id).unwrap_or_default(),
        identity_conflict: conflicts.remove(&device.id),
        turned_away: turned_away.contains(&device.id),
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

/// One device, if it is the version that a change of it was made from.
pub(super) fn find_expected(
    reader: &Reader<'_>,
    who: &DeviceRef,
    expected: &IfMatch,
) -> Result<Device, Error> {
    let device = find(reader, who)?;
    if !expected.is_any() {
        expected.check(&Version::of_device(&shown(reader, device.clone())?))?;
    }
    Ok(device)
}

/// A device as the API shows it, read anew.
pub(super) fn shown_again(reader: &Reader<'_>, id: DeviceId) -> Result<types::Device, Error> {
    shown(reader, find(reader, &DeviceRef::Id(id))?)
}
