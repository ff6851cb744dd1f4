//! `/people`: users and API tokens.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Authority, PersonName, TokenId};
use serde::Serialize;
use serde_json::json;

use super::fields::{Choice, Field, Fields, told};
use super::notice::done;
use super::page::{Ask, render};
use super::post::Post;
use super::seen::{self, SeenUser};
use crate::types::{ApiToken, NewToken, NewUser, UserPatch};
use crate::{Api, Error, IfMatch, body, people};

#[derive(Serialize)]
struct View {
    users: Vec<SeenUser>,
    tokens: Vec<ApiToken>,
    user: Fields,
    token: Fields,
    /// The user whose change was refused.
    refused: Option<Refused>,
    /// The secret of a token that was just made; shown this once.
    secret: Option<String>,
    wrong: Option<String>,
    authorities: Vec<Choice>,
}

/// A change of a user that was refused, as it was typed but for the password.
#[derive(Serialize)]
struct Refused {
    name: PersonName,
    authority: String,
    wrong: String,
    /// Whether it was for the password.
    is_password: bool,
}

impl View {
    async fn read(api: &Api) -> Result<Self, Error> {
        let last = seen::last_event(api).await?;
        let users = people::users(&api.store).await?.into_iter();
        Ok(Self {
            users: users.map(|user| SeenUser::new(user, last)).collect(),
            tokens: people::tokens(&api.store).await?,
            user: Fields::new([
                ("name", Field::default()),
                ("authority", Field::of(Authority::Operator)),
                ("password", Field::default()),
            ]),
            token: Fields::new([
                ("token_name", Field::default()),
                ("token_authority", Field::of(Authority::Viewer)),
                ("days", Field::of(90)),
            ]),
            refused: None,
            secret: None,
            wrong: None,
            authorities: Choice::words(Authority::ALL),
        })
    }

    async fn show(&self, api: &Api, ask: &Ask, status: StatusCode) -> Result<Response, Error> {
        render(api, ask, ("people.html", "/people"), status, self).await
    }
}

const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

pub(super) async fn show(State(api): State<Api>, ask: Ask) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    View::read(&api)
        .await?
        .show(&api, &ask, StatusCode::OK)
        .await
}

pub(super) async fn add_user(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let new = json!({
        "name": post.text("name"),
        "authority": post.text("authority"),
        "password": post.get("password").unwrap_or_default(),
    });
    let added = match body::read_value::<NewUser>(new) {
        Ok(new) => people::add_user(&api.store, ask.visitor.author(), new).await,
        Err(err) => Err(err),
    };
    match added {
        Ok(_) => Ok(done("/people", "user-added")),
        Err(err) => {
            let mut view = View::read(&api).await?;
            view.user.typed(&post);
            view.wrong = view.user.refuse(err)?;
            view.show(&api, &ask, REFUSED).await
        }
    }
}

pub(super) async fn change_user(
    State(api): State<Api>,
    ask: Ask,
    Path(name): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let name = named(&name)?;
    let mut patch = json!({});
    // What was not touched is not given again: somebody else may have taken it away since the page was made.
    let is_given = post.get("was") != post.get("authority");
    let expected = if is_given {
        patch["authority"] = post.text("authority").into();
        seen::expected(&post)
    } else {
        IfMatch::any()
    };
    let password = post.get("password").unwrap_or_default();
    if !password.is_empty() {
        patch["password"] = password.into();
    }
    let changed = match body::read_value::<UserPatch>(patch) {
        Ok(patch) => {
            let author = ask.visitor.author();
            people::change_user(&api.store, author, name.clone(), patch, expected).await
        }
        Err(err) => Err(err),
    };
    let Err(err) = changed else {
        return Ok(done("/people", "saved"));
    };
    let mut view = View::read(&api).await?;
    let (status, field, wrong) = match err {
        Error::Stale => {
            let user = people::user(&api.store, name.clone()).await?;
            let changes = seen::changes_of_user_since(&api, name.clone(), &post).await?;
            let wrong = format!(
                "Nothing was done, for {name} changed after this page was made ({changes}), and is {} now.",
                user.authority
            );
            (StatusCode::CONFLICT, None, wrong)
        }
        err => {
            let (field, wrong) = told(err)?;
            (REFUSED, field, wrong)
        }
    };
    view.refused = Some(Refused {
        name,
        authority: post.text("authority").to_owned(),
        wrong,
        is_password: field.as_deref() == Some("password"),
    });
    view.show(&api, &ask, status).await
}

pub(super) async fn delete_user(
    State(api): State<Api>,
    ask: Ask,
    Path(name): Path<String>,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let (name, author) = (named(&name)?, ask.visitor.author());
    match people::delete_user(&api.store, author, name.clone(), seen::expected(&post)).await {
        Ok(()) => Ok(done("/people", "user-deleted")),
        Err(Error::Stale) => {
            let changes = seen::changes_of_user_since(&api, name.clone(), &post).await?;
            let mut view = View::read(&api).await?;
            view.wrong = Some(format!(
                "Nothing was done, for {name} changed after this page was made ({changes})."
            ));
            view.show(&api, &ask, StatusCode::CONFLICT).await
        }
        Err(err) => refused(&api, &ask, err).await,
    }
}

pub(super) async fn add_token(
    State(api): State<Api>,
    ask: Ask,
    post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    let made = match new_token(&post) {
        Ok(new) => people::add_token(&api.store, ask.visitor.caller(), new).await,
        Err(err) => Err(err),
    };
    let mut view = View::read(&api).await?;
    match made {
        Ok(made) => {
            // The one form whose answer is no redirect: the secret is kept nowhere.
            view.secret = Some(made.secret);
            view.show(&api, &ask, StatusCode::CREATED).await
        }
        Err(err) => {
            view.token.typed(&post);
            view.wrong = view.token.refuse(of_token(err))?;
            view.show(&api, &ask, REFUSED).await
        }
    }
}

fn new_token(post: &Post) -> Result<NewToken, Error> {
    let days = match post.text("days") {
        "" => None,
        text => {
            let wrong = |_| Error::invalid("days", "must be a number of days, or empty");
            Some(text.parse::<u32>().map_err(wrong)?)
        }
    };
    body::read_value(json!({
        "name": post.text("token_name"),
        "authority": post.text("token_authority"),
        "days": days,
    }))
}

/// The form's fields have names of their own, for there are two forms on the page.
fn of_token(err: Error) -> Error {
    match err {
        Error::Refused(mut refusal) => {
            refusal.field = refusal.field.map(|field| match field.as_str() {
                "name" | "authority" => format!("token_{field}"),
                _ => field,
            });
            Error::Refused(refusal)
        }
        Error::Store(store::Error::Taken { field: "name", .. }) => {
            let why = "is taken by another token";
            Error::refused("taken", Some("token_name".to_owned()), why, None)
        }
        other => other,
    }
}

pub(super) async fn revoke_token(
    State(api): State<Api>,
    ask: Ask,
    Path(id): Path<i64>,
    _post: Post,
) -> Result<Response, Error> {
    ask.visitor.must_admin()?;
    people::revoke_token(&api.store, ask.visitor.author(), TokenId(id)).await?;
    Ok(done("/people", "token-revoked"))
}

async fn refused(api: &Api, ask: &Ask, err: Error) -> Result<Response, Error> {
    let mut view = View::read(api).await?;
    view.wrong = Some(told(err)?.1);
    view.show(api, ask, REFUSED).await
}

fn named(name: &str) -> Result<PersonName, Error> {
    name.parse().map_err(|_| Error::NotFound {
        what: "user",
        name: name.chars().filter(|c| !c.is_control()).take(64).collect(),
    })
}
