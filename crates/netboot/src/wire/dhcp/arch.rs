//! The architecture numbers of option 93 (IANA "Processor Architecture Types").

use crate::director::Platform;

/// What a client says it can boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientArch(pub u16);

impl ClientArch {
    /// PC BIOS, which is also what a client that does not say is taken for.
    pub const BIOS: Self = Self(0);

    /// The machines this program has loaders for; `None` for all others. The number also tells TFTP from HTTP, but the vendor class
    /// decides that: it is what the client compares in the answer.
    pub fn platform(self) -> Option<Platform> {
        Some(match self.0 {
            // 20 is BIOS with HTTP.
            0 | 20 => Platform::Bios,
            6 | 15 => Platform::EfiIa32,
            // RFC 4578 has 7 and 9 the other way round than firmware has: both are 64-bit x86 in practice.
            7 | 9 | 16 | 17 => Platform::EfiX64,
            10 | 18 => Platform::EfiArm32,
            // 22 and 24 are U-Boot, which starts UEFI programs.
            11 | 19 | 22 | 24 => Platform::EfiArm64,
            _ => return None,
        })
    }

    /// The number of a platform's firmware that loads by TFTP, or by HTTP.
    pub fn of(platform: Platform, http: bool) -> Self {
        Self(match (platform, http) {
            (Platform::Bios, false) => 0,
            (Platform::Bios, true) => 20,
            (Platform::EfiIa32, false) => 6,
            (Platform::EfiIa32, true) => 15,
            (Platform::EfiX64, false) => 7,
            (Platform::EfiX64, true) => 16,
            (Platform::EfiArm32, false) => 10,
            (Platform::EfiArm32, true) => 18,
            (Platform::EfiArm64, false) => 11,
            (Platform::EfiArm64, true) => 19,
        })
    }

    /// Reads option 93, or else the digits in the vendor class, or else takes it for a BIOS. Of several it takes the first known one;
    /// if none is known, the first.
    pub fn read(option: Option<&[u8]>, vendor_class: &[u8]) -> Self {
        let listed = option
            .filter(|data| !data.is_empty() && data.len() % 2 == 0)
            .map(|data| {
                let codes = || {
                    data.chunks_exact(2)
                        .map(|two| Self(u16::from_be_bytes([two[0], two[1]])))
                };
                codes()
                    .find(|code| code.platform().is_some())
                    .or_else(|| codes().next())
                    .unwrap_or(Self::BIOS)
            });
        listed
            .or_else(|| Self::from_vendor_class(vendor_class))
            .unwrap_or(Self::BIOS)
    }

    /// Reads the five digits of a class such as `PXEClient:Arch:00007:UNDI:003016`.
    fn from_vendor_class(class: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(class).ok()?;
        let (_, rest) = text.split_once(":Arch:")?;
        let digits = rest.split(':').next()?;
        digits.parse().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send_and_forgives_the_rest() {
        let class: &[u8] = b"PXEClient:Arch:00007:UNDI:003016";
        for (option, class, expected) in [
            (Some(&[0, 7][..]), &b"PXEClient"[..], 7),
            (Some(&[0, 11]), class, 11),
            (Some(&[0, 27, 0, 7]), class, 7),
            (Some(&[0, 27, 0, 28]), class, 27),
            (Some(&[7]), class, 7),
            (Some(&[0, 11, 0]), class, 7),
            (Some(&[]), class, 7),
            (None, class, 7),
            (None, b"PXEClient", 0),
            (None, b"PXEClient:Arch:7x", 0),
            (None, b"PXEClient:Arch:99999999", 0),
            (None, b"\xff\xfe:Arch:00007", 0),
        ] {
            assert_eq!(
                ClientArch::read(option, class),
                ClientArch(expected),
                "{option:?} {class:?}"
            );
        }
    }

    #[test]
    fn every_platform_has_its_two_numbers() {
        for platform in [
            Platform::Bios,
            Platform::EfiIa32,
            Platform::EfiX64,
            Platform::EfiArm32,
            Platform::EfiArm64,
        ] {
            for http in [false, true] {
                assert_eq!(ClientArch::of(platform, http).platform(), Some(platform));
            }
        }
        assert_eq!(ClientArch(27).platform(), None);
        assert_eq!(ClientArch(9).platform(), Some(Platform::EfiX64));
        assert_eq!(ClientArch(17).platform(), Some(Platform::EfiX64));
    }
}
