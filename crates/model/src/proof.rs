//! What a machine's own word proves: that Talos is on its disk, that it failed to get there, that a wipe is done.
//!
//! A reading follows one source, the events or the kernel log, in the order of arrival. It takes what comes again for what it is, and
//! begins anew when the machine does.

mod kernel;
mod reading;
mod repeated;
mod testimony;
#[cfg(test)]
mod tests;

pub use kernel::KernelReading;
pub use reading::{EventReading, Progress};
pub use testimony::{Step, Testimony, Word};

use serde::{Deserialize, Serialize};

/// What a machine's word about its current boot comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It wrote Talos and its config to the disk in this boot, and is about to restart.
    Installed,
    /// It tried to, and could not.
    InstallFailed {
        /// Why, in Talos's words.
        error: String,
    },
    /// It came up, and all it needs is there: it runs from its disk.
    Running,
    /// It wiped its disk, and is about to restart.
    Wiped,
    /// It waits for a config; nothing is written.
    Maintenance,
    /// It could not come up.
    BootFailed {
        /// Why, in Talos's words.
        error: String,
    },
}

impl Verdict {
    /// Whether Talos is on the machine's disk.
    pub fn proves_install(&self) -> bool {
        matches!(self, Self::Installed | Self::Running)
    }

    /// Why the machine did not get there.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::InstallFailed { error } | Self::BootFailed { error } => Some(error),
            Self::Installed | Self::Running | Self::Wiped | Self::Maintenance => None,
        }
    }
}

/// What became of something a machine said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It is the first word of a boot.
    BeganBoot,
    /// It was read.
    Read,
    /// It had come before, and changes nothing.
    Repeated,
}
