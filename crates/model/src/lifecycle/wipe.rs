//! From a wipe order to the one script that carries it out.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ProofSource;
use crate::{Actor, StandingOrder, Timestamp};

/// How long a wipe order holds; so long, too, waits one that was asked for at the console.
pub const WIPE_VALID: Duration = Duration::from_secs(24 * 3600);

/// How a wipe of a device stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Wipe {
    /// None is asked for or ordered.
    #[default]
    None,
    /// Somebody at the console asked for one.
    Asked {
        /// When.
        at: Timestamp,
    },
    /// A person ordered one.
    Ordered {
        /// Who.
        by: Actor,
        /// When.
        at: Timestamp,
        /// Until when it holds.
        expires: Timestamp,
        /// What stands when the wipe is proven.
        then: StandingOrder,
    },
    /// The script that wipes went out, or was about to: no other ever will for this order. The disk may be wiped, or half, or not.
    Spent {
        /// Who ordered it.
        by: Actor,
        /// When it went out.
        at: Timestamp,
        /// What stands when the wipe is proven.
        then: StandingOrder,
    },
    /// The disk is wiped.
    Proven {
        /// When that was proven.
        at: Timestamp,
        /// By what.
        by: ProofSource,
    },
}

/// What happens to a wipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WipeEvent {
    /// Somebody at the console asks for one.
    Asked {
        /// When.
        at: Timestamp,
    },
    /// A person orders one.
    Ordered {
        /// Who.
        by: Actor,
        /// When.
        at: Timestamp,
        /// What stands when the wipe is proven.
        then: StandingOrder,
    },
    /// A person changed something else of the device.
    Changed,
    /// A person said no.
    Declined,
    /// A person gave a standing order.
    Overruled,
    /// Its time is over.
    Expired,
    /// The script that wipes is about to go out.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// The disk is wiped.
    Proven {
        /// By what that is proven.
        by: ProofSource,
        /// When.
        at: Timestamp,
    },
}

impl Wipe {
    /// Whether it waits for something whose time is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Asked { at } => now >= at.plus(WIPE_VALID),
            Self::Ordered { at, expires, .. } => !now.is_within(*at, *expires),
            Self::None | Self::Spent { .. } | Self::Proven { .. } => false,
        }
    }

    /// The state after an event; every pair has its outcome, and `tests` has the table.
    #[must_use]
    pub fn after(&self, event: &WipeEvent) -> Self {
        match (self, event) {
            (_, WipeEvent::Ordered { by, at, then }) => Self::Ordered {
                by: by.clone(),
                at: *at,
                expires: at.plus(WIPE_VALID),
                then: *then,
            },
            (_, WipeEvent::Overruled)
            | (
                Self::Asked { .. } | Self::Ordered { .. },
                WipeEvent::Declined | WipeEvent::Expired,
            )
            | (Self::Ordered { .. }, WipeEvent::Changed) => Self::None,
            (Self::None | Self::Proven { .. }, WipeEvent::Asked { at }) => Self::Asked { at: *at },
            (Self::Ordered { by, then, .. }, WipeEvent::Sent { at }) => Self::Spent {
                by: by.clone(),
                at: *at,
                then: *then,
            },
            (Self::Spent { .. }, WipeEvent::Proven { by, at }) => Self::Proven { at: *at, by: *by },
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Wipe {
    /// As a sentence for people; empty for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Asked { at } => write!(
                f,
                "asked for at the console {}; waits for a person",
                at.minute()
            ),
            Self::Ordered {
                by, expires, then, ..
            } => write!(
                f,
                "ordered by {} for the next network boot, if that is before {}; after the wipe: {then}",
                by.called(),
                expires.minute()
            ),
            Self::Spent { by, at, .. } => {
                write!(
                    f,
                    "WIPE NOT PROVEN: sent {}, as ordered by {}",
                    at.minute(),
                    by.called()
                )
            }
            Self::Proven { at, by } => {
                write!(f, "wiped {}, by the word of {}", at.minute(), by.named())
            }
        }
    }
}
