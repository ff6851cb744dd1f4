//! Rendering: the templates, the frame around each page, and the headers that keep it in.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::ApprovalStatus;
use serde::Serialize;
use store::Lane;
use tera::{Context, Tera};

use super::filter;
use super::post::Post;
use super::statics;
use super::visitor::Visitor;
use crate::auth::Session;
use crate::types::ErrorBody;
use crate::{Api, Error};

/// The templates of the pages: the built-in ones, with an operator's own in their place where there are any. Clones share them.
#[derive(Clone, Debug)]
pub struct Pages(Arc<Tera>);

/// A template that cannot be used, with its name, line and column.
#[derive(Debug, thiserror::Error)]
#[error("page template: {0}")]
pub struct PageError(String);

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../templates/ui/", $name)))),*]
    };
}

/// The built-in templates by file name.
const BUILT_IN: [(&str, &str); 18] = built_in![
    "approve.html",
    "assets.html",
    "bulk.html",
    "cluster.html",
    "device-new.html",
    "device.html",
    "devices.html",
    "diagnostics.html",
    "events.html",
    "layout.html",
    "network.html",
    "overview.html",
    "parts.html",
    "patch.html",
    "people.html",
    "set-up.html",
    "sign-in.html",
    "trouble.html",
];

impl Pages {
    /// Takes the built-in templates and an operator's own, as (file name, text). A name that is not built in, or a text that is no
    /// template, is an error.
    pub fn new(own: &[(String, String)]) -> Result<Self, PageError> {
        let mut texts = BUILT_IN;
        for (name, text) in own {
            let Some(entry) = texts.iter_mut().find(|(built_in, _)| built_in == name) else {
                let known = BUILT_IN.map(|(name, _)| name).join(", ");
                return Err(PageError(format!(
                    "{name} replaces nothing; the templates are {known}"
                )));
            };
            entry.1 = text;
        }
        let mut tera = Tera::new();
        tera.autoescape_on([".html"]);
        filter::register(&mut tera);
        tera.add_raw_templates(texts)
            .map_err(|err| PageError(err.to_string()))?;
        Ok(Self(Arc::new(tera)))
    }

    fn render(&self, name: &str, shell: &Shell, view: &impl Serialize) -> Result<String, Error> {
        let wrong = |err: tera::Error| Error::Internal(format!("page template: {err}"));
        let mut context = Context::from_serialize(view).map_err(wrong)?;
        context.insert("shell", shell);
        self.0.render(name, &context).map_err(wrong)
    }
}

/// The frame around a page.
#[derive(Debug, Serialize)]
struct Shell {
    here: &'static str,
    visitor: Option<Visitor>,
    /// How many devices wait for approval.
    pending: u64,
    /// What was just done, in a sentence.
    notice: Option<&'static str>,
    version: &'static str,
    css: String,
    js: String,
    logo: String,
}

impl Shell {
    fn new(
        here: &'static str,
        visitor: Option<Visitor>,
        pending: u64,
        notice: Option<&'static str>,
    ) -> Self {
        Self {
            here,
            visitor,
            pending,
            notice,
            version: env!("CARGO_PKG_VERSION"),
            css: statics::css(),
            js: statics::js(),
            logo: statics::logo(),
        }
    }
}

/// Who asks for a page, and what the last form says in passing: what a page needs beside its own subject.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) visitor: Visitor,
    query: Query,
}

impl<S: Sync> FromRequestParts<S> for Ask {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Ok(Self {
            visitor: Visitor::from_request_parts(parts, state).await?,
            query: Query::of(parts),
        })
    }
}

impl Ask {
    /// What follows the `?`.
    pub(super) fn query(&self) -> Post {
        self.query.read()
    }
}

/// What follows the `?` of an address: all that a page for somebody without a session needs.
#[derive(Clone, Debug)]
pub(super) struct Query(String);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Query {
    fn of(parts: &Parts) -> Self {
        Self(parts.uri.query().unwrap_or_default().to_owned())
    }

    /// Its fields.
    pub(super) fn read(&self) -> Post {
        Post::parse(self.0.as_bytes())
    }
}

/// Renders a page; `here` is the path of the tab it is under. A refused form is a page too, with another status.
pub(super) async fn render(
    api: &Api,
    ask: &Ask,
    (name, here): (&str, &'static str),
    status: StatusCode,
    view: &(impl Serialize + Sync),
) -> Result<Response, Error> {
    let pending = api
        .store
        .read(Lane::Admin, |reader| {
            reader.count_devices(Some(ApprovalStatus::Pending))
        })
        .await?;
    let notice = notice(ask.query().text("said"));
    let shell = Shell::new(here, Some(ask.visitor.clone()), pending, notice);
    let text = api.pages.render(name, &shell, view)?;
    Ok(html(status, text))
}

/// Renders a page for somebody without a session.
pub(super) fn render_for_stranger(
    api: &Api,
    name: &str,
    status: StatusCode,
    view: &impl Serialize,
) -> Result<Response, Error> {
    let shell = Shell::new("", None, 0, None);
    let text = api.pages.render(name, &shell, view)?;
    Ok(html(status, text))
}

fn html(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

/// Goes to a page after a form was done; the page says it in the words of [`notice`].
pub(super) fn done(page: &str, said: &str) -> Response {
    let mut headers = HeaderMap::new();
    let to = format!("{page}?said={said}");
    if let Ok(to) = HeaderValue::from_str(&to) {
        headers.insert(LOCATION, to);
    }
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The sentence for what was just done; the address only carries its word, so that nobody can put words of their own on the page.
fn notice(said: &str) -> Option<&'static str> {
    Some(match said {
        "added" => "The device was added. It waits for approval.",
        "approved" => "Approved. A machine that waits goes on by itself.",
        "rejected" => "The device was rejected.",
        "deleted" => "The device was deleted.",
        "saved" => "Saved.",
        "unchanged" => "Nothing was changed.",
        "ordered" => "The boot order was given; it holds at the next network boot.",
        "wipe-ordered" => {
            "The wipe is ordered. The next network boot wipes the disk, once; the order ends after a day, and with any change of the device."
        }
        "wipe-declined" => "The wipe is called off; nothing is wiped.",
        "identity-decided" => "Taken down: who the device is, is decided.",
        "renewed" => "The machine may fetch its config with the token it has.",
        "vouched" => "Taken down as your word.",
        "imported" => "The base configs are in use, and the device configs were made anew.",
        "cluster-made" => {
            "The cluster's secrets and base configs are made. Approve the first control plane next, and keep a copy of the secrets."
        }
        "generated" => {
            "The base configs were made from the settings, and the device configs with them."
        }
        "secrets-imported" => "The secrets are in use; the ones before are kept as a backup.",
        "patch-saved" => "The patch was saved, and the configs it is for were made anew.",
        "patch-deleted" => "The patch was deleted, and the configs it was for were made anew.",
        "regenerated" => "All device configs were made anew.",
        "strict-on" => {
            "Saved. Strict boot mode is on: a machine that nobody approved waits, and its disks are left alone."
        }
        "strict-off" => {
            "Saved. Strict boot mode is off: a machine that nobody approved boots its disk, or Talos without a config if no disk boots."
        }
        "asset-imported" => "The file was imported.",
        "asset-removed" => "The file was removed.",
        "user-added" => "The user was added.",
        "user-deleted" => "The user was deleted.",
        "token-revoked" => "The token was revoked.",
        _ => return None,
    })
}

/// What a page may load and where it may go: its own host, nothing written into it, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// Lets a request through that has a session, puts the headers on its page, and makes a page of an error.
pub(super) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let visitor = match Session::from_request_parts(&mut parts, &api).await {
        Ok(session) => Visitor::from(session),
        Err(none) => return dressed(none.into_response()),
    };
    parts.extensions.insert(visitor.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind == "application/json");
    dressed(if is_error && is_json {
        trouble(&api, visitor, response).await
    } else {
        response
    })
}

/// Makes a page of the answer to an address that is none, where a browser asks for it; to a program it is answered as it is.
pub(crate) async fn as_page(state: State<Api>, request: Request, next: Next) -> Response {
    let accepts = request.headers().get(ACCEPT);
    let accepts = accepts.and_then(|accepts| accepts.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        gate(state, request, next).await
    } else {
        next.run(request).await
    }
}

/// Puts the headers on pages that need no session.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    dressed(next.run(request).await)
}

fn dressed(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The longest error that is made a page of.
const ERROR_BODY: usize = 64 << 10;

async fn trouble(api: &Api, visitor: Visitor, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, ERROR_BODY).await.unwrap_or_default();
    let Ok(told) = serde_json::from_slice::<ErrorBody>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    #[derive(Serialize)]
    struct Trouble {
        heading: &'static str,
        message: String,
        hint: Option<String>,
    }
    let view = Trouble {
        heading: match parts.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            status if status.is_server_error() => "ktizo could not do that",
            _ => "That was refused",
        },
        message: told.message,
        hint: told.hint,
    };
    let shell = Shell::new("", Some(visitor), 0, None);
    match api.pages.render("trouble.html", &shell, &view) {
        Ok(text) => html(parts.status, text),
        Err(err) => err.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_own_template_must_replace_one_and_be_one() {
        let own = |name: &str, text: &str| Pages::new(&[(name.to_owned(), text.to_owned())]);
        assert!(own("trouble.html", "{{ heading }}").is_ok());
        assert!(
            own("other.html", "")
                .unwrap_err()
                .to_string()
                .contains("replaces nothing")
        );
        assert!(own("trouble.html", "{% if %}").is_err());
    }
}
