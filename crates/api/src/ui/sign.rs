//! `/sign-in`, `/sign-out` and `/set-up`: the only pages without a session.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;

use super::fields::{Field, Fields};
use super::page::{Ask, Query, render_for_stranger};
use super::post::{OpenPost, Post};
use crate::auth::{self, Origin, SignInRefusal};
use crate::{Api, Error};

#[derive(Serialize)]
struct SignIn {
    form: Fields,
    wrong: Option<String>,
    /// Whether nobody could sign in yet.
    is_new: bool,
}

impl SignIn {
    async fn blank(api: &Api, next: &str) -> Result<Self, Error> {
        Ok(Self {
            form: Fields::new([
                ("next", Field::of(next)),
                ("name", Field::default()),
                ("password", Field::default()),
            ]),
            wrong: None,
            is_new: !auth::has_users(&api.gate).await?,
        })
    }
}

pub(super) async fn sign_in_form(State(api): State<Api>, query: Query) -> Result<Response, Error> {
    let view = SignIn::blank(&api, query.read().text("next")).await?;
    render_for_stranger(&api, "sign-in.html", StatusCode::OK, &view)
}

pub(super) async fn sign_in(
    State(api): State<Api>,
    origin: Origin,
    OpenPost(post): OpenPost,
) -> Result<Response, Error> {
    let password = post.get("password").unwrap_or_default();
    let opened = auth::sign_in(&api.gate, post.text("name"), password, &origin.from).await;
    let (status, wrong) = match opened {
        Ok(session) => {
            let cookie = session.cookie(origin.tls);
            return Ok((cookie, Redirect::to(inside(post.text("next")))).into_response());
        }
        Err(SignInRefusal::Failed(err)) => return Err(err),
        Err(refusal @ SignInRefusal::Wrong) => (StatusCode::UNPROCESSABLE_ENTITY, refusal),
        Err(refusal @ SignInRefusal::SlowDown { .. }) => (StatusCode::TOO_MANY_REQUESTS, refusal),
    };
    let mut view = SignIn::blank(&api, post.text("next")).await?;
    view.form.set("name", post.text("name"));
    view.wrong = Some(sentence(&wrong.to_string()));
    render_for_stranger(&api, "sign-in.html", status, &view)
}

/// A page of this daemon; an address of another host is none.
fn inside(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_path && is_plain { next } else { "/" }
}

/// A message as a sentence.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

pub(super) async fn sign_out(
    State(api): State<Api>,
    ask: Ask,
    origin: Origin,
    _post: Post,
) -> Result<Response, Error> {
    auth::sign_out(&api.gate, ask.visitor.session).await?;
    let cookie = auth::signed_out_cookie(origin.tls);
    Ok((cookie, Redirect::to("/sign-in")).into_response())
}

#[derive(Serialize)]
struct SetUp {
    form: Fields,
    wrong: Option<String>,
    /// Whether the link is good.
    is_open: bool,
}

impl SetUp {
    async fn blank(api: &Api, token: &str) -> Result<Self, Error> {
        Ok(Self {
            form: Fields::new([
                ("token", Field::of(token)),
                ("name", Field::default()),
                ("password", Field::default()),
                ("again", Field::default()),
            ]),
            wrong: None,
            is_open: auth::set_up_open(&api.gate, token).await?,
        })
    }
}

pub(super) async fn set_up_form(State(api): State<Api>, query: Query) -> Result<Response, Error> {
    let view = SetUp::blank(&api, query.read().text("token")).await?;
    render_for_stranger(&api, "set-up.html", StatusCode::OK, &view)
}

pub(super) async fn set_up(
    State(api): State<Api>,
    origin: Origin,
    OpenPost(post): OpenPost,
) -> Result<Response, Error> {
    let password = post.get("password").unwrap_or_default();
    let made = if post.get("again") == Some(password) {
        let (token, name) = (post.text("token"), post.text("name"));
        auth::set_up(&api.gate, token, name, password, &origin.from).await
    } else {
        Err(Error::invalid("again", "is not the same password"))
    };
    match made {
        Ok(session) => Ok((session.cookie(origin.tls), Redirect::to("/")).into_response()),
        Err(err) => {
            let mut view = SetUp::blank(&api, post.text("token")).await?;
            view.form.set("name", post.text("name"));
            view.wrong = view.form.refuse(err)?;
            render_for_stranger(&api, "set-up.html", StatusCode::UNPROCESSABLE_ENTITY, &view)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_returns_to_pages_of_this_daemon_only() {
        assert_eq!(inside("/devices?q=a"), "/devices?q=a");
        for next in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb",
        ] {
            assert_eq!(inside(next), "/", "{next:?}");
        }
    }
}
