//! `/users`, `/tokens`, `/set-up-link` and `/whoami`.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use model::{PersonName, TokenId};

use crate::auth::{Caller, Credential};
use crate::body::Body;
use crate::types::{ApiToken, NewToken, NewUser, OwnPassword, SetUpLink, User, UserPatch, Whoami};
use crate::version::IfMatch;
use crate::{Api, Error, auth, people};

type Answer<T> = Result<Json<T>, Error>;

pub(crate) async fn users(State(api): State<Api>) -> Answer<Vec<User>> {
    people::users(&api.store).await.map(Json)
}

pub(crate) async fn add_user(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<User>), Error> {
    let added = people::add_user(&api.store, caller.author(), new).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

pub(crate) async fn user(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Error> {
    people::user(&api.store, named(&name)?).await.map(versioned)
}

/// A user with its version.
fn versioned(user: User) -> impl IntoResponse {
    (people::version(&user).header(), Json(user))
}

pub(crate) async fn change_user(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    expected: IfMatch,
    Body(patch): Body<UserPatch>,
) -> Result<impl IntoResponse, Error> {
    people::change_user(&api.store, caller.author(), named(&name)?, patch, expected)
        .await
        .map(versioned)
}

pub(crate) async fn change_own_password(
    State(api): State<Api>,
    Extension(credential): Extension<Credential>,
    caller: Caller,
    Body(asked): Body<OwnPassword>,
) -> Result<StatusCode, Error> {
    auth::change_own_password(&api.gate, &caller, &credential, asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn delete_user(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    expected: IfMatch,
) -> Result<StatusCode, Error> {
    people::delete_user(&api.store, caller.author(), named(&name)?, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn tokens(State(api): State<Api>) -> Answer<Vec<ApiToken>> {
    people::tokens(&api.store).await.map(Json)
}

pub(crate) async fn add_token(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<NewToken>,
) -> Result<impl IntoResponse, Error> {
    let made = people::add_token(&api.store, &caller, new).await?;
    Ok((
        StatusCode::CREATED,
        [(CACHE_CONTROL, "no-store")],
        Json(made),
    ))
}

pub(crate) async fn revoke_token(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id = id
        .parse()
        .map_err(|_| Error::invalid("id", "is not the number of an API token"))?;
    people::revoke_token(&api.store, caller.author(), TokenId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn make_set_up_link(
    State(api): State<Api>,
    caller: Caller,
) -> Result<impl IntoResponse, Error> {
    let token = auth::make_set_up_link(&api.gate, caller.author()).await?;
    let path = format!("/set-up?token={token}");
    let link = Json(SetUpLink { path });
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], link))
}

pub(crate) async fn whoami(caller: Caller) -> Json<Whoami> {
    Json(Whoami {
        actor: caller.actor,
        authority: caller.authority,
        from: caller.from,
    })
}

fn named(name: &str) -> Result<PersonName, Error> {
    name.parse()
        .map_err(|err: model::ParseError| Error::invalid("name", err.to_string()))
}
