//! The ids of Talos's events.

use std::fmt;
use std::str::FromStr;

use crate::error::serde_as_text;
use crate::{ParseError, Timestamp};

/// An xid: 12 bytes, of which the first four are the seconds since 1970, written as 20 characters of base32hex in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Xid([u8; 12]);

/// The digits of base32hex (RFC 4648 section 7), in lower case.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// How many of them an xid has.
const LENGTH: usize = 20;
/// 20 digits hold 100 bits, of which the last four stay clear.
const CLEAR: u32 = 4;

impl Xid {
    /// When it was made, to the second, by the clock of the machine that made it.
    pub fn made_at(self) -> Timestamp {
        let [a, b, c, d, ..] = self.0;
        Timestamp::from_micros(i64::from(u32::from_be_bytes([a, b, c, d])) * 1_000_000)
    }
}

impl FromStr for Xid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || {
            ParseError::new(
                text,
                "an event id: 20 characters from 0 to 9 and from a to v",
            )
        };
        if text.len() != LENGTH {
            return Err(wrong());
        }
        let mut bits = 0_u128;
        for byte in text.bytes() {
            let digit = DIGITS.iter().position(|digit| *digit == byte);
            bits = bits << 5 | digit.ok_or_else(wrong)? as u128;
        }
        if bits & ((1 << CLEAR) - 1) != 0 {
            return Err(wrong());
        }
        let [.., a, b, c, d, e, f, g, h, i, j, k, l] = (bits >> CLEAR).to_be_bytes();
        Ok(Self([a, b, c, d, e, f, g, h, i, j, k, l]))
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self
            .0
            .iter()
            .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte))
            << CLEAR;
        let text: String = (0..LENGTH)
            .rev()
            .map(|place| char::from(DIGITS[(bits >> (place * 5)) as usize & 31]))
            .collect();
        f.pad(&text)
    }
}

serde_as_text!(Xid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses_and_knows_its_second() {
        for (text, time) in [
            ("d6oj4nau3i80009q23qg", "2026-03-11T09:14:05Z"),
            ("00000000000000000000", "1970-01-01T00:00:00Z"),
            ("vvvvvvvvvvvvvvvvvvvg", "2106-02-07T06:28:15Z"),
        ] {
            let xid: Xid = text.parse().unwrap();
            assert_eq!(xid.to_string(), text);
            assert_eq!(xid.made_at(), time.parse().unwrap());
        }
    }

    #[test]
    fn refuses_what_no_xid_is() {
        for text in [
            "",
            "d6oj4nau3i80009q23q",
            "d6oj4nau3i80009q23qg0",
            "D6OJ4NAU3I80009Q23QG",
            "d6oj4nau3i80009q23qw",
            "d6oj4nau3i80009q23q1",
            "d6oj4nau3i80009q2é0",
        ] {
            assert!(text.parse::<Xid>().is_err(), "{text}");
        }
    }
}
