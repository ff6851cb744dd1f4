//! Sizes of volumes, written as Talos reads them (`dustin/go-humanize`).

use std::str::FromStr;

use crate::Error;

/// A number of bytes such as `10GB`, `10GiB`, `512 MiB` or `1.5TB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// The most a volume may grow to: a size, or a share of the disk such as `80%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeLimit {
    /// So many bytes.
    Bytes(ByteSize),
    /// Percent of the disk, 1 to 100.
    Percent(u8),
}

impl ByteSize {
    /// The bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::setting(
                "size",
                format!("`{text}` is not a size such as 10GB, 10GiB or 512MiB"),
            )
        };
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "p" | "pb" => 1_000_000_000_000_000,
            "e" | "eb" => 1_000_000_000_000_000_000,
            "ki" | "kib" => 1 << 10,
            "mi" | "mib" => 1 << 20,
            "gi" | "gib" => 1 << 30,
            "ti" | "tib" => 1 << 40,
            "pi" | "pib" => 1 << 50,
            "ei" | "eib" => 1 << 60,
            _ => return Err(wrong()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty()
            || fraction.len() > 9
            || !fraction.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(wrong());
        }
        let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
        let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let bytes = digits.checked_mul(u128::from(factor)).ok_or_else(wrong)? / scale;
        Ok(Self(u64::try_from(bytes).map_err(|_| wrong())?))
    }
}

impl FromStr for VolumeLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(number) = text.strip_suffix('%') else {
            return Ok(Self::Bytes(text.parse()?));
        };
        match number.trim().parse() {
            Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
            _ => Err(Error::setting(
                "size",
                format!("`{text}` is not a share of a disk such as 80%"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_talos_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("42", 42),
            ("10GB", 10_000_000_000),
            ("10 GiB", 10 << 30),
            ("1.5tb", 1_500_000_000_000),
            ("512Mi", 512 << 20),
            ("15EiB", 15 << 60),
        ] {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
        for text in [
            "", "GB", "10XB", "-1GB", "1.GiBB", "16EiB", ".5GB", "1..5GB", "1e3", "10%",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert_eq!(
            "80%".parse::<VolumeLimit>().unwrap(),
            VolumeLimit::Percent(80)
        );
        assert!("0%".parse::<VolumeLimit>().is_err() && "101%".parse::<VolumeLimit>().is_err());
    }
}
