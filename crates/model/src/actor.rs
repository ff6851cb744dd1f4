//! Who did something.

use std::fmt;
use std::str::FromStr;

use crate::error::serde_as_text;
use crate::{MacAddr, ParseError};

/// The author of a change or an event. Prints as `person:NAME`, `system` or `device:MAC`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A signed-in person or the holder of a token, by name.
    Person(String),
    /// ktizo itself.
    System,
    /// A machine, by its boot MAC.
    Device(MacAddr),
}

impl Actor {
    /// For people: the name, `ktizo` for the daemon itself, or `the machine`.
    pub fn called(&self) -> &str {
        match self {
            Self::Person(name) => name,
            Self::System => "ktizo",
            Self::Device(_) => "the machine",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => write!(f, "person:{name}"),
            Self::System => f.write_str("system"),
            Self::Device(mac) => write!(f, "device:{mac}"),
        }
    }
}

impl FromStr for Actor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once(':') {
            None if text == "system" => Ok(Self::System),
            Some(("person", name)) => Ok(Self::Person(name.to_owned())),
            Some(("device", mac)) => Ok(Self::Device(mac.parse()?)),
            _ => Err(ParseError::new(
                text,
                "an actor: system, person:NAME or device:MAC",
            )),
        }
    }
}

serde_as_text!(Actor);
