//! Reading requests: JSON bodies and queries, and the field that is wrong where one is.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// The most bytes of a JSON body.
pub(crate) const MAX_JSON: usize = 8 << 20;
/// The most bytes of a form that somebody without a session sends: it has a name, passwords, a token, and the page to go on to.
pub(crate) const MAX_STRANGERS_FORM: usize = 64 << 10;

/// A JSON body. An absent one counts as `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge {
                        limit: MAX_JSON as u64,
                    },
                    _ => Error::Malformed(rejection.body_text()),
                })?;
        let bytes: &[u8] = if bytes.trim_ascii().is_empty() {
            b"{}"
        } else {
            &bytes
        };
        let value: Value =
            serde_json::from_slice(bytes).map_err(|err| Error::Malformed(err.to_string()))?;
        if !value.is_object() {
            return Err(Error::Malformed("the body is not a JSON object".to_owned()));
        }
        read_value(value).map(Self)
    }
}

/// Reads a JSON value; the refusal names the field.
pub(crate) fn read_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|err| {
        let field = err.path().to_string();
        let why = plain(err.into_inner().to_string());
        // A field that is missing or unknown is named by the message alone.
        let named = why
            .strip_prefix("missing field `")
            .or_else(|| why.strip_prefix("unknown field `"))
            .and_then(|rest| rest.split_once('`'))
            .map(|(name, _)| name.to_owned());
        let field = match (field.as_str(), named) {
            (".", named) => named,
            (_, Some(named)) if !field.ends_with(&named) => Some(format!("{field}.{named}")),
            _ => Some(field),
        };
        Error::refused("invalid", field, why, None)
    })
}

/// A sentence of a parser in words for people.
fn plain(why: String) -> String {
    const WHOLE: [(&str, u64); 4] = [
        ("u8", u8::MAX as u64),
        ("u16", u16::MAX as u64),
        ("u32", u32::MAX as u64),
        ("u64", u64::MAX),
    ];
    if why.contains("invalid IPv4 address syntax") {
        return "is not an IPv4 address such as 192.168.1.23".to_owned();
    }
    if why.contains("invalid digit found in string") {
        return "must be a whole number, 0 or more".to_owned();
    }
    let expected = why.rsplit_once(", expected ").map(|(_, kind)| kind);
    match WHOLE.iter().find(|(kind, _)| expected == Some(*kind)) {
        Some((_, most)) => format!("must be a whole number from 0 to {most}"),
        None => why,
    }
}

/// What follows the `?`.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(query)| Self(query))
            .map_err(|rejection| {
                let why = std::error::Error::source(&rejection)
                    .map_or_else(|| rejection.body_text(), ToString::to_string);
                let named = why
                    .split_once("unknown field `")
                    .and_then(|(_, rest)| rest.split_once('`'))
                    .map(|(name, _)| name.to_owned())
                    .or_else(|| why.split_once(": ").map(|(name, _)| name.to_owned()));
                // The name stands beside it.
                let own = named
                    .as_ref()
                    .and_then(|name| why.strip_prefix(&format!("{name}: ")));
                let why = plain(own.unwrap_or(&why).to_owned());
                Error::refused("invalid", named, why, None)
            })
    }
}
