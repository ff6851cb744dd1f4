//! The settings of one device: all that a person decides of it, in one form and one change.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{EphemeralVolume, LocalBoot, Role, StandingOrder};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{View, refused, volume};
use crate::device::{self, DeviceRef, MadeFrom};
use crate::types::{Device, DeviceSettings, KernelModule};
use crate::ui::fields::{Choice, Field, Fields, of_list};
use crate::ui::notice::done;
use crate::ui::overview::EventLine;
use crate::ui::page::Ask;
use crate::ui::post::Post;
use crate::ui::{disk, labels};
use crate::{Api, Error, IfMatch, Version};

/// The fields of a device that can be changed, in the names of the API.
const FIELDS: [&str; 11] = [
    "hostname",
    "ip_address",
    "role",
    "install_disk",
    "ephemeral_min_size",
    "ephemeral_max_size",
    "ephemeral_disk_selector",
    "local_boot",
    "loader",
    "mac_address",
    "notes",
];

/// What can be chosen in the form.
#[derive(Serialize)]
pub(super) struct Choices {
    roles: Vec<Choice>,
    local_boots: Vec<Choice>,
    install_wipes: Vec<Choice>,
    grows: Vec<Choice>,
    filesystems: Vec<Choice>,
}

impl Choices {
    pub(super) fn new() -> Self {
        let mut roles = vec![Choice::new("", "none")];
        roles.extend(Choice::words(Role::ALL));
        let wipes = [
            ("", "as the base config says"),
            ("true", "yes"),
            ("false", "no"),
        ];
        let (grows, filesystems) = volume::choices();
        Self {
            roles,
            local_boots: Choice::words(LocalBoot::ALL),
            install_wipes: wipes.map(|(value, said)| Choice::new(value, said)).into(),
            grows,
            filesystems,
        }
    }
}

/// The fields of all forms of a device's page, and the rows of its own volumes.
pub(super) fn filled(device: &Device, settings: &DeviceSettings) -> (Fields, Vec<volume::Row>) {
    let cache = &settings.image_cache;
    let mut fields = Fields::new([
        ("hostname", Field::maybe(device.hostname.as_ref())),
        ("ip_address", Field::maybe(device.ip_address)),
        ("role", Field::maybe(device.role)),
        ("install_disk", Field::maybe(device.install_disk.as_ref())),
        (
            "ephemeral_min_size",
            Field::maybe(device.ephemeral_min_size.as_ref()),
        ),
        (
            "ephemeral_max_size",
            Field::maybe(device.ephemeral_max_size.as_ref()),
        ),
        (
            "ephemeral_disk_selector",
            Field::maybe(device.ephemeral_disk_selector.as_ref()),
        ),
        ("local_boot", Field::of(device.local_boot)),
        ("loader", Field::maybe(device.loader.as_ref())),
        ("mac_address", Field::of(device.mac_address)),
        ("labels", Field::of(labels::text(&device.labels))),
        ("notes", Field::of(&device.notes)),
        (
            "install_image",
            Field::maybe(settings.install_image.as_ref()),
        ),
        ("schematic", Field::maybe(settings.schematic.as_ref())),
        ("install_wipe", Field::maybe(settings.install_wipe)),
        (
            "image_cache_min_size",
            Field::maybe(cache.min_size.as_ref()),
        ),
        (
            "image_cache_max_size",
            Field::maybe(cache.max_size.as_ref()),
        ),
        (
            "image_cache_disk_selector",
            Field::maybe(cache.disk_selector.as_ref()),
        ),
        (
            "kernel_modules",
            Field::of(modules(&settings.kernel_modules)),
        ),
        ("user_volumes", Field::default()),
        // What the form was made of: a change by somebody else since must not be lost.
        ("seen", Field::of(Version::of_device(device))),
        ("seen_settings", Field::of(Version::of(settings))),
        ("confirm", Field::default()),
        ("order", Field::default()),
        ("wipe_confirm", Field::default()),
        ("then", Field::of(StandingOrder::Menu)),
    ]);
    let selector = settings.install_selector.clone().unwrap_or_default();
    disk::fill(&mut fields, &selector);
    let rows = volume::rows(&mut fields, &settings.user_volumes);
    (fields.remember(), rows)
}

/// Modules with their parameters, one to a line.
fn modules(modules: &[KernelModule]) -> String {
    let line = |module: &KernelModule| {
        let words = std::iter::once(&module.name).chain(&module.parameters);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    modules.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(in crate::ui) async fn save(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let who: DeviceRef = id.parse()?;
    let device = device::show(&api.store, who).await?;
    let id = device.id;
    let who = || DeviceRef::Id(id);
    let before = (device, device::settings(&api.store, who()).await?);
    let seen = MadeFrom {
        device: IfMatch::from_form(post.text("seen")),
        settings: IfMatch::from_form(post.text("seen_settings")),
    };
    let (author, own) = (ask.visitor.author(), api.service.own_addresses());
    let patch = match patch(&post) {
        Ok(patch) => patch,
        Err(err) => return refused(&api, &ask, who(), &post, err).await,
    };
    match device::update(&api.store, author, who(), patch, seen, own).await {
        Ok(device) => {
            let to = format!("/devices/{}", device.id);
            let settings = device::settings(&api.store, DeviceRef::Id(device.id)).await?;
            let after = (device, settings);
            let said = if after == before {
                "unchanged"
            } else {
                "saved"
            };
            Ok(done(&to, said))
        }
        Err(Error::Stale) => {
            let mut view = View::read(&api, who()).await?;
            volume::make_room(&mut view.form, &mut view.volumes, &post);
            view.form.merge(&post, &[]);
            view.wrong = Some(stale(&view.events));
            view.show(&api, &ask, StatusCode::CONFLICT).await
        }
        Err(err) => refused(&api, &ask, who(), &post, err).await,
    }
}

/// What the form says, in the words of the API; a field that the form does not have stays as it is.
fn patch(post: &Post) -> Result<Map<String, Value>, Error> {
    let mut fields = Map::new();
    for name in FIELDS {
        if post.get(name).is_some() {
            let value = match name {
                "mac_address" => Value::from(post.text(name)),
                _ => post.or_null(name),
            };
            fields.insert(name.to_owned(), value);
        }
    }
    if post.get("labels").is_some() {
        fields.insert("labels".to_owned(), labels::read(post.text("labels"))?);
    }
    let settings = of_config(post);
    if !settings.is_empty() {
        fields.insert("settings".to_owned(), settings.into());
    }
    Ok(fields)
}

/// What the form says of the config beyond the fields of the device.
fn of_config(post: &Post) -> Map<String, Value> {
    let mut settings = Map::new();
    let mut put = |name: &str, value: Value| {
        settings.insert(name.to_owned(), value);
    };
    for name in ["install_image", "schematic"] {
        if post.get(name).is_some() {
            put(name, post.or_null(name));
        }
    }
    if post.get("install_wipe").is_some() {
        let word = Some(post.text("install_wipe")).filter(|word| !word.is_empty());
        put("install_wipe", word.map(|word| word == "true").into());
    }
    if post.get("disk_size").is_some() {
        let facts = disk::read(post);
        let selector = (!facts.is_empty()).then_some(facts);
        put(
            "install_selector",
            selector.map_or(Value::Null, Value::from),
        );
    }
    if post.get("image_cache_min_size").is_some() {
        let of = |name: &str| {
            let text = post.text(&format!("image_cache_{name}"));
            (!text.is_empty()).then(|| text.to_owned())
        };
        let cache = EphemeralVolume {
            min_size: of("min_size"),
            max_size: of("max_size"),
            disk_selector: of("disk_selector"),
        };
        put(
            "image_cache",
            serde_json::to_value(cache).unwrap_or_default(),
        );
    }
    if post.get("volume-0-name").is_some() {
        put("user_volumes", volume::read(post).into());
    }
    if let Some(text) = post.get("kernel_modules") {
        let module = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let parameters: Vec<&str> = words.collect();
            Some(serde_json::json!({"name": name, "parameters": parameters}))
        };
        let modules: Vec<Value> = text.lines().filter_map(module).collect();
        put("kernel_modules", modules.into());
    }
    settings
}

/// A refusal in the words of the API at the field that the form has for it.
pub(super) fn at_field(err: Error, post: &Post) -> Error {
    let err = match err {
        Error::Refused(mut refusal) => {
            refusal.field = refusal.field.map(|field| match field.as_str() {
                field if field.starts_with("user_volume") => volume::field(field, post),
                refused => disk::field(refused).unwrap_or(field),
            });
            Error::Refused(refusal)
        }
        other => other,
    };
    of_list(err)
}

/// What is said to the second of two people who change the same device: who was first, as far as the last change tells.
fn stale(events: &[EventLine]) -> String {
    let by = events.iter().find_map(EventLine::changer);
    format!(
        "{} changed this device while you were typing. What you typed is kept, and what they changed is marked. Save again to put \
         yours in force.",
        by.unwrap_or("Somebody else")
    )
}
