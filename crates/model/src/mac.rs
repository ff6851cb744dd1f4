//! The hardware address of a network card.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::error::serde_as_text;

/// A unicast Ethernet address, never all zero. Prints as `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// Takes the six bytes as they are on the wire; `None` for a group address (IEEE 802: lowest bit of the first byte) or zero.
    pub const fn from_bytes(bytes: [u8; 6]) -> Option<Self> {
        let zero = matches!(bytes, [0, 0, 0, 0, 0, 0]);
        if zero || bytes[0] & 1 == 1 {
            None
        } else {
            Some(Self(bytes))
        }
    }

    /// The six bytes, first on the wire first.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The form with hyphens, as iPXE's `:hexhyp` and this program's URLs write it.
    pub fn hyphenated(self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl FromStr for MacAddr {
    type Err = ParseError;

    /// Takes `aa:bb:cc:dd:ee:ff`, the same with `-`, `aabb.ccdd.eeff` and bare `aabbccddeeff`, in either case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || {
            ParseError::new(
                text,
                "a MAC address such as 52:54:00:12:34:56 of one network card",
            )
        };
        let (separator, group) = match text.len() {
            17 if text.contains(':') => (Some(b':'), 2),
            17 => (Some(b'-'), 2),
            14 => (Some(b'.'), 4),
            12 => (None, 12),
            _ => return Err(wrong()),
        };
        let mut digits = Vec::with_capacity(12);
        for (index, byte) in text.bytes().enumerate() {
            if separator.is_some() && index % (group + 1) == group {
                if Some(byte) != separator {
                    return Err(wrong());
                }
            } else {
                digits.push(char::from(byte).to_digit(16).ok_or_else(wrong)?);
            }
        }
        let mut bytes = [0; 6];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::try_from(pair[0] * 16 + pair[1]).map_err(|_| wrong())?;
        }
        Self::from_bytes(bytes).ok_or_else(wrong)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(MacAddr);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_is_one_address() {
        for text in [
            "52:54:00:AA:bb:01",
            "52-54-00-aa-bb-01",
            "5254.00aa.bb01",
            "525400AABB01",
        ] {
            assert_eq!(
                text.parse::<MacAddr>().unwrap().to_string(),
                "52:54:00:aa:bb:01",
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_network_card() {
        for text in [
            "",
            "52:54:00:aa:bb",
            "52:54-00:aa:bb:01",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "52:54:00:aa:bb:0g",
            "5254.00aa:bb01",
            "52:54:00:aa:bb:01 ",
            "52:54:00:aa:bb:é",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(bytes: [u8; 6]) {
            if let Some(mac) = MacAddr::from_bytes(bytes) {
                prop_assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac);
                prop_assert_eq!(mac.hyphenated().parse::<MacAddr>().unwrap(), mac);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<MacAddr>();
        }
    }
}
