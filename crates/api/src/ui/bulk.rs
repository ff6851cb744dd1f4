//! `/devices/bulk`: the same for many devices, after a look at each. A wipe is ordered one by one.

use axum::extract::State;
use axum::http::header::{HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use form_urlencoded::Serializer;
use model::StandingOrder;
use serde::Serialize;

use super::fields::Field;
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use super::visitor::Visitor;
use crate::device::{self, DeviceRef, MOST_AT_ONCE};
use crate::types::{BulkAction, BulkDevices, BulkRow};
use crate::{Api, Error};

/// What is done, in the words of the pages.
#[derive(Serialize)]
pub(super) struct Deed {
    /// Its word in the address.
    word: &'static str,
    /// On a list of deeds.
    label: &'static str,
    /// Before a number of devices, on a button.
    verb: &'static str,
    /// What it means, in a sentence.
    meaning: &'static str,
    /// Behind a number of devices, once it is done.
    past: &'static str,
    #[serde(skip)]
    action: BulkAction,
}

/// Those beside the approval, which has a page of its own.
const DEEDS: [Deed; 5] = [
    Deed {
        word: "reject",
        label: "Reject",
        verb: "Reject",
        meaning: "They get no config, and are sent to their disks whenever they boot.",
        past: "rejected",
        action: BulkAction::Reject,
    },
    Deed {
        word: "install",
        label: "Order: install",
        verb: "Order an install of",
        meaning: "Their next network boot runs Talos with their configs.",
        past: "ordered to install",
        action: order(StandingOrder::Install),
    },
    Deed {
        word: "local",
        label: "Order: local disk",
        verb: "Order the local disk for",
        meaning: "Their next network boot leaves to the disk at once.",
        past: "ordered to boot their disks",
        action: order(StandingOrder::Local),
    },
    Deed {
        word: "menu",
        label: "Order: menu",
        verb: "Order the menu for",
        meaning: "Their next network boot asks at the console for a minute, and then boots the disk.",
        past: "ordered to show the menu",
        action: order(StandingOrder::Menu),
    },
    Deed {
        word: "delete",
        label: "Delete",
        verb: "Delete",
        meaning: "Their settings, configs and boots are forgotten; their events stay.",
        past: "deleted",
        action: BulkAction::Delete,
    },
];

const fn order(order: StandingOrder) -> BulkAction {
    BulkAction::Order { order }
}

/// The deeds that a visitor may choose for many devices.
pub(super) fn deeds(visitor: &Visitor) -> Vec<Deed> {
    let may = |deed: &Deed| visitor.may_admin || deed.action != BulkAction::Delete;
    DEEDS.into_iter().filter(may).collect()
}

#[derive(Serialize)]
struct View {
    deed: Deed,
    rows: Vec<BulkRow>,
    /// How many of them it can be done with.
    able: u64,
    /// How many were chosen beyond what is done at once.
    more: usize,
    /// How many of those that were chosen are not there any more.
    gone: usize,
    is_done: bool,
    wrong: Option<String>,
    /// What is typed to confirm it.
    count: Field,
    needs_count: bool,
}

fn read(query: &Post) -> Result<Deed, Error> {
    let word = query.text("action");
    let deed = DEEDS.into_iter().find(|deed| deed.word == word);
    deed.ok_or_else(|| Error::invalid("action", "choose what is to be done"))
}

fn must_be_allowed(ask: &Ask, action: BulkAction) -> Result<(), Error> {
    if action == BulkAction::Delete {
        return ask.visitor.must_admin();
    }
    ask.visitor.must_operate()
}

/// Shows what would be done, device by device.
pub(super) async fn preview(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    ask.visitor.must_operate()?;
    let query = ask.query();
    if query.text("action") == "approve" {
        return to_approval(&query);
    }
    let deed = read(&query)?;
    must_be_allowed(&ask, deed.action)?;
    let chosen: Vec<String> = query.all("id").map(str::to_owned).collect();
    if chosen.is_empty() {
        return Ok(done("/devices", "unchanged"));
    }
    match View::preview(&api, &ask, deed, chosen).await? {
        Some(view) => view.show(&api, &ask, StatusCode::OK).await,
        None => Ok(done("/devices", "gone")),
    }
}

/// The page that approves has names, addresses and roles to fill in.
fn to_approval(query: &Post) -> Result<Response, Error> {
    let mut ids = Serializer::new(String::new());
    ids.extend_pairs(query.all("id").map(|id| ("id", id)));
    let to = HeaderValue::from_str(&format!("/devices/approve?{}", ids.finish()))
        .map_err(|err| Error::Malformed(err.to_string()))?;
    Ok((
        StatusCode::SEE_OTHER,
        HeaderMap::from_iter([(LOCATION, to)]),
    )
        .into_response())
}

impl View {
    /// What would be done with those of the chosen that are there; `None` if none is.
    async fn preview(
        api: &Api,
        ask: &Ask,
        deed: Deed,
        chosen: Vec<String>,
    ) -> Result<Option<Self>, Error> {
        let asked = chosen.len();
        let mut chosen = left_of(api, chosen).await?;
        if chosen.is_empty() {
            return Ok(None);
        }
        let gone = asked - chosen.len();
        let more = chosen.len().saturating_sub(MOST_AT_ONCE);
        chosen.truncate(MOST_AT_ONCE);
        let asked = BulkDevices {
            action: deed.action,
            devices: chosen,
            role: None,
            preview: true,
            seen: None,
        };
        let own = api.service.own_addresses();
        let answer = device::bulk(&api.store, ask.visitor.author(), asked, own).await?;
        Ok(Some(Self {
            needs_count: deed.action == BulkAction::Delete,
            deed,
            able: answer.devices.len() as u64 - answer.refused,
            rows: answer.devices,
            more,
            gone,
            is_done: false,
            wrong: None,
            count: Field::default(),
        }))
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("bulk.html", "/devices"), status, self).await
    }
}

/// Does it with all devices of the form, or with none, and shows each as it is then.
pub(super) async fn act(State(api): State<Api>, ask: Ask, post: Post) -> Result<Response, Error> {
    let deed = read(&post)?;
    must_be_allowed(&ask, deed.action)?;
    let chosen: Vec<String> = post.all("id").map(str::to_owned).collect();
    if chosen.is_empty() {
        return Ok(done("/devices", "unchanged"));
    }
    let typed = post.text("count");
    if deed.action == BulkAction::Delete && typed != chosen.len().to_string() {
        let Some(mut view) = View::preview(&api, &ask, deed, chosen).await? else {
            return Ok(done("/devices", "gone"));
        };
        view.count = Field::of(typed);
        view.count.wrong = Some(format!("type {} to delete them", view.able));
        return view
            .show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
            .await;
    }
    let asked = BulkDevices {
        action: deed.action,
        devices: chosen.clone(),
        role: None,
        preview: false,
        seen: Some(post.all("seen").map(str::to_owned).collect()),
    };
    let own = api.service.own_addresses();
    match device::bulk(&api.store, ask.visitor.author(), asked, own).await {
        Ok(answer) => {
            let view = View {
                deed,
                able: answer.devices.len() as u64,
                rows: answer.devices,
                more: 0,
                gone: 0,
                is_done: true,
                wrong: None,
                count: Field::default(),
                needs_count: false,
            };
            view.show(&api, &ask, StatusCode::OK).await
        }
        Err(err @ (Error::SeenOtherwise { .. } | Error::NotFound { .. })) => {
            let Some(mut view) = View::preview(&api, &ask, deed, chosen).await? else {
                return Ok(done("/devices", "gone"));
            };
            view.wrong = Some(format!("{err}. This is how it stands; look at it again."));
            view.show(&api, &ask, StatusCode::CONFLICT).await
        }
        Err(Error::Refused(refusal)) => {
            let Some(mut view) = View::preview(&api, &ask, deed, chosen).await? else {
                return Ok(done("/devices", "gone"));
            };
            view.wrong = Some(refusal.why);
            view.show(&api, &ask, StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
        Err(err) => Err(err),
    }
}

/// Those of the chosen devices that are there.
async fn left_of(api: &Api, chosen: Vec<String>) -> Result<Vec<String>, Error> {
    let chosen: Vec<(String, DeviceRef)> = chosen
        .into_iter()
        .map(|text| Ok((text.clone(), text.parse()?)))
        .collect::<Result<_, Error>>()?;
    device::look(&api.store, move |reader| {
        let mut left = Vec::new();
        for (text, who) in chosen {
            match device::find(reader, &who) {
                Ok(_) => left.push(text),
                Err(Error::NotFound { .. }) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(left)
    })
    .await
}
