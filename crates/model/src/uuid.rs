//! The number a mainboard calls itself by.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::error::serde_as_text;

/// An SMBIOS system UUID in the byte order that Linux and Talos print. Never one of the values that vendors ship on every board.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SmbiosUuid([u8; 16]);

impl SmbiosUuid {
    /// Values found on many boards at once, in either byte order; they identify nothing.
    const DUMMIES: [u128; 8] = [
        0x0300_0200_0400_0500_0006_0007_0008_0009,
        0x0002_0003_0004_0005_0006_0007_0008_0009,
        0x0300_0200_0400_0500_0006_0007_0008_0000,
        0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        0x1234_5678_1234_5678_90ab_cdde_efaa_bbcc,
        0x7856_3412_3412_7856_90ab_cdde_efaa_bbcc,
        0x1111_1111_2222_3333_4444_5555_5555_5555,
        0xfefe_fefe_fefe_fefe_fefe_fefe_fefe_0000,
    ];

    /// Takes the bytes in printed order; `None` for one byte again and again, as zero, and for known dummy values.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let number = u128::from_be_bytes(bytes);
        let same = bytes.iter().all(|byte| *byte == bytes[0]);
        if same || Self::DUMMIES.contains(&number) {
            None
        } else {
            Some(Self(bytes))
        }
    }

    /// Takes the 16 bytes of DHCP option 97 (RFC 4578 section 2.3), whose first three fields EDK2 and iPXE send little-endian.
    pub fn from_option_97(bytes: [u8; 16]) -> Option<Self> {
        Self::from_bytes(swap(bytes))
    }

    /// The 16 bytes in printed order.
    pub const fn octets(self) -> [u8; 16] {
        self.0
    }

    /// The same number with its first three fields in the other byte order: firmware before SMBIOS 2.6 prints it so.
    #[must_use]
    pub fn swapped(self) -> Self {
        Self(swap(self.0))
    }

    /// Whether both name the same board, in whichever byte order each was read.
    pub fn same_board(self, other: Self) -> bool {
        self == other || self.swapped() == other
    }
}

/// Turns the byte order of the first three fields (4, 2 and 2 bytes) around.
fn swap(bytes: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let mut swapped = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    swapped[8..].copy_from_slice(&rest);
    swapped
}

impl FromStr for SmbiosUuid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || {
            ParseError::new(
                text,
                "a UUID such as 4c4c4544-0000-4000-8000-000000000001 that is not a vendor's dummy",
            )
        };
        let hyphens = text.len() == 36
            && [8, 13, 18, 23]
                .iter()
                .all(|at| text.as_bytes()[*at] == b'-');
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if !(hyphens || text.len() == 32)
            || digits.len() != 32
            || !digits.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Err(wrong());
        }
        let number = u128::from_str_radix(&digits, 16).map_err(|_| wrong())?;
        Self::from_bytes(number.to_be_bytes()).ok_or_else(wrong)
    }
}

impl fmt::Display for SmbiosUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", u128::from_be_bytes(self.0));
        f.pad(&format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        ))
    }
}

impl fmt::Debug for SmbiosUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(SmbiosUuid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_97_prints_as_linux_prints_it() {
        let wire = [
            0x44, 0x45, 0x4c, 0x4c, 0, 0, 0, 0x40, 0x80, 0, 0, 0, 0, 0, 0, 1,
        ];
        let uuid = SmbiosUuid::from_option_97(wire).unwrap();
        assert_eq!(uuid.to_string(), "4c4c4544-0000-4000-8000-000000000001");
        assert!(uuid.same_board(SmbiosUuid::from_bytes(wire).unwrap()));
        assert_eq!(uuid.to_string().parse::<SmbiosUuid>().unwrap(), uuid);
    }

    #[test]
    fn dummies_are_no_identity() {
        for text in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
            "4c4c4544-0000-4000-8000-00000000000",
            "4c4c4544+0000-4000-8000-000000000001",
            "+c4c45440000400080000000000000001",
        ] {
            assert!(text.parse::<SmbiosUuid>().is_err(), "{text}");
        }
    }
}
