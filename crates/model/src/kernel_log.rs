//! Lines of a node's kernel log (`talos.logging.kernel`), which Talos's own log is part of.

use serde::{Deserialize, Serialize};

use crate::error::word_enum;
use crate::id::row_id;
use crate::{BootId, Timestamp, mask_queries};

row_id! {
    /// Names one kept line; later ones have larger numbers.
    KernelLineId
}

/// A line as it is kept beside a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KernelLogEntry {
    /// Its number.
    pub id: KernelLineId,
    /// The boot it belongs to.
    pub boot: BootId,
    /// When it came, by ktizo's clock.
    pub heard_at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub line: KernelLogLine,
}

/// How much is kept of the kernel log of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KernelLogSummary {
    /// The boot.
    pub boot: BootId,
    /// Which of the boots of its device that is, from 1.
    #[serde(default)]
    pub number: u64,
    /// How many lines.
    pub lines: u64,
    /// How many bytes, roughly.
    pub bytes: u64,
    /// How many older lines are not kept any more.
    pub dropped: u64,
    /// When the last line came.
    pub last_at: Timestamp,
}

/// One record of the kernel log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KernelLogLine {
    /// The text, without the line feed at its end. It may have ` KEY=value` lines after the first.
    pub message: String,
    /// When, by the machine's own clock; `None` where it does not say.
    pub at: Option<Timestamp>,
    /// How much it matters.
    pub level: KernelLogLevel,
    /// Where it comes from: `kern`, `user`, `daemon`; Talos's own lines are `user`.
    pub facility: String,
    /// The kernel's own word for how much it matters.
    pub priority: String,
    /// Its number in the kernel's buffer, which begins anew at each boot.
    pub sequence: u64,
    /// Microseconds since the kernel began.
    pub clock_us: i64,
}

word_enum! {
    /// How much a line matters, in Talos's words.
    KernelLogLevel, "debug, info, warn or error", {
        /// For those who look for a fault.
        Debug = "debug",
        /// For everybody.
        Info = "info",
        /// Something may be wrong. Talos's own lines are of this level.
        Warn = "warn",
        /// Something is wrong.
        Error = "error",
    }
}

impl KernelLogLine {
    /// The same without the secrets that a kernel may print.
    #[must_use]
    pub fn masked(self) -> Self {
        Self {
            message: mask_queries(&self.message).into_owned(),
            ..self
        }
    }

    /// What Talos itself says in this line, if it is one of Talos's.
    pub fn talos_text(&self) -> Option<&str> {
        self.message
            .strip_prefix("[talos] ")
            .filter(|_| self.facility == "user")
    }
}
