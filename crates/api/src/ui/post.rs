//! What a form sends.

use std::borrow::Cow;

use axum::extract::{FromRequest, FromRequestParts as _, RawForm, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::visitor::Visitor;
use crate::Error;

/// A form that was sent, and showed the CSRF token of its session.
#[derive(Debug)]
pub(super) struct Post(Vec<(String, String)>);

impl Post {
    /// The first value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        let found = fields.find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first value of a field, without spaces around it; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// The first value of a field as the API takes it, without spaces around it; null if there is none or it is empty.
    pub(super) fn or_null(&self, name: &str) -> Value {
        match self.text(name) {
            "" => Value::Null,
            text => text.into(),
        }
    }

    /// Every value of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = move |(field, _): &&(String, String)| field == name;
        self.0
            .iter()
            .filter(of_name)
            .map(|(_, value)| value.as_str())
    }

    /// Fields that came with a file.
    pub(super) fn of(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// The fields of a query or a form, as they are written in a URL. Browsers send every line break as CR LF, whatever was typed
    /// (HTML, "constructing the entry list").
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let of_lines = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            (name.into_owned(), value.replace("\r\n", "\n"))
        };
        Self(form_urlencoded::parse(bytes).map(of_lines).collect())
    }
}

impl<S: Send + Sync> FromRequest<S> for Post {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        let post = read(Request::from_parts(parts, body), state).await?;
        visitor
            .session
            .check_csrf(post.get("csrf").unwrap_or_default())?;
        Ok(post)
    }
}

/// A form that was sent by somebody without a session.
#[derive(Debug)]
pub(super) struct OpenPost(pub(super) Post);

impl<S: Send + Sync> FromRequest<S> for OpenPost {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if is_of_another_site(request.headers()) {
            return Err(Error::Forbidden {
                why: "the form was sent by the page of another site".to_owned(),
                hint: "open the page of ktizo itself and send it again".to_owned(),
            });
        }
        read(request, state).await.map(Self)
    }
}

/// Whether the page of another site sent this. Browsers tell it in `Sec-Fetch-Site` (Fetch Metadata Request Headers), and by plain HTTP
/// only in `Origin` (RFC 6454 section 7), which is then held against the host that was asked. Pages can forge neither.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let text = |value: &HeaderValue| value.to_str().map(str::to_ascii_lowercase).ok();
    let host = headers.get(HOST).and_then(text);
    let origin = text(origin).and_then(|origin| Some(origin.split_once("://")?.1.to_owned()));
    origin.is_none() || origin != host
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Post, Error> {
    let RawForm(bytes) = RawForm::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::Malformed("the form is too large".to_owned()),
            _ => Error::Malformed(rejection.body_text()),
        })?;
    Ok(Post::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_known_by_what_its_browser_says() {
        let host = ("host", "192.0.2.7:8000");
        for (headers, another) in [
            (vec![host], false),
            (vec![host, ("sec-fetch-site", "same-origin")], false),
            (vec![host, ("sec-fetch-site", "none")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], true),
            (vec![host, ("origin", "http://192.0.2.7:8000")], false),
            (vec![host, ("origin", "http://evil.example")], true),
            (vec![host, ("origin", "http://192.0.2.7:8080")], true),
            (vec![host, ("origin", "null")], true),
            // Behind a proxy the host is another, and the browser still tells.
            (
                vec![
                    host,
                    ("origin", "https://ktizo.example"),
                    ("sec-fetch-site", "same-origin"),
                ],
                false,
            ),
        ] {
            let pairs = headers.iter().map(|(name, value)| {
                let name: axum::http::HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_static(value))
            });
            let got = is_of_another_site(&pairs.collect::<HeaderMap>());
            assert_eq!(got, another, "{headers:?}");
        }
    }

    #[test]
    fn a_field_may_come_more_than_once() {
        let post = Post::parse(b"id=1&id=2&name=%20a+b&empty=");
        assert_eq!(post.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(
            (post.text("name"), post.get("empty"), post.get("no")),
            ("a b", Some(""), None)
        );
    }
}
