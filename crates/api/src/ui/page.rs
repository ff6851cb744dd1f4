//! Rendering: the templates, and who asks for a page.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use model::ApprovalStatus;
use serde::Serialize;
use store::Lane;
use tera::{Context, Tera};

use super::filter;
use super::notice::notice;
use super::post::Post;
use super::statics;
use super::visitor::Visitor;
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
const BUILT_IN: [(&str, &str); 19] = built_in![
    "account.html",
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

/// Renders the page of an error.
pub(super) fn render_trouble(
    api: &Api,
    visitor: Visitor,
    status: StatusCode,
    view: &impl Serialize,
) -> Result<Response, Error> {
    let shell = Shell::new("", Some(visitor), 0, None);
    let text = api.pages.render("trouble.html", &shell, view)?;
    Ok(html(status, text))
}

fn html(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
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

    #[test]
    fn what_is_named_keeps_its_order() {
        let text = "{% for key, _ in all %}{{ key }} {% endfor %}";
        let pages = Pages::new(&[("trouble.html".to_owned(), text.to_owned())]).unwrap();
        let all: std::collections::BTreeMap<_, _> = ('a'..='z').map(|key| (key, "")).collect();
        let shell = Shell::new("", None, 0, None);
        let view = serde_json::json!({"all": all});
        let keys: String = ('a'..='z').flat_map(|key| [key, ' ']).collect();
        assert_eq!(pages.render("trouble.html", &shell, &view).unwrap(), keys);
    }
}
