//! What each Talos version expects of a config (`pkg/machinery/config/contract.go`).

use std::fmt;

use model::TalosVersion;

use crate::{Error, KubernetesVersion};

/// The minor version of Talos 1 whose layout a config has. A newer Talos takes the config of an older contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contract(u16);

/// Default, oldest and newest Kubernetes of each Talos minor version, from [`Contract::OLDEST`] on (`pkg/machinery/compatibility`).
const KUBERNETES: [(&str, u16, u16); 7] = [
    ("1.31.4", 26, 31),
    ("1.32.4", 27, 32),
    ("1.33.6", 28, 33),
    ("1.34.1", 29, 34),
    ("1.35.4", 30, 35),
    ("1.36.3", 31, 36),
    ("1.37.0-rc.0", 32, 37),
];

impl Contract {
    /// Talos v1.8.
    pub const OLDEST: Self = Self(8);
    /// Talos v1.15, which generates the same as v1.14.
    pub const NEWEST: Self = Self(15);

    /// The contract for a Talos version; for one newer than [`Self::NEWEST`] that one, which such a Talos takes.
    ///
    /// # Errors
    /// The version is older than v1.8.
    pub fn of(version: &TalosVersion) -> Result<Self, Error> {
        if Self::is_too_old(version) {
            let oldest = Self::OLDEST;
            return Err(Error::setting(
                "talos_version",
                format!(
                    "{version} is older than {oldest}, the oldest whose config layout is known here"
                ),
            ));
        }
        Ok(match version.contract() {
            (1, minor) => Self(minor.min(Self::NEWEST.0)),
            _ => Self::NEWEST,
        })
    }

    /// Whether a version is older than [`Self::OLDEST`], so that no config can be made for it.
    pub fn is_too_old(version: &TalosVersion) -> bool {
        version.contract() < (1, Self::OLDEST.0)
    }

    /// The newest contract whose Kubernetes is released: what is suggested where no Talos is chosen yet.
    pub fn newest_stable() -> Self {
        let all = (Self::OLDEST.0..=Self::NEWEST.0).rev().map(Self);
        let mut stable = all.filter(|contract| !contract.default_kubernetes().is_prerelease());
        stable.next().unwrap_or(Self::NEWEST)
    }

    /// A sentence for the operator if the version is newer than every known contract.
    pub fn note(version: &TalosVersion) -> Option<String> {
        (version.contract() > (1, Self::NEWEST.0)).then(|| {
            format!("Talos {version} is newer than the newest known config contract {}; configs are made with that one", Self::NEWEST)
        })
    }

    /// The contract whose generator made a config, as far as its documents show it: v1.11 stands for all older ones.
    pub fn of_config(config: &crate::MachineConfig) -> Self {
        let has = |kind: &str| config.ids().any(|id| id.kind() == Some(kind));
        if has("KubeletConfig")
            || has("KubeNodeConfig")
            || has("KubeClusterConfig")
            || has("UnattendedInstallConfig")
        {
            Self(14)
        } else if has("HostnameConfig") {
            Self(12)
        } else {
            Self(11)
        }
    }

    /// The number behind `v1.`.
    pub(crate) fn minor(self) -> u16 {
        self.0
    }

    /// From v1.12 on: `HostnameConfig`, registries as documents, UKI command line.
    pub(crate) fn has_documents(self) -> bool {
        self.0 >= 12
    }

    /// From v1.13 on: `KubeSpanConfig`, and no empty `machine.network`.
    pub(crate) fn has_kubespan_document(self) -> bool {
        self.0 >= 13
    }

    /// From v1.14 on nearly everything is a document of its own.
    pub(crate) fn is_documents_only(self) -> bool {
        self.0 >= 14
    }

    /// From v1.14 on a patch may delete a document that is not there; before, the config broke.
    pub(crate) fn ignores_missing_deletions(self) -> bool {
        self.0 >= 14
    }

    /// From v1.14 on the documents of one patch may have the same identity.
    pub(crate) fn allows_repeated_patches(self) -> bool {
        self.0 >= 14
    }

    /// The Kubernetes version that this Talos installs unless told otherwise.
    pub fn default_kubernetes(self) -> KubernetesVersion {
        let (default, ..) = KUBERNETES[self.row()];
        default.parse().expect("the table holds versions")
    }

    /// Refuses a Kubernetes that this Talos would not run; newer contracts than the table knows refuse only older ones.
    pub(crate) fn check_kubernetes(self, version: &KubernetesVersion) -> Result<(), Error> {
        let (_, oldest, newest) = KUBERNETES[self.row()];
        let newest = if usize::from(self.0 - Self::OLDEST.0) < KUBERNETES.len() {
            newest
        } else {
            u16::MAX
        };
        if (oldest..=newest).contains(&version.minor()) {
            return Ok(());
        }
        let until = if newest == u16::MAX {
            "or newer".to_owned()
        } else {
            format!("to 1.{newest}")
        };
        Err(Error::setting(
            "kubernetes_version",
            format!("Talos {self} runs Kubernetes 1.{oldest} {until}, not {version}"),
        ))
    }

    fn row(self) -> usize {
        usize::from(self.0 - Self::OLDEST.0).min(KUBERNETES.len() - 1)
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> TalosVersion {
        text.parse().unwrap()
    }

    #[test]
    fn old_versions_are_refused_and_unknown_ones_take_the_newest() {
        for old in ["v1.7.6", "v0.14.0"] {
            let error = Contract::of(&version(old)).unwrap_err().to_string();
            assert!(error.contains("older than v1.8"), "{error}");
        }
        assert_eq!(Contract::of(&version("v1.8.0")).unwrap(), Contract::OLDEST);
        assert_eq!(
            Contract::of(&version("v1.14.0-rc.1")).unwrap().to_string(),
            "v1.14"
        );
        for new in ["v1.16.0", "v2.0.0"] {
            assert_eq!(Contract::of(&version(new)).unwrap(), Contract::NEWEST);
            assert!(
                Contract::note(&version(new))
                    .unwrap()
                    .contains("newest known config contract v1.15")
            );
        }
        assert_eq!(Contract::note(&version("v1.15.3")), None);
    }

    #[test]
    fn kubernetes_must_fit() {
        let check = |talos: &str, kubernetes: &str| {
            Contract::of(&version(talos))
                .unwrap()
                .check_kubernetes(&kubernetes.parse().unwrap())
        };
        assert!(check("v1.13.0", "1.31.0").is_ok() && check("v1.13.0", "v1.36.9").is_ok());
        assert!(check("v1.13.0", "1.30.9").is_err() && check("v1.13.0", "1.37.0").is_err());
        assert!(check("v1.15.0", "1.39.0").is_ok() && check("v1.15.0", "1.31.0").is_err());
        assert_eq!(
            Contract::NEWEST.default_kubernetes().to_string(),
            "1.37.0-rc.0"
        );
        let stable = Contract::newest_stable().default_kubernetes();
        assert_eq!(stable.to_string(), "1.36.3");
    }
}
