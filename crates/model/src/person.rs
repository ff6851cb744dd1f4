//! People and their scripts: what they may do, and how they are named.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::error::{serde_as_text, word_enum};
use crate::id::row_id;

row_id! {
    /// Names one user.
    UserId
}
row_id! {
    /// Names one API token.
    TokenId
}

word_enum! {
    /// What somebody may do; each may also do what those before may.
    Authority, "an authority: viewer, operator or admin", {
        /// Look at everything but secrets.
        Viewer = "viewer",
        /// Approve devices and give orders.
        Operator = "operator",
        /// Everything.
        Admin = "admin",
    }
}

/// The name of a user or of a token: 1 to 64 of `a-z`, `0-9` and `.-_@`, beginning with a letter or digit. Capitals are lowered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonName(String);

impl PersonName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How events call whoever holds the token of the state folder.
const RESERVED: &str = "token";

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PersonName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let name = text.trim().to_ascii_lowercase();
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|b| letters(b) || b".-_@".contains(&b))
            && name.bytes().next().is_some_and(letters)
            && name != RESERVED;
        if fits {
            Ok(Self(name))
        } else {
            let expected =
                "a name of 1 to 64 letters, digits and .-_@, beginning with a letter or digit";
            Err(ParseError::new(text, expected))
        }
    }
}

serde_as_text!(PersonName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lowered_and_cannot_look_like_another_actor() {
        assert_eq!(
            " Ada.L@x ".parse::<PersonName>().unwrap().as_str(),
            "ada.l@x"
        );
        for text in [
            "",
            "-a",
            "a b",
            "token/ci",
            "a:b",
            "Token",
            "ä",
            &"a".repeat(65),
        ] {
            assert!(text.parse::<PersonName>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_authority_includes_those_before() {
        assert!(Authority::Viewer < Authority::Operator && Authority::Operator < Authority::Admin);
    }
}
