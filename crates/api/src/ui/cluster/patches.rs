//! `/cluster/patches`: the editor of one patch.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Authority, PatchId, PatchScope};
use serde::Serialize;
use serde_json::json;

use super::{REFUSED, file};
use crate::device::{DeviceRef, look, number_of};
use crate::types::{Patch, PatchChecked, SavePatch};
use crate::ui::fields::{Choice, Field, Fields};
use crate::ui::notice::done;
use crate::ui::page::{Ask, render};
use crate::ui::post::Post;
use crate::ui::seen::{self, Seen};
use crate::{Api, Error, IfMatch, body, patch};

#[derive(Serialize)]
struct View {
    form: Fields,
    /// The patch that is edited; a new one has neither scope nor name yet.
    known: Option<Patch>,
    /// Which version of it is deleted from here.
    seen: Option<Seen>,
    /// How what was typed differs from what somebody else saved meanwhile.
    theirs: Option<String>,
    /// What it would do, if that was asked for.
    checked: Option<PatchChecked>,
    scopes: Vec<Choice>,
    wrong: Option<String>,
}

impl View {
    fn new(scope: &str, device: &str) -> Self {
        Self {
            form: Fields::new([
                ("scope", Field::of(scope)),
                ("device", Field::of(device)),
                ("name", Field::default()),
                ("text", Field::default()),
                // The fingerprint of the text that is edited: a change by somebody else since must not be lost.
                ("seen", Field::default()),
            ]),
            known: None,
            seen: None,
            theirs: None,
            checked: None,
            scopes: PatchScope::ALL
                .iter()
                .map(|scope| Choice::new(scope, said(*scope)))
                .collect(),
            wrong: None,
        }
    }

    fn of(known: Patch) -> Self {
        let mut view = Self::new(known.scope.as_str(), "");
        if let Some(mac) = known.mac_address {
            view.form.set("device", mac);
        }
        view.form.set("name", &known.name);
        view.form
            .set("text", known.text.as_deref().unwrap_or_default());
        view.form.set("seen", patch::version(&known));
        view.know(Some(Patch {
            text: None,
            ..known
        }));
        view
    }

    fn know(&mut self, known: Option<Patch>) {
        let version = known.as_ref().map(patch::version);
        self.seen = version.map(|version| Seen::of(&version, None));
        self.known = known;
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("patch.html", "/cluster"), status, self).await
    }
}

fn said(scope: PatchScope) -> &'static str {
    match scope {
        PatchScope::Cluster => "all machines",
        PatchScope::Controlplane => "control planes",
        PatchScope::Worker => "workers",
        PatchScope::Device => "one device",
    }
}

pub(in crate::ui) async fn blank(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let query = ask.query();
    let scope: PatchScope = query.text("scope").parse().unwrap_or(PatchScope::Cluster);
    let view = View::new(scope.as_str(), query.text("device"));
    view.show(&api, &ask, StatusCode::OK).await
}

pub(in crate::ui) async fn edit(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let known = patch::show(&api.store, ask.visitor.author(), PatchId(id)).await?;
    View::of(known).show(&api, &ask, StatusCode::OK).await
}

/// What is said to the second of two people who change the same patch.
const STALE: &str = "Somebody else changed this patch while you were typing. What you typed is below, after what differs from theirs. \
     Save again to put it in the place of theirs.";
/// The same where it is not there any more.
const GONE: &str = "Somebody else deleted this patch while you were typing. What you typed is below. Save again to add it anew.";
/// What is said to whom deletes a patch from an old page.
const CHANGED: &str = "Somebody else changed this patch after this page was made, so it was not deleted. This is how it is now.";
/// What is said of a new patch whose name is another's.
const TAKEN: &str =
    "is the name of another patch for the same machines; open that one to change it";

/// Saves a patch, or only tells what it would do.
pub(in crate::ui) async fn save(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let text = file(&post, "text").unwrap_or_default();
    let mut sent = json!({"scope": post.text("scope"), "name": post.text("name"), "text": text});
    if post.text("scope") == PatchScope::Device.as_str() {
        sent["device"] = post.text("device").into();
    }
    let mut known = None;
    let tried = match body::read_value::<SavePatch>(sent) {
        Ok(new) => {
            known = same(&api, &new).await?;
            let seen = IfMatch::from_form(post.text("seen"));
            if post.text("then") == "check" {
                patch::check(&api.store, new).await.map(Some)
            } else if post.text("seen").is_empty() && known.is_some() {
                Err(Error::invalid("name", TAKEN))
            } else {
                let author = ask.visitor.author();
                let saved = patch::save(&api.store, &api.progress, author, new, seen).await;
                saved.map(|_| None)
            }
        }
        Err(err) => Err(err),
    };
    let mut view = View::new("", "");
    view.form.typed(&post);
    let is_edited = !post.text("seen").is_empty();
    view.know(known.filter(|_| is_edited));
    match tried {
        Ok(None) => Ok(done("/cluster", "patch-saved")),
        Ok(checked) => {
            view.checked = checked;
            view.show(&api, &ask, StatusCode::OK).await
        }
        Err(Error::Stale) => {
            let now = view.known.as_ref().map(patch::version);
            view.form
                .set("seen", now.map(|now| now.to_string()).unwrap_or_default());
            view.wrong = Some(if view.known.is_some() { STALE } else { GONE }.to_owned());
            if let Some(known) = &view.known {
                let theirs = patch::show(&api.store, ask.visitor.author(), known.id).await?;
                let theirs = theirs.text.unwrap_or_default();
                view.theirs = Some(configgen::unified(&theirs, post.text("text"), 3));
            }
            view.show(&api, &ask, StatusCode::CONFLICT).await
        }
        Err(err) => {
            view.wrong = view.form.refuse(err)?;
            view.show(&api, &ask, REFUSED).await
        }
    }
}

/// The patch that is there already in the place of a new one.
async fn same(api: &Api, new: &SavePatch) -> Result<Option<Patch>, Error> {
    let patches = patch::list(&api.store, Authority::Admin).await?;
    // Written in whichever way, it is the same device.
    let who: Option<DeviceRef> = new.device.as_deref().and_then(|text| text.parse().ok());
    let device = look(&api.store, move |reader| match &who {
        Some(who) => Ok(number_of(reader, who)?),
        None => Ok(None),
    })
    .await?;
    Ok(patches.into_iter().find(|it| {
        let is_of = device.is_some() && it.device == device;
        it.scope == new.scope && it.name == new.name && (it.scope != PatchScope::Device || is_of)
    }))
}

pub(in crate::ui) async fn delete(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<i64>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let (author, expected) = (ask.visitor.author(), seen::expected(&post));
    match patch::delete(&api.store, &api.progress, author, PatchId(id), expected).await {
        Ok(_) => Ok(done("/cluster", "patch-deleted")),
        Err(Error::Stale) => {
            let now = patch::show(&api.store, ask.visitor.author(), PatchId(id)).await?;
            let mut view = View::of(now);
            view.wrong = Some(CHANGED.to_owned());
            view.show(&api, &ask, StatusCode::CONFLICT).await
        }
        Err(err) => {
            let mut view =
                View::of(patch::show(&api.store, ask.visitor.author(), PatchId(id)).await?);
            view.wrong = view.form.refuse(err)?;
            view.show(&api, &ask, REFUSED).await
        }
    }
}
