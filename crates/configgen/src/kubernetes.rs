//! Versions of Kubernetes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// A Kubernetes release such as `1.36.3` or `1.37.0-rc.0`. Prints without `v`, as Talos writes it into image tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesVersion {
    minor: u16,
    text: String,
}

impl KubernetesVersion {
    /// The number behind `1.`.
    pub fn minor(&self) -> u16 {
        self.minor
    }

    /// Whether it was made before its release, such as `1.37.0-rc.0`.
    pub(crate) fn is_prerelease(&self) -> bool {
        self.text.contains('-')
    }
}

impl FromStr for KubernetesVersion {
    type Err = Error;

    /// Takes `1.36.3`, `v1.36.3` and pre-releases.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let shown: String = text.chars().take(40).collect();
            Error::setting(
                "kubernetes_version",
                format!(
                    "`{}` is not a version such as 1.36.3",
                    shown.escape_default()
                ),
            )
        };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let (numbers, pre) = bare
            .split_once('-')
            .map_or((bare, None), |(numbers, pre)| (numbers, Some(pre)));
        let parts: Vec<u16> = numbers
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| wrong())?;
        let is_plain = numbers
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let pre_is_plain = pre.is_none_or(|pre| {
            !pre.is_empty()
                && pre.len() < 32
                && pre
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        });
        match parts.as_slice() {
            [1, minor, _] if is_plain && pre_is_plain => Ok(Self {
                minor: *minor,
                text: bare.to_owned(),
            }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl utoipa::PartialSchema for KubernetesVersion {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .into()
    }
}

impl utoipa::ToSchema for KubernetesVersion {}

impl Serialize for KubernetesVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for KubernetesVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_versions() {
        for (text, printed) in [("v1.36.3", "1.36.3"), ("1.37.0-rc.0", "1.37.0-rc.0")] {
            assert_eq!(
                text.parse::<KubernetesVersion>().unwrap().to_string(),
                printed
            );
        }
        for wrong in [
            "",
            "1.36",
            "2.0.0",
            "1.36.3.1",
            "1.+6.3",
            "1.36.3-",
            "1.36.3-a b",
            "latest",
            "1.36.3\n",
        ] {
            assert!(wrong.parse::<KubernetesVersion>().is_err(), "{wrong:?}");
        }
    }
}
