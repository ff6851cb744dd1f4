//! Versions of what can be changed: `ETag` and `If-Match` (RFC 9110 sections 8.8.3 and 13.1.1).

use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Error, types};

/// Names one version of a thing. Prints as an entity tag, with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// The version of a value.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self::of_json(serde_json::to_value(value).unwrap_or(Value::Null))
    }

    /// The version of a device: what persons decide of it, the settings of its config too. That it boots makes no other.
    pub fn of_device(device: &types::Device) -> Self {
        let mut value = serde_json::to_value(device).unwrap_or(Value::Null);
        if let Value::Object(fields) = &mut value {
            fields.retain(|field, _| !types::Device::RECORDED.contains(&field.as_str()));
        }
        Self::of_json(value)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "its two callers make it for this"
    )]
    fn of_json(value: Value) -> Self {
        let hash = Sha256::digest(value.to_string());
        Self(format!("\"{}\"", HEXLOWER.encode(&hash[..12])))
    }

    /// The header that tells it.
    pub(crate) fn header(&self) -> [(HeaderName, HeaderValue); 1] {
        // Hexadecimal digits in quotes.
        let value = HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""));
        [(ETAG, value)]
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The version that a change was made for: any, or the one that its author has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// Whatever is there.
    pub fn any() -> Self {
        Self(None)
    }

    /// What a form carries: the version it was made from, as [`Version`] prints it. An empty text is any.
    pub fn from_form(text: &str) -> Self {
        Self((!text.trim().is_empty()).then(|| text.trim().to_owned()))
    }

    /// Whether it is whatever is there.
    pub(crate) fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// The same for what may not be there, which is no version that anybody can have read.
    pub(crate) fn check_maybe(&self, present: Option<&Version>) -> Result<(), Error> {
        match (present, &self.0) {
            (Some(present), _) => self.check(present),
            (None, Some(_)) => Err(Error::Stale),
            (None, None) => Ok(()),
        }
    }

    /// Refuses a change that was made for another version than the present one.
    pub(crate) fn check(&self, present: &Version) -> Result<(), Error> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let fits = wanted
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag == present.0);
        if fits { Ok(()) } else { Err(Error::Stale) }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value
            .to_str()
            .map_err(|_| Error::Malformed("If-Match is not text".to_owned()))?;
        // An entity tag is in quotes (RFC 9110 section 8.8.3).
        let is_tag = |tag: &str| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag == "*" || (tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"'))
        };
        if !text.split(',').all(is_tag) {
            let why = "If-Match is not the ETag of an answer, with its quotes";
            return Err(Error::Malformed(why.to_owned()));
        }
        Ok(Self(Some(text.to_owned())))
    }
}
