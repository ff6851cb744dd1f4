//! The config of a device: what it would be served, how that came about, and what changes.

use configgen::{MachineConfig, difference, masked_text};
use model::{Author, Device, EventKind, FieldChange};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::net::Ipv4Addr;
use store::{Lane, Reader, Store, Writer};

use super::suggest::Suggester;
use super::{DeviceRef, find, look};
use crate::generate::{Recipe, for_one};
use crate::sources::{Sources, device_settings};
use crate::types::{ConfigDiff, ConfigOrigin, DeviceSettings};
use crate::version::{IfMatch, Version};
use crate::{Error, audit, body};

/// What a preview shows.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PreviewQuery {
    /// Whether secrets are shown.
    pub(crate) secrets: bool,
}

/// What is explained.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainQuery {
    /// Such as `machine.network.hostname`, or with a document before it: `HostnameConfig:hostname`.
    pub(crate) path: String,
}

/// The config that a device would be served, also before it is approved: then with the suggestions for what it lacks.
pub(crate) async fn preview(
    store: &Store,
    who: DeviceRef,
    query: PreviewQuery,
    own: Vec<Ipv4Addr>,
) -> Result<String, Error> {
    look(store, move |reader| {
        let device = as_approved(reader, &who, own)?;
        let made = Recipe::of(Sources::read(reader)?)?.make(&device)?;
        if query.secrets {
            return Ok(made);
        }
        Ok(masked_text(&parse("the config", &made)?))
    })
    .await
}

/// Writes down that a person saw a preview with its secrets.
pub(crate) async fn preview_shown(
    store: &Store,
    author: Author,
    who: DeviceRef,
) -> Result<(), Error> {
    let device = look(store, move |reader| find(reader, &who)).await?;
    super::show::exported(store, author, device.id).await
}

/// Which layers made a value what it is.
pub(crate) async fn explain(
    store: &Store,
    who: DeviceRef,
    path: String,
    own: Vec<Ipv4Addr>,
) -> Result<Vec<ConfigOrigin>, Error> {
    look(store, move |reader| {
        let device = as_approved(reader, &who, own)?;
        let layers = Recipe::of(Sources::read(reader)?)?.layers(&device)?;
        let found = layers
            .explain(&path)
            .map_err(|err| Error::invalid("path", err.to_string()))?;
        if found.is_empty() {
            let shown: String = path.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(Error::NotFound {
                what: "value at",
                name: format!("{shown} in any layer of this config"),
            });
        }
        let origin = |found: configgen::Explanation| ConfigOrigin {
            document: found.document.to_string(),
            path: found.path.to_string(),
            value: found.value,
            layers: found.layers.iter().map(ToString::to_string).collect(),
        };
        Ok(found.into_iter().map(origin).collect())
    })
    .await
}

/// What changes against what the device last received.
pub(crate) async fn diff(store: &Store, who: DeviceRef) -> Result<ConfigDiff, Error> {
    look(store, move |reader| {
        let device = find(reader, &who)?;
        let served = reader.last_served(device.id)?;
        let now = reader.config(device.id)?;
        let before = reader.served_config(device.id)?;
        let outdated = reader.is_outdated(device.id)?;
        let diff = match (&before, &now) {
            (Some(before), Some(now)) => Some(difference(
                &parse("the served config", &String::from_utf8_lossy(before))?,
                &parse("the config", &String::from_utf8_lossy(&now.bytes))?,
            )),
            _ => None,
        };
        let called = super::called(&device);
        let message = match (&served, &now) {
            (None, _) => format!("{called} never received a config"),
            (Some((_, at)), None) => {
                format!(
                    "{called} received a config on {}, and would get none now",
                    at.minute()
                )
            }
            (Some((_, at)), Some(_)) if !outdated => {
                format!("{called} runs this config since {}", at.minute())
            }
            (Some((_, at)), Some(_)) if diff.is_none() => {
                format!(
                    "{called} runs an older config than this, of {}, whose text was not kept",
                    at.minute()
                )
            }
            (Some((_, at)), Some(_)) => {
                format!(
                    "{called} runs an older config than this, of {}",
                    at.minute()
                )
            }
        };
        Ok(ConfigDiff {
            message,
            outdated,
            served_at: served.map(|(_, at)| at),
            served_sha256: served.map(|(sha256, _)| sha256),
            sha256: now.map(|config| config.sha256),
            diff,
        })
    })
    .await
}

/// What the config of a device has beyond its row.
pub(crate) async fn settings(store: &Store, who: DeviceRef) -> Result<DeviceSettings, Error> {
    look(store, move |reader| settings_of(reader, &who)).await
}

fn settings_of(reader: &Reader<'_>, who: &DeviceRef) -> Result<DeviceSettings, Error> {
    let json = reader.device_settings(find(reader, who)?.id)?;
    json.map_or_else(
        || Ok(DeviceSettings::default()),
        |json| device_settings(&json),
    )
}

/// What goes with a device beyond its fields.
pub(super) fn settings_gone(
    reader: &Reader<'_>,
    device: &Device,
) -> Result<Vec<FieldChange>, Error> {
    let settings = settings_of(reader, &DeviceRef::Id(device.id))?;
    Ok(audit::changes(&settings, &DeviceSettings::default()))
}

/// Changes the settings that the body has: an absent field stays, `null` clears. The config of an approved device follows in the same
/// transaction; of any other it is tried.
pub(crate) async fn change_settings(
    store: &Store,
    author: Author,
    who: DeviceRef,
    patch: Map<String, Value>,
    expected: IfMatch,
) -> Result<DeviceSettings, Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let mut device = find(writer, &who)?;
            let change = SettingsChange::of(writer, &who, patch)?;
            change.check(&expected)?;
            if change.fields.is_empty() {
                return Ok(change.after);
            }
            change.save(writer, &device)?;
            if device.approval.is_approved() {
                for_one(writer, &device)?;
            } else {
                Recipe::of(Sources::read(writer)?)?.try_device(&device)?;
            }
            let (fields, changes) = (change.fields.clone(), change.changes());
            writer.event_of(Some(&device), EventKind::DeviceUpdated { fields }, &changes)?;
            let called_off = device.life.change();
            writer.live(&device, called_off)?;
            Ok(change.after)
        })
        .await
}

/// A change of what the config of a device has beyond its row.
pub(super) struct SettingsChange {
    before: DeviceSettings,
    after: DeviceSettings,
    /// The fields that change; empty if nothing does.
    pub(super) fields: Vec<String>,
}

impl SettingsChange {
    /// What `patch` changes of what there is: an absent field stays, `null` clears.
    pub(super) fn of(
        reader: &Reader<'_>,
        who: &DeviceRef,
        patch: Map<String, Value>,
    ) -> Result<Self, Error> {
        let before = settings_of(reader, who)?;
        let old = fields_of(&before)?;
        let mut fields = old.clone();
        for (field, value) in patch {
            if value.is_null() {
                fields.remove(&field);
            } else {
                fields.insert(field, value);
            }
        }
        let after: DeviceSettings = body::read_value(fields.into())?;
        let new = fields_of(&after)?;
        let fields = new
            .keys()
            .chain(old.keys().filter(|field| !new.contains_key(*field)))
            .filter(|field| old.get(*field) != new.get(*field))
            .cloned()
            .collect();
        let change = Self {
            before,
            after,
            fields,
        };
        change.check_pages_can_show_it()?;
        Ok(change)
    }

    /// Refuses what the form of the device page could not give back as it is: a save of anything else would change it.
    fn check_pages_can_show_it(&self) -> Result<(), Error> {
        let changes = |field: &str| self.fields.iter().any(|of| of == field);
        let volumes = self.after.user_volumes.len();
        if changes("user_volumes") && volumes > DeviceSettings::VOLUMES {
            let most = DeviceSettings::VOLUMES;
            let why = format!("must be {most} volumes at most, not {volumes}");
            return Err(Error::invalid("user_volumes", why));
        }
        let mut modules = self.after.kernel_modules.iter();
        let is_word = |text: &String| !text.is_empty() && !text.contains(char::is_whitespace);
        let odd = modules.find(|module| !module.parameters.iter().all(is_word));
        match odd.filter(|_| changes("kernel_modules")) {
            None => Ok(()),
            Some(module) => {
                let name: String = module.name.escape_default().take(64).collect();
                let why = format!(
                    "a parameter of `{name}` is empty or has a blank in it; each is one word such as mode=1"
                );
                Err(Error::invalid("kernel_modules", why))
            }
        }
    }

    /// Refuses it if it was made from other settings than there are.
    pub(super) fn check(&self, expected: &IfMatch) -> Result<(), Error> {
        expected.check(&Version::of(&self.before))
    }

    /// Writes it. Config and event are the caller's.
    pub(super) fn save(&self, writer: &Writer<'_>, device: &Device) -> Result<(), Error> {
        let json =
            serde_json::to_string(&self.after).map_err(|err| Error::Internal(err.to_string()))?;
        let json = (self.after != DeviceSettings::default()).then_some(json);
        writer.save_device_settings(device.id, json.as_deref())?;
        Ok(())
    }

    /// What the event says of it.
    pub(super) fn changes(&self) -> Vec<FieldChange> {
        audit::changes(&self.before, &self.after)
    }
}

fn fields_of(settings: &DeviceSettings) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::Internal("settings are no object".to_owned())),
        Err(err) => Err(Error::Internal(err.to_string())),
    }
}

/// The device with the suggestions for what it lacks.
fn as_approved(reader: &Reader<'_>, who: &DeviceRef, own: Vec<Ipv4Addr>) -> Result<Device, Error> {
    let mut device = find(reader, who)?;
    let suggested = Suggester::read(reader, own)?.suggest(&device);
    device.hostname = device.hostname.or(suggested.hostname);
    device.ip_address = device.ip_address.or(suggested.ip_address);
    device.role = device.role.or(Some(suggested.role));
    Ok(device)
}

fn parse(file: &str, text: &str) -> Result<MachineConfig, Error> {
    MachineConfig::parse(file, text).map_err(|err| Error::Internal(err.to_string()))
}
