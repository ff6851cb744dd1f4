//! What a form sends.

use axum::extract::{FromRequest, FromRequestParts as _, RawForm, Request};

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

    /// Every value of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = move |(field, _): &&(String, String)| field == name;
        self.0
            .iter()
            .filter(of_name)
            .map(|(_, value)| value.as_str())
    }

    /// The fields of a query or a form, as they are written in a URL.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
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
        // A form of another site is none of ours (Fetch metadata, which browsers send and pages cannot forge).
        let site = request.headers().get("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin" && site != "none") {
            return Err(Error::Forbidden {
                why: "the form was sent by the page of another site".to_owned(),
                hint: "open the page of ktizo itself and send it again".to_owned(),
            });
        }
        read(request, state).await.map(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Post, Error> {
    let RawForm(bytes) = RawForm::from_request(request, state)
        .await
        .map_err(|rejection| Error::Malformed(rejection.body_text()))?;
    Ok(Post::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

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
