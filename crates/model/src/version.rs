//! Versions of Talos Linux.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::error::serde_as_text;

/// A Talos release such as `v1.13.9` or `v1.14.0-rc.1`. Prints with the leading `v`; a pre-release sorts before its release.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TalosVersion {
    major: u16,
    minor: u16,
    patch: u16,
    pre: Option<String>,
}

impl TalosVersion {
    /// Major and minor number: all that Talos's version contract looks at (`pkg/machinery/config/contract.go`).
    pub const fn contract(&self) -> (u16, u16) {
        (self.major, self.minor)
    }

    /// Whether it came before its release, such as `v1.14.0-rc.1`.
    pub const fn is_prerelease(&self) -> bool {
        self.pre.is_some()
    }
}

impl FromStr for TalosVersion {
    type Err = ParseError;

    /// Takes `v1.13`, `1.13.9`, `v1.14.0-rc.1`; a missing patch number is 0.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError::new(text, "a Talos version such as v1.13.9");
        let bare = text.strip_prefix('v').unwrap_or(text);
        let (numbers, pre) = bare
            .split_once('-')
            .map_or((bare, None), |(numbers, pre)| (numbers, Some(pre)));
        if let Some(pre) = pre {
            let ok = !pre.is_empty()
                && pre.len() <= 32
                && pre
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
            if !ok || pre.contains("..") {
                return Err(wrong());
            }
        }
        let mut parts = numbers.split('.').map(|part| {
            let digits =
                !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
            if digits {
                part.parse::<u16>().map_err(|_| wrong())
            } else {
                Err(wrong())
            }
        });
        let major = parts.next().ok_or_else(wrong)??;
        let minor = parts.next().ok_or_else(wrong)??;
        let patch = parts.next().transpose()?.unwrap_or(0);
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self {
            major,
            minor,
            patch,
            pre: pre.map(str::to_owned),
        })
    }
}

impl Ord for TalosVersion {
    /// By number; a pre-release comes before its release, and its dot-separated parts compare as numbers where both are.
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| match (&self.pre, &other.pre) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => {
                    let key = |pre: &str| -> Vec<(Option<u64>, String)> {
                        pre.split('.')
                            .map(|part| (part.parse().ok(), part.to_owned()))
                            .collect()
                    };
                    key(a).cmp(&key(b))
                }
            })
    }
}

impl PartialOrd for TalosVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TalosVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pre = self
            .pre
            .as_ref()
            .map(|pre| format!("-{pre}"))
            .unwrap_or_default();
        f.pad(&format!(
            "v{}.{}.{}{pre}",
            self.major, self.minor, self.patch
        ))
    }
}

serde_as_text!(TalosVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_releases_came() {
        let sorted = [
            "v1.8.4",
            "1.9",
            "v1.13.9",
            "v1.14.0-alpha.1",
            "v1.14.0-rc.1",
            "v1.14.0-rc.10",
            "v1.14.0",
            "v1.15.2",
        ];
        let versions: Vec<TalosVersion> = sorted.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted(), "{versions:?}");
        assert_eq!(versions[1].to_string(), "v1.9.0");
        assert_eq!(versions[4].contract(), (1, 14));
    }

    #[test]
    fn refuses_what_could_leave_a_folder_or_a_script() {
        for text in [
            "",
            "v1",
            "v1.2.3.4",
            "v1..2",
            "../v1.2",
            "v1.2.3-",
            "v1.2.3-a/b",
            "v1.2.3-..",
            "v1.2.3 x",
            "v1.99999",
            "latest",
        ] {
            assert!(text.parse::<TalosVersion>().is_err(), "{text}");
        }
    }
}
