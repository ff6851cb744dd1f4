//! `/patches`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use model::PatchId;

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{Patch, PatchChecked, PatchContent, PatchDone, SavePatch};
use crate::version::IfMatch;
use crate::{Api, Error, patch};

type Answer<T> = Result<Json<T>, Error>;

fn number(id: &str) -> Result<PatchId, Error> {
    let number = id.parse().ok().filter(|number| *number > 0);
    number
        .map(PatchId)
        .ok_or_else(|| Error::invalid("id", "is not the number of a patch"))
}

pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Answer<Vec<Patch>> {
    patch::list(&api.store, caller.authority).await.map(Json)
}

pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let shown = patch::show(&api.store, caller.author(), number(&id)?).await?;
    Ok((patch::version(&shown).header(), Json(shown)))
}

/// What was done, with the version that there is now.
fn versioned(done: PatchDone) -> impl IntoResponse {
    (patch::version(&done.patch).header(), Json(done))
}

pub(crate) async fn save(
    State(api): State<Api>,
    caller: Caller,
    expected: IfMatch,
    Body(new): Body<SavePatch>,
) -> Result<impl IntoResponse, Error> {
    let author = caller.author();
    let (done, is_new) = patch::save(&api.store, &api.progress, author, new, expected).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, versioned(done)))
}

pub(crate) async fn check(
    State(api): State<Api>,
    Body(new): Body<SavePatch>,
) -> Answer<PatchChecked> {
    patch::check(&api.store, new).await.map(Json)
}

pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
    Body(content): Body<PatchContent>,
) -> Result<impl IntoResponse, Error> {
    patch::change(
        &api.store,
        &api.progress,
        caller.author(),
        number(&id)?,
        content.text,
        expected,
    )
    .await
    .map(versioned)
}

pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    expected: IfMatch,
) -> Answer<PatchDone> {
    let author = caller.author();
    patch::delete(&api.store, &api.progress, author, number(&id)?, expected)
        .await
        .map(Json)
}
