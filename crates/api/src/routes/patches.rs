//! `/patches`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::PatchId;

use crate::auth::Caller;
use crate::body::Body;
use crate::types::{Patch, PatchChecked, PatchContent, PatchDone, SavePatch};
use crate::{Api, Error, patch};

type Answer<T> = Result<Json<T>, Error>;

fn number(id: &str) -> Result<PatchId, Error> {
    let number = id.parse().ok().filter(|number| *number > 0);
    number
        .map(PatchId)
        .ok_or_else(|| Error::invalid("id", "is not the number of a patch"))
}

pub(crate) async fn list(State(api): State<Api>) -> Answer<Vec<Patch>> {
    patch::list(&api.store).await.map(Json)
}

pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Patch> {
    patch::show(&api.store, caller.author(), number(&id)?)
        .await
        .map(Json)
}

pub(crate) async fn save(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<SavePatch>,
) -> Result<(StatusCode, Json<PatchDone>), Error> {
    let (done, is_new) = patch::save(&api.store, &api.progress, caller.author(), new).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(done)))
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
    Body(content): Body<PatchContent>,
) -> Answer<PatchDone> {
    patch::change(
        &api.store,
        &api.progress,
        caller.author(),
        number(&id)?,
        content.text,
    )
    .await
    .map(Json)
}

pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<PatchDone> {
    patch::delete(&api.store, &api.progress, caller.author(), number(&id)?)
        .await
        .map(Json)
}
