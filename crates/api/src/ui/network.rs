//! `/network`: what every boot on this network gets.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{ConfigRelease, FirmwareKind, NetworkSettings, Payload};
use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::{Choice, Field, Fields, of_list};
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use crate::device::look;
use crate::status::count_held;
use crate::types::LoaderStatus;
use crate::{Api, Error, IfMatch, Version, settings};

#[derive(Serialize)]
struct View {
    form: Fields,
    wrong: Option<String>,
    payloads: Vec<Choice>,
    releases: Vec<Choice>,
    profiles: Vec<Profile>,
    /// Loaders that can be chosen without typing.
    loaders: Vec<String>,
    /// Whether strict boot mode is on at the moment, whatever the form says.
    is_strict: bool,
    /// How many machines are held at the moment because nobody approved them.
    held: u64,
}

/// A kind of firmware, and what its fields are called.
#[derive(Serialize)]
struct Profile {
    title: &'static str,
    is_http: bool,
    loader: String,
    /// The loader that it gets where the settings name none.
    standard: Option<String>,
    discovery_control: String,
}

impl Profile {
    fn new(kind: FirmwareKind, known: &[LoaderStatus]) -> Self {
        // A kind is called as its platform is, and those that boot by HTTP say so after it.
        let of_it = |platform: &str| kind.title().split(',').next() == Some(platform);
        let standard = known
            .iter()
            .find(|loader| loader.platform.as_deref().is_some_and(of_it));
        Self {
            standard: standard.map(|loader| loader.name.clone()),
            title: kind.title(),
            is_http: kind.is_http(),
            loader: field_of(kind, "loader"),
            discovery_control: field_of(kind, "discovery_control"),
        }
    }
}

/// What the field of a kind of firmware is called in the form.
fn field_of(kind: FirmwareKind, field: &str) -> String {
    format!("firmware-{kind}-{field}")
}

/// The field of the form for `firmware.efi_x64.loader`.
fn at_field(err: Error) -> Error {
    match err {
        Error::Refused(mut refusal) => {
            refusal.field = refusal.field.map(|field| match field.as_str() {
                it if it.starts_with("firmware.") => it.replace('.', "-"),
                _ => field,
            });
            of_list(Error::Refused(refusal))
        }
        other => other,
    }
}

impl View {
    async fn read(api: &Api, settings: &NetworkSettings) -> Result<Self, Error> {
        let service = Arc::clone(&api.service);
        let known = tokio::task::spawn_blocking(move || service.status().loaders)
            .await
            .map_err(|err| Error::Internal(err.to_string()))?;
        let now = api.gate.now();
        let held = look(&api.store, move |reader| count_held(reader, now)).await?;
        Ok(Self {
            form: filled(settings),
            wrong: None,
            payloads: Choice::words(Payload::ALL),
            releases: Choice::words(ConfigRelease::ALL),
            profiles: FirmwareKind::ALL
                .iter()
                .map(|kind| Profile::new(*kind, &known))
                .collect(),
            loaders: known
                .into_iter()
                .filter(|loader| loader.path.is_some())
                .map(|loader| loader.name)
                .collect(),
            is_strict: settings.strict_boot_mode,
            held,
        })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("network.html", "/network"), status, self).await
    }
}

fn filled(settings: &NetworkSettings) -> Fields {
    let servers: Vec<String> = settings
        .nameservers
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut fields = Fields::new([
        ("strict_boot_mode", Field::of(settings.strict_boot_mode)),
        ("hold_limit_seconds", Field::of(settings.hold_limit_seconds)),
        ("menu_seconds", Field::of(settings.menu_seconds)),
        ("payload", Field::of(settings.payload)),
        ("config_release", Field::of(settings.config_release)),
        (
            "talos_version",
            Field::maybe(settings.talos_version.as_ref()),
        ),
        (
            "extra_kernel_args",
            Field::of(settings.extra_kernel_args.join(" ")),
        ),
        ("reports", Field::of(settings.reports)),
        ("install_attempts", Field::of(settings.install_attempts)),
        (
            "proof_limit_seconds",
            Field::of(settings.proof_limit_seconds),
        ),
        ("node_subnet", Field::maybe(settings.node_subnet)),
        ("gateway", Field::maybe(settings.gateway)),
        ("nameservers", Field::of(servers.join(" "))),
        // What the form was made of: a change by somebody else since must not be lost.
        ("seen", Field::of(Version::of(settings))),
        ("server_address", Field::maybe(settings.server_address)),
    ]);
    for kind in FirmwareKind::ALL {
        let profile = settings.firmware.of(*kind);
        let loader = profile.loader.as_deref().unwrap_or_default();
        fields.set(&field_of(*kind, "loader"), loader);
        let on = profile.discovery_control;
        fields.set(&field_of(*kind, "discovery_control"), on);
    }
    fields.remember()
}

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    let now = settings::show(&api.store).await?.settings;
    let view = View::read(&api, &now).await?;
    view.show(&api, &ask, StatusCode::OK).await
}

pub(super) async fn save(State(api): State<Api>, ask: Ask, post: Post) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let before = settings::show(&api.store).await?.settings;
    let changed = match patch(&post) {
        Ok(patch) => {
            let seen = IfMatch::from_form(post.text("seen"));
            settings::change(&api.store, &api.progress, ask.visitor.author(), patch, seen).await
        }
        Err(err) => Err(err),
    };
    match changed {
        Ok(after) => {
            let after = after.settings;
            let said = match (before.strict_boot_mode, after.strict_boot_mode) {
                (false, true) => "strict-on",
                (true, false) => "strict-off",
                _ if before == after => "unchanged",
                _ => "saved",
            };
            Ok(done("/network", said))
        }
        Err(Error::Stale) => {
            let mut view = View::read(&api, &before).await?;
            view.form.merge(&post, &[]);
            view.wrong = Some(STALE.to_owned());
            view.show(&api, &ask, StatusCode::CONFLICT).await
        }
        Err(err) => {
            let mut view = View::read(&api, &before).await?;
            view.form.typed(&post);
            view.wrong = view.form.refuse(at_field(err))?;
            view.show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
    }
}

/// What is said to the second of two people who change the settings.
const STALE: &str = "Somebody else changed the settings while you were typing. What you typed is kept, and what they changed is \
     marked. Save again to put yours in force.";

/// What the form says, in the words of the API; a field that the form does not have stays as it is.
fn patch(post: &Post) -> Result<Map<String, Value>, Error> {
    let mut patch = Map::new();
    for name in ["node_subnet", "gateway", "server_address", "talos_version"] {
        if post.get(name).is_some() {
            let text = post.text(name);
            let value = if text.is_empty() {
                Value::Null
            } else {
                Value::from(text)
            };
            patch.insert(name.to_owned(), value);
        }
    }
    let proof = NetworkSettings::PROOF_LIMIT_SECONDS;
    for (name, least, most) in [
        ("hold_limit_seconds", 0, NetworkSettings::MAX_HOLD_SECONDS),
        ("menu_seconds", 0, NetworkSettings::MAX_MENU_SECONDS),
        ("install_attempts", 1, NetworkSettings::MAX_INSTALL_ATTEMPTS),
        ("proof_limit_seconds", *proof.start(), *proof.end()),
    ] {
        if post.get(name).is_some() {
            let number: u32 = post.text(name).parse().map_err(|_| {
                let why = format!("must be a whole number from {least} to {most}");
                Error::invalid(name, why)
            })?;
            patch.insert(name.to_owned(), number.into());
        }
    }
    for name in ["nameservers", "extra_kernel_args"] {
        if let Some(text) = post.get(name) {
            let words =
                text.split(|c: char| c.is_whitespace() || (c == ',' && name == "nameservers"));
            let words: Vec<Value> = words
                .filter(|word| !word.is_empty())
                .map(Value::from)
                .collect();
            patch.insert(name.to_owned(), words.into());
        }
    }
    for name in ["payload", "config_release"] {
        if let Some(word) = post.get(name) {
            patch.insert(name.to_owned(), word.into());
        }
    }
    let mut firmware = Map::new();
    for kind in FirmwareKind::ALL {
        let mut profile = Map::new();
        if let Some(loader) = post.get(&field_of(*kind, "loader")).map(str::trim) {
            let loader = (!loader.is_empty()).then_some(loader);
            profile.insert("loader".to_owned(), loader.into());
        }
        if let Some(on) = post.get(&field_of(*kind, "discovery_control")) {
            profile.insert("discovery_control".to_owned(), (on != "false").into());
        }
        if !profile.is_empty() {
            firmware.insert(kind.to_string(), profile.into());
        }
    }
    if !firmware.is_empty() {
        patch.insert("firmware".to_owned(), firmware.into());
    }
    for name in ["strict_boot_mode", "reports"] {
        if let Some(on) = post.get(name) {
            patch.insert(name.to_owned(), (on != "false").into());
        }
    }
    Ok(patch)
}
