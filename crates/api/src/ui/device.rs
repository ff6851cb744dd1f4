//! `/devices/{id}`: all that is known of one device, and what can be done with it.

mod identity;
mod log;
mod order;
mod settings;
mod volume;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use configgen::MachineConfig;
use model::{Authority, BootId, StandingOrder};
use serde::Serialize;
use store::{EventFilter, Lane};

use super::fields::{Choice, Fields, told};
use super::notice::done;
use super::overview::EventLine;
use super::page::{Ask, render};
use super::picture::BootPicture;
use super::post::Post;
use super::seen::{self, Seen};
use crate::device::{self, DeviceRef, PreviewQuery};
use crate::types::{ConfigDiff, ConfigOrigin, Device, NextBoot, Patch, ScriptPreview};
use crate::{Api, Error, patch};

pub(super) use identity::decide as decide_identity;
use log::Log;
pub(super) use order::{decline_wipe, give as give_order, renew_release, vouch};
pub(super) use settings::save;

/// How many boots a page shows.
const BOOTS: u64 = 10;

#[derive(Serialize)]
struct View {
    device: Device,
    boots: Vec<BootPicture>,
    /// What is undecided about who it is, in words.
    doubt: Option<&'static str>,
    /// What its kernel said.
    log: Log,
    /// The boot whose log was asked for; without one the page shows that of the last.
    chosen_log: Option<BootId>,
    events: Vec<EventLine>,
    config: Option<Config>,
    /// How what it runs differs from what it would be served.
    diff: ConfigDiff,
    /// What its next network boot would get; nothing where that cannot be told.
    script: Option<ScriptPreview>,
    /// Which layers made a value of its config, if that was asked.
    explained: Explained,
    /// The patches of its own.
    patches: Vec<Patch>,
    /// The fields of all forms of the page.
    form: Fields,
    /// The rows of its own volumes.
    volumes: Vec<volume::Row>,
    /// How many there are.
    own_volumes: usize,
    /// Whether its install disk is chosen by what it is.
    by_facts: bool,
    wrong: Option<String>,
    choices: settings::Choices,
    /// What must be typed to delete or wipe it.
    confirm_label: String,
    /// What can stand after a wipe.
    after_wipe: Vec<Choice>,
    /// What the forms of the page are made from.
    seen: Seen,
}

/// What can stand after a wipe, the safest first.
const AFTER_WIPE: [(StandingOrder, &str); 3] = [
    (StandingOrder::Menu, "the menu, which ends at its disk"),
    (StandingOrder::Install, "an install"),
    (StandingOrder::Local, "its local disk"),
];

/// Its config without its secrets.
#[derive(Serialize)]
struct Config {
    text: String,
    length: usize,
    /// Whether it is what the device is served; a device that nobody approved is served nothing.
    is_served: bool,
}

/// Where a value of a config comes from.
#[derive(Default, Serialize)]
struct Explained {
    path: String,
    origins: Vec<ConfigOrigin>,
    wrong: Option<String>,
}

impl View {
    async fn read(api: &Api, who: DeviceRef) -> Result<Self, Error> {
        let last = seen::last_event(api).await?;
        let mut device = device::show(&api.store, who).await?;
        let id = device.id;
        let who = || DeviceRef::Id(id);
        let script = look_ahead(api, &device).await?;
        // The look ahead has also looked whether the files are there.
        if let Some(script) = script.as_ref().filter(|script| script.missing.is_some()) {
            device.next_boot = Some(NextBoot {
                does: script.decision.clone(),
                why: Some(script.why.clone()),
            });
        }
        let now = api.gate.now();
        let boots = device::boots(&api.store, who(), BOOTS).await?;
        let filter = EventFilter {
            device: Some(device.id),
            limit: 20,
            ..EventFilter::default()
        };
        let events = api
            .store
            .read(Lane::Admin, move |reader| reader.events(&filter))
            .await?;
        let config = match device::config(&api.store, who()).await {
            Ok(config) => Some(masked(&config.bytes)?),
            Err(Error::NotFound { .. }) => preview(api, who()).await?,
            Err(err) => return Err(err),
        };
        let patches = patch::list(&api.store, Authority::Viewer)
            .await?
            .into_iter();
        let settings = device::settings(&api.store, who()).await?;
        let (form, volumes) = settings::filled(&device, &settings);
        Ok(Self {
            boots: boots
                .iter()
                .map(|boot| BootPicture::new(boot, now))
                .collect(),
            events: events.into_iter().map(EventLine::from).collect(),
            config,
            diff: device::diff(&api.store, who()).await?,
            doubt: device
                .identity_conflict
                .as_ref()
                .map(|it| it.kind.meaning()),
            log: Log::read(api, who(), None).await?,
            chosen_log: None,
            script,
            explained: Explained::default(),
            patches: patches
                .filter(|patch| patch.device == Some(device.id))
                .collect(),
            form,
            volumes,
            own_volumes: settings.user_volumes.len(),
            by_facts: settings.install_selector.is_some(),
            wrong: None,
            choices: settings::Choices::new(),
            confirm_label: format!("Type {} to confirm", name_of(&device)),
            after_wipe: AFTER_WIPE
                .map(|(order, said)| Choice::new(order, said))
                .into(),
            seen: Seen::new(&device, last),
            device,
        })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("device.html", "/devices"), status, self).await
    }
}

fn name_of(device: &Device) -> String {
    match &device.hostname {
        Some(hostname) => hostname.to_string(),
        None => device.mac_address.to_string(),
    }
}

fn masked(bytes: &[u8]) -> Result<Config, Error> {
    let text = String::from_utf8_lossy(bytes);
    let config = MachineConfig::parse("the device config", &text)
        .map_err(|err| Error::Internal(err.to_string()))?;
    Ok(Config {
        text: configgen::masked_text(&config),
        length: bytes.len(),
        is_served: true,
    })
}

/// What a device would be served with what is suggested for it; nothing while no config can be made.
async fn preview(api: &Api, who: DeviceRef) -> Result<Option<Config>, Error> {
    let own = api.service.own_addresses();
    match device::preview(&api.store, who, PreviewQuery::default(), own).await {
        Ok(text) => Ok(Some(Config {
            length: text.len(),
            text,
            is_served: false,
        })),
        Err(Error::Refused(_)) => Ok(None),
        Err(err) => Err(err),
    }
}

/// What the next network boot of a device would get. A script that cannot be made is for Diagnostics, and keeps nobody from the page.
async fn look_ahead(api: &Api, device: &Device) -> Result<Option<ScriptPreview>, Error> {
    let looked = api
        .next_boot
        .script(device.mac_address, api.gate.now())
        .await;
    match looked {
        Ok(script) => Ok(Some(script)),
        Err(err @ Error::Store(_)) => Err(err),
        Err(err) => {
            tracing::warn!(mac = %device.mac_address, %err, "the next boot script cannot be shown");
            Ok(None)
        }
    }
}

async fn explain(api: &Api, who: DeviceRef, path: &str) -> Result<Explained, Error> {
    let mut explained = Explained {
        path: path.to_owned(),
        ..Explained::default()
    };
    if !path.is_empty() {
        let own = api.service.own_addresses();
        match device::explain(&api.store, who, path.to_owned(), own).await {
            Ok(origins) => explained.origins = origins,
            Err(err @ Error::NotFound { .. }) => explained.wrong = Some(err.to_string()),
            Err(err) => explained.wrong = Some(told(err)?.1),
        }
    }
    Ok(explained)
}

pub(super) async fn show(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let who: DeviceRef = id.parse()?;
    let mut view = View::read(&api, who.clone()).await?;
    if let Ok(boot) = ask.query().text("log").parse() {
        view.chosen_log = Some(BootId(boot));
        view.log = Log::read(&api, who.clone(), view.chosen_log).await?;
    }
    view.explained = explain(&api, who, ask.query().text("explain")).await?;
    view.show(&api, &ask, StatusCode::OK).await
}

async fn refused(
    api: &Api,
    ask: &Ask,
    who: DeviceRef,
    post: &Post,
    err: Error,
) -> Result<Response, Error> {
    let mut view = View::read(api, who).await?;
    volume::make_room(&mut view.form, &mut view.volumes, post);
    view.form.typed(post);
    view.wrong = view.form.refuse(settings::at_field(err, post))?;
    view.show(api, ask, StatusCode::UNPROCESSABLE_ENTITY).await
}

/// Refuses what was to be done for a version of the device that it is no more: tells what changed since, and keeps what was chosen. What
/// confirms a deed is typed anew.
async fn outdated(api: &Api, ask: &Ask, who: DeviceRef, post: &Post) -> Result<Response, Error> {
    let mut view = View::read(api, who).await?;
    for name in ["order", "then"] {
        if let Some(chosen) = post.get(name) {
            view.form.set(name, chosen);
        }
    }
    let changes = seen::changes_since(api, view.device.id, post).await?;
    view.wrong = Some(format!(
        "Nothing was done, for the device changed after this page was made ({changes}). Look at it as it is now, and do it again if it \
         is still right."
    ));
    view.show(api, ask, StatusCode::CONFLICT).await
}

/// Goes back to the page of a device that was changed, or shows what was refused.
async fn answered(
    (api, ask, post): (&Api, &Ask, &Post),
    who: DeviceRef,
    result: Result<Device, Error>,
    said: &str,
) -> Result<Response, Error> {
    match result {
        Ok(device) => Ok(done(&format!("/devices/{}", device.id), said)),
        Err(Error::Stale) => outdated(api, ask, who, post).await,
        Err(err) => refused(api, ask, who, post, err).await,
    }
}

pub(super) async fn reject(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let (who, author): (DeviceRef, _) = (id.parse()?, ask.visitor.author());
    let rejected = device::reject(&api.store, author, who.clone(), seen::expected(&post)).await;
    answered((&api, &ask, &post), who, rejected, "rejected").await
}

pub(super) async fn delete(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let who: DeviceRef = id.parse()?;
    let device = device::show(&api.store, who).await?;
    if post.text("confirm") != name_of(&device) {
        let why = format!("type {} to delete it", name_of(&device));
        let who = DeviceRef::Id(device.id);
        return refused(&api, &ask, who, &post, Error::invalid("confirm", why)).await;
    }
    let (who, author) = (DeviceRef::Id(device.id), ask.visitor.author());
    match device::delete(&api.store, author, who.clone(), seen::expected(&post)).await {
        Ok(()) => Ok(done("/devices", "deleted")),
        Err(Error::Stale) => outdated(&api, &ask, who, &post).await,
        Err(err) => refused(&api, &ask, who, &post, err).await,
    }
}
