//! The guard of device configs: a secret in the URL that a boot script carries, for as long as that boot may need it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::error::word_enum;
use crate::{BootId, ParseError, Timestamp};

word_enum! {
    /// What a machine has to show to be served its config.
    ConfigRelease, "a config release: token or mac", {
        /// The token that its own boot script carried.
        Token = "token",
        /// Nothing: whoever names the MAC is served.
        Mac = "mac",
    }
}

/// The secret of one boot: 192 random bits, written as 48 lower-case hexadecimal digits. Neither its `Debug` text nor anything that
/// is kept shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConfigToken([u8; Self::BYTES]);

impl ConfigToken {
    /// How many random bytes it is made of.
    pub const BYTES: usize = 24;
    /// The key in the URL's query.
    pub const KEY: &str = "token";

    /// Takes bytes from a random source.
    pub const fn from_random(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, of which a fingerprint may be kept.
    pub const fn expose_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The text for a boot script, and for nothing else.
    pub fn expose(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads the text; `None` for what is no token, which is not repeated in a message.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() != 2 * Self::BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The text with every token in it masked. A kernel logs its command line and Talos the URL it fetches, tokens and all. Any run
    /// of hexadecimal digits of a token's length goes, and whatever stands behind `token=`.
    pub fn mask(text: &str) -> Cow<'_, str> {
        let secrets = secrets(text);
        if secrets.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut masked, mut kept) = (String::with_capacity(text.len()), 0);
        for (from, until) in secrets {
            masked.push_str(&text[kept..from]);
            masked.push_str("***");
            kept = until;
        }
        masked.push_str(&text[kept..]);
        Cow::Owned(masked)
    }
}

/// Where tokens stand in a text, as byte ranges in order.
fn secrets(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        // Digits and letters hold every token, also one that is written in another way than ours.
        let run = bytes[at..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        if run == 0 {
            at += 1;
            continue;
        }
        let word = &bytes[at..at + run];
        let keyed = bytes[..at]
            .strip_suffix(b"=")
            .is_some_and(|before| before.ends_with(ConfigToken::KEY.as_bytes()));
        let long = word.len() == 2 * ConfigToken::BYTES && word.iter().all(u8::is_ascii_hexdigit);
        if keyed || long {
            found.push((at, at + run));
        }
        at += run;
    }
    found
}

impl fmt::Debug for ConfigToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfigToken(***)")
    }
}

/// Reads as [`ConfigToken::read`] does; the error does not repeat the text.
impl std::str::FromStr for ConfigToken {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::read(text).ok_or_else(|| ParseError::new("***", "a config token"))
    }
}

/// What is known of the token that a device's last boot script carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    /// The boot it belongs to, where that is known.
    pub boot: Option<BootId>,
    /// When the script left.
    pub issued_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// How often the config was fetched with it, since it was issued or renewed.
    pub fetches: u32,
}

/// Why a config is not served for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The URL has none.
    #[error(
        "the URL has no token; a machine gets it with its boot script, so boot it from the network"
    )]
    Missing,
    /// No boot of the device is under way for which one would be good.
    #[error(
        "no token is in force for it: the install is done, its order or approval changed, or another boot began; boot it from the network"
    )]
    NotInForce,
    /// It is another one than the last boot script carried.
    #[error("the token is not the one that its last boot script carried")]
    Wrong,
    /// It is too old.
    #[error("the token of its boot expired; `ktizo device release` renews it")]
    Expired,
    /// The config was fetched too often with it.
    #[error(
        "its config was fetched {} times with the token of its boot; `ktizo device release` renews it",
        TokenGrant::FETCHES
    )]
    UsedUp,
}

impl TokenGrant {
    /// How long a token is good: Talos tries for so long to fetch its config.
    pub const SPAN: Duration = Duration::from_secs(3 * 60 * 60);
    /// How many fetches it is good for.
    pub const FETCHES: u32 = 50;

    /// Whether a fetch with the right token may be answered at `now`.
    pub fn check(&self, now: Timestamp) -> Result<(), TokenRefusal> {
        if !now.is_within(self.issued_at, self.expires_at) {
            Err(TokenRefusal::Expired)
        } else if self.fetches >= Self::FETCHES {
            Err(TokenRefusal::UsedUp)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> ConfigToken {
        ConfigToken::from_random(std::array::from_fn(|at| {
            u8::try_from(at * 7 % 256).unwrap()
        }))
    }

    #[test]
    fn reads_what_it_wrote_and_shows_it_nowhere_else() {
        let text = token().expose();
        assert_eq!(text.len(), 48);
        assert_eq!(ConfigToken::read(&text), Some(token()));
        assert_eq!(format!("{:?}", token()), "ConfigToken(***)");
        for wrong in ["", "00", &text[1..], &format!("{}x", &text[1..]), "é"] {
            assert_eq!(ConfigToken::read(wrong), None);
        }
        let err = "secret".parse::<ConfigToken>().unwrap_err();
        assert!(!err.to_string().contains("secret"));
    }

    #[test]
    fn masks_it_wherever_it_stands() {
        let text = token().expose();
        for (line, expected) in [
            (
                format!(
                    "Kernel command line: a=b talos.config=http://10.0.0.2/x.yaml?token={text} c"
                ),
                "Kernel command line: a=b talos.config=http://10.0.0.2/x.yaml?token=*** c",
            ),
            (format!("\"{text}\""), "\"***\""),
            ("token=abc&token=def".to_owned(), "token=***&token=***"),
            ("token= Gerät".to_owned(), "token= Gerät"),
            // A fingerprint is none.
            ("ab".repeat(32), &"ab".repeat(32)),
            (format!("Gerät {text}ä"), "Gerät ***ä"),
        ] {
            assert_eq!(ConfigToken::mask(&line), expected);
        }
    }

    #[test]
    fn a_grant_ends_with_its_time_and_its_fetches() {
        let at = Timestamp::from_micros(7_200_000_000);
        let back = |seconds: i64| Timestamp::from_micros(7_200_000_000 - seconds * 1_000_000);
        let grant = |fetches| TokenGrant {
            boot: None,
            issued_at: at,
            expires_at: at.plus(TokenGrant::SPAN),
            fetches,
        };
        let second = Duration::from_secs(1);
        for (fetches, now, expected) in [
            (0, at, Ok(())),
            // The host's clock was set back: by a little, and by more than anybody would.
            (0, back(3600), Ok(())),
            (0, back(3601), Err(TokenRefusal::Expired)),
            (49, at, Ok(())),
            (50, at, Err(TokenRefusal::UsedUp)),
            (0, at.plus(TokenGrant::SPAN - second), Ok(())),
            (0, at.plus(TokenGrant::SPAN), Err(TokenRefusal::Expired)),
            (50, at.plus(TokenGrant::SPAN), Err(TokenRefusal::Expired)),
        ] {
            assert_eq!(grant(fetches).check(now), expected, "{fetches} at {now}");
        }
    }
}
