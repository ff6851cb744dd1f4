//! Which device a request means.

use std::fmt;
use std::str::FromStr;

use model::{Device, DeviceId, Hostname, MacAddr};
use store::Reader;

use crate::Error;

/// How a request names a device: by number, by its MAC in any spelling, or by its host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRef {
    /// By number.
    Id(DeviceId),
    /// By boot MAC.
    Mac(MacAddr),
    /// By host name, which no two devices have.
    Name(Hostname),
}

impl FromStr for DeviceRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Twelve digits are a MAC before they are a number: so many devices there never are. A name comes last, so that none can be
        // given that takes the place of another device's number or MAC.
        if let Ok(mac) = text.parse() {
            return Ok(Self::Mac(mac));
        }
        if let Some(number) = text.parse().ok().filter(|number| *number > 0) {
            return Ok(Self::Id(DeviceId(number)));
        }
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        if let Some(name) = text.parse().ok().filter(|_| !is_number) {
            return Ok(Self::Name(name));
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
        Err(Error::invalid(
            "id",
            format!("`{shown}` is neither the number of a device, a MAC address nor a host name"),
        ))
    }
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Mac(mac) => f.write_str(&mac.hyphenated()),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl DeviceRef {
    /// As messages have it: a MAC with colons.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Mac(mac) => mac.to_string(),
            other => other.to_string(),
        }
    }
}

/// The device that is meant.
pub(crate) fn find(reader: &Reader<'_>, who: &DeviceRef) -> Result<Device, Error> {
    let found = match number_of(reader, who)? {
        Some(id) => reader.device(id)?,
        None => None,
    };
    found.ok_or_else(|| Error::NotFound {
        what: "device",
        name: who.in_words(),
    })
}

/// The number of the device that is meant. One that is named by its number may be gone.
pub(crate) fn number_of(
    reader: &Reader<'_>,
    who: &DeviceRef,
) -> Result<Option<DeviceId>, store::Error> {
    Ok(match who {
        DeviceRef::Id(id) => Some(*id),
        DeviceRef::Mac(mac) => reader.device_by_mac(*mac)?.map(|device| device.id),
        DeviceRef::Name(name) => reader.device_with_hostname(name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_number_mac_or_name_and_no_name_takes_the_place_of_the_others() {
        for (text, read) in [
            ("7", "Id(DeviceId(7))"),
            ("52:54:00:aa:bb:01", "Mac(52:54:00:aa:bb:01)"),
            ("525400123456", "Mac(52:54:00:12:34:56)"),
            ("52-54-00-12-34-56", "Mac(52:54:00:12:34:56)"),
            ("cp-1", "Name(cp-1)"),
            ("0x7", "Name(0x7)"),
        ] {
            let got = match text.parse::<DeviceRef>().unwrap() {
                DeviceRef::Id(id) => format!("Id({id:?})"),
                DeviceRef::Mac(mac) => format!("Mac({mac})"),
                DeviceRef::Name(name) => format!("Name({name})"),
            };
            assert_eq!(got, read, "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "00",
            "99999999999999999999",
            "CP-1",
            "../x",
            "a.b",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert!(text.parse::<DeviceRef>().is_err(), "{text}");
        }
    }
}
