//! Words that a person hangs on devices, to find them by.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;
use crate::error::serde_as_text;

/// The key of a label, in the form Kubernetes has for its own: a name of 1 to 63 letters, digits and `.-_`, with a letter or digit at
/// both ends; before it there may be a DNS name and a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelKey(String);

/// The value of a label: empty, or what the name of a key may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelValue(String);

/// The longest name or value, in bytes (Kubernetes, `apimachinery/pkg/util/validation`).
const NAME: usize = 63;
/// The longest DNS name before a key, in bytes.
const PREFIX: usize = 253;

impl LabelKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LabelValue {
    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for LabelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for LabelKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (prefix, name) = match text.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, text),
        };
        if is_name(name) && prefix.is_none_or(is_domain) {
            return Ok(Self(text.to_owned()));
        }
        let expected = "the key of a label: 1 to 63 letters, digits and .-_, with a letter or digit at both ends, after a DNS name and a slash or without";
        Err(ParseError::new(text, expected))
    }
}

impl FromStr for LabelValue {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() || is_name(text) {
            return Ok(Self(text.to_owned()));
        }
        let expected = "the value of a label: at most 63 letters, digits and .-_, with a letter or digit at both ends";
        Err(ParseError::new(text, expected))
    }
}

serde_as_text!(LabelKey);
serde_as_text!(LabelValue);

fn is_name(text: &str) -> bool {
    let ends = |end: Option<u8>| end.is_some_and(|b| b.is_ascii_alphanumeric());
    (1..=NAME).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        && ends(text.bytes().next())
        && ends(text.bytes().last())
}

fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        is_name(part)
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= PREFIX && text.split('.').all(part)
}

/// The labels of a device, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<LabelKey, LabelValue>")]
pub struct Labels(BTreeMap<LabelKey, LabelValue>);

impl Labels {
    /// The most labels of one device.
    pub const MAX: usize = 32;

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each label, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&LabelKey, &LabelValue)> {
        self.0.iter()
    }
}

/// More labels than [`Labels::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device has at most {} labels", Labels::MAX)]
pub struct TooManyLabels;

impl TryFrom<BTreeMap<LabelKey, LabelValue>> for Labels {
    type Error = TooManyLabels;

    fn try_from(labels: BTreeMap<LabelKey, LabelValue>) -> Result<Self, TooManyLabels> {
        if labels.len() > Self::MAX {
            return Err(TooManyLabels);
        }
        Ok(Self(labels))
    }
}

impl utoipa::PartialSchema for Labels {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::RefOr(LabelValue::schema())))
            .into()
    }
}

impl utoipa::ToSchema for Labels {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("Labels")
    }
}

/// What a list of devices is narrowed by: `key`, which any value fits, or `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// The key that a device must have.
    pub key: LabelKey,
    /// The value that it must have there.
    pub value: Option<LabelValue>,
}

impl fmt::Display for LabelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => self.key.fmt(f),
        }
    }
}

impl FromStr for LabelFilter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.parse()?)),
            None => (text, None),
        };
        let key = key.parse()?;
        Ok(Self { key, value })
    }
}

serde_as_text!(LabelFilter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_kubernetes_takes() {
        for good in ["rack", "a", "topology.example/rack", "A_b.c-1", "1"] {
            assert!(good.parse::<LabelKey>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "", "-a", "a-", "a b", "a/b/c", "/a", "a/", "X.y/a", "ä", &long,
        ] {
            assert!(bad.parse::<LabelKey>().is_err(), "{bad}");
        }
        for (value, fits) in [("", true), ("r1", true), ("a/b", false), ("<b>", false)] {
            assert_eq!(value.parse::<LabelValue>().is_ok(), fits, "{value}");
        }
    }

    #[test]
    fn a_filter_is_a_key_or_a_key_with_its_value() {
        for (text, value) in [("rack", None), ("rack=", Some("")), ("rack=r1", Some("r1"))] {
            let filter: LabelFilter = text.parse().unwrap();
            assert_eq!(filter.value.as_ref().map(LabelValue::as_str), value);
            assert_eq!(filter.to_string(), text);
        }
        assert!("=r1".parse::<LabelFilter>().is_err());
    }

    #[test]
    fn there_is_an_end_to_labels() {
        let labels = |count: usize| {
            let all = (0..count).map(|n| (format!("k{n}"), "v".to_owned()));
            let json = serde_json::to_value(all.collect::<BTreeMap<_, _>>()).unwrap();
            serde_json::from_value::<Labels>(json)
        };
        assert!(labels(Labels::MAX).is_ok());
        let err = labels(Labels::MAX + 1).unwrap_err().to_string();
        assert!(err.contains("at most 32"), "{err}");
    }
}
