//! From an install order to its proof.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ProofSource;
use crate::{BootId, BootStage, Timestamp};

/// How the install of a device stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Install {
    /// No config went out since the order.
    Waiting {
        /// The proof of the install that the order would repeat, which is on the disk until a config goes out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proven: Option<InstallProof>,
    },
    /// It may be under way: the config went out, or a script that repeats the order did.
    Begun {
        /// Which attempt at the order it is, from 1.
        attempt: u32,
        /// Since when the machine owes a proof.
        since: Timestamp,
        /// In which boot.
        boot: Option<BootId>,
        /// Whether the config went out in this attempt.
        released: bool,
        /// Whether the machine was told to report, so that its silence means something.
        reports: bool,
    },
    /// An attempt left no proof, or its failure was reported.
    Failed {
        /// Which attempt.
        attempt: u32,
        /// When it was known.
        at: Timestamp,
        /// In which boot.
        boot: Option<BootId>,
        /// Why, in Talos's words; `None` if the machine was silent.
        error: Option<String>,
        /// The last stage that was seen of it.
        last_stage: Option<BootStage>,
        /// Whether the machine was told to report.
        reports: bool,
    },
    /// Talos is on its disk.
    Installed {
        /// When that was proven.
        at: Timestamp,
        /// By what.
        by: ProofSource,
    },
}

/// That Talos is on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InstallProof {
    /// When that was proven.
    pub at: Timestamp,
    /// By what.
    pub by: ProofSource,
}

/// What happens to an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallEvent {
    /// A person orders an install.
    Ordered,
    /// A person takes the order back, for another one.
    Countermanded,
    /// A script goes out that repeats the order after an attempt that failed.
    Repeated,
    /// The config goes out.
    Released,
    /// No transfer of the config reached the machine.
    TakenBack,
    /// Talos is on the disk.
    Proven(ProofSource),
    /// The machine could not install itself, or not come up; why, in Talos's words.
    Failed(String),
    /// The machine owed a proof for longer than the limit.
    Silent,
    /// The machine asks for its boot script again.
    AskedAgain,
    /// The disk is proven to be wiped.
    Wiped,
}

/// What is known at the moment of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// When.
    pub at: Timestamp,
    /// The machine's present boot, if one was seen.
    pub boot: Option<BootId>,
    /// The last stage that was seen of it.
    pub furthest: Option<BootStage>,
    /// Whether the machine is told to report.
    pub reports: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            at: Timestamp::from_micros(0),
            boot: None,
            furthest: None,
            reports: false,
        }
    }
}

impl Default for Install {
    fn default() -> Self {
        Self::Waiting { proven: None }
    }
}

impl Install {
    /// Which attempt at the order was made last; 0 if none was.
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Begun { attempt, .. } | Self::Failed { attempt, .. } => *attempt,
            Self::Waiting { .. } | Self::Installed { .. } => 0,
        }
    }

    /// The state after an event; every pair has its outcome, and `tests` has the table.
    #[must_use]
    pub fn after(&self, event: &InstallEvent, scene: &Scene) -> Self {
        match (self, event) {
            // A person's order begins the count anew, and so does an empty disk.
            (Self::Waiting { .. }, InstallEvent::Ordered) => self.clone(),
            (Self::Installed { at, by }, InstallEvent::Ordered) => Self::Waiting {
                proven: Some(InstallProof { at: *at, by: *by }),
            },
            (_, InstallEvent::Ordered | InstallEvent::Wiped) => Self::default(),
            (
                Self::Waiting {
                    proven: Some(InstallProof { at, by }),
                },
                InstallEvent::Countermanded,
            ) => Self::Installed { at: *at, by: *by },
            // A person's word needs nothing before it.
            (Self::Installed { .. }, InstallEvent::Proven(_)) => self.clone(),
            (_, InstallEvent::Proven(by @ ProofSource::Operator))
            | (Self::Begun { .. } | Self::Failed { .. }, InstallEvent::Proven(by)) => {
                Self::Installed {
                    at: scene.at,
                    by: *by,
                }
            }
            // What a machine says where nothing began since the order, it says of what was before.
            (Self::Waiting { .. }, InstallEvent::Proven(_)) => self.clone(),
            // A proven install stays one, whatever fails later, until a person orders another.
            (Self::Installed { .. }, _) => self.clone(),
            (Self::Waiting { .. }, InstallEvent::Released) => begun(1, true, scene),
            (Self::Waiting { .. }, _) => self.clone(),
            (Self::Begun { .. }, _) => self.begun_after(event, scene),
            (Self::Failed { .. }, _) => self.failed_after(event, scene),
        }
    }

    fn begun_after(&self, event: &InstallEvent, scene: &Scene) -> Self {
        let Self::Begun {
            attempt,
            since,
            boot,
            released,
            reports,
        } = *self
        else {
            return self.clone();
        };
        let failed = |error| Self::Failed {
            attempt,
            at: scene.at,
            boot,
            error,
            last_stage: scene.furthest,
            reports,
        };
        match event {
            // Somebody chose to install in the menu of a later boot.
            InstallEvent::Released if released && boot != scene.boot => {
                begun(attempt + 1, true, scene)
            }
            InstallEvent::Released if !released => begun(attempt, true, scene),
            // The first attempt begins with its config; a later one began with its script.
            InstallEvent::TakenBack if released && attempt == 1 => Self::default(),
            InstallEvent::TakenBack => Self::Begun {
                attempt,
                since,
                boot,
                released: false,
                reports,
            },
            InstallEvent::Failed(error) => failed(Some(error.clone())),
            InstallEvent::Silent => failed(None),
            // Until the config is out, the machine may be asking again in the same boot.
            InstallEvent::AskedAgain if released || boot != scene.boot => failed(None),
            _ => self.clone(),
        }
    }

    fn failed_after(&self, event: &InstallEvent, scene: &Scene) -> Self {
        let Self::Failed { attempt, boot, .. } = *self else {
            return self.clone();
        };
        match event {
            InstallEvent::Repeated => begun(attempt + 1, false, scene),
            // Talos fetches its config again and again where it cannot use it; that is no attempt of its own.
            InstallEvent::Released if boot != scene.boot => begun(attempt + 1, true, scene),
            // Talos's words may come after the silence was noted.
            InstallEvent::Failed(words) => {
                let mut told = self.clone();
                if let Self::Failed { error, .. } = &mut told {
                    *error = Some(error.take().unwrap_or_else(|| words.clone()));
                }
                told
            }
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Install {
    /// As a sentence for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { proven: None } => f.write_str("not begun"),
            Self::Waiting {
                proven: Some(proof),
            } => write!(f, "not begun; before it, {proof}"),
            Self::Begun {
                attempt,
                since,
                reports: true,
                ..
            } => write!(
                f,
                "attempt {attempt} since {}; no proof yet",
                since.minute()
            ),
            Self::Begun { since, .. } => write!(
                f,
                "config served {}; not proven, and only a person can say",
                since.minute()
            ),
            Self::Failed {
                attempt,
                at,
                error,
                last_stage,
                ..
            } => {
                write!(f, "FAILED, attempt {attempt}, {}: ", at.minute())?;
                match (error, last_stage) {
                    (Some(error), _) => f.write_str(error),
                    (None, Some(stage)) => write!(f, "no proof came; its last stage was {stage}"),
                    (None, None) => f.write_str("no proof came"),
                }
            }
            Self::Installed { at, by } => InstallProof { at: *at, by: *by }.fmt(f),
        }
    }
}

impl fmt::Display for InstallProof {
    /// As `installed 2026-01-02 03:04, by the word of a person`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, by) = (self.at.minute(), self.by.named());
        write!(f, "installed {at}, by the word of {by}")
    }
}

fn begun(attempt: u32, released: bool, scene: &Scene) -> Install {
    Install::Begun {
        attempt,
        since: scene.at,
        boot: scene.boot,
        released,
        reports: scene.reports,
    }
}
