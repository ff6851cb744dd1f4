//! The name of a node.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::error::serde_as_text;

/// One DNS label in lower case (RFC 1123 section 2.1): 1 to 63 letters, digits and hyphens, no hyphen at either end.
///
/// Kubernetes takes it as the node's name, which must be lower case, so this type is as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(String);

impl Hostname {
    /// The longest DNS label, in bytes (RFC 1035 section 2.3.4).
    pub const MAX_LEN: usize = 63;

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if letters && ends && (1..=Self::MAX_LEN).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(
                text,
                "a host name: 1 to 63 lower-case letters, digits and hyphens, without a hyphen at either end",
            ))
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(Hostname);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_labels_and_nothing_else() {
        for good in ["a", "node-01", "0x", &"a".repeat(63)] {
            assert!(good.parse::<Hostname>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a.b",
            "Node",
            "a_b",
            "a b",
            "ä",
            "a\n",
            &"a".repeat(64),
            "${mac}",
        ] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }
}
