//! Kernel logs.

use model::{BootId, KernelLogEntry, KernelLogSummary};
use serde::{Deserialize, Serialize};

/// The kernel log of one boot of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KernelLog {
    /// The boot; `null` while no log of the device was heard.
    pub boot: Option<BootId>,
    /// The lines that were asked for, in the order in which they came. Tokens in them are masked.
    pub lines: Vec<KernelLogEntry>,
    /// The boots of the device of which lines are kept, newest first.
    pub logs: Vec<KernelLogSummary>,
}
