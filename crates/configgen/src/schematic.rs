//! Images of the image factory.

use model::TalosVersion;

use crate::Error;

/// A customized Talos: extensions and kernel arguments under an id. The same id must be booted and installed, or they vanish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schematic {
    /// Host of the factory, with a port if need be.
    pub factory: String,
    /// What the factory calls it: 64 hexadecimal digits.
    pub id: String,
    /// Whether machines boot it by secure boot.
    pub secure_boot: bool,
}

impl Schematic {
    /// The official factory.
    pub const FACTORY: &str = "factory.talos.dev";
    /// The id of the schematic that customizes nothing.
    pub const EMPTY: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";

    /// A schematic of the official factory.
    ///
    /// # Errors
    /// The id is not 64 hexadecimal digits.
    pub fn new(id: &str) -> Result<Self, Error> {
        let is_id = id.len() == 64
            && id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            let shown: String = id.chars().take(70).collect();
            let reason = format!(
                "`{}` is not 64 hexadecimal digits in lower case",
                shown.escape_default()
            );
            return Err(Error::setting("schematic", reason));
        }
        Ok(Self {
            factory: Self::FACTORY.to_owned(),
            id: id.to_owned(),
            secure_boot: false,
        })
    }

    /// The image that installs it on a machine of bare metal.
    pub fn installer(&self, version: &TalosVersion) -> String {
        let name = if self.secure_boot {
            "metal-installer-secureboot"
        } else {
            "metal-installer"
        };
        format!("{}/{name}/{}:{version}", self.factory, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installer_is_named_by_factory_schematic_and_version() {
        let mut schematic = Schematic::new(Schematic::EMPTY).unwrap();
        let version = "v1.13.9".parse().unwrap();
        assert_eq!(
            schematic.installer(&version),
            "factory.talos.dev/metal-installer/376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba:v1.13.9"
        );
        schematic.secure_boot = true;
        schematic.factory = "factory.lan:5000".to_owned();
        assert!(
            schematic
                .installer(&version)
                .starts_with("factory.lan:5000/metal-installer-secureboot/3765")
        );
        for wrong in ["", "abc", &"g".repeat(64), &"A".repeat(64)] {
            assert!(Schematic::new(wrong).is_err(), "{wrong}");
        }
    }
}
