//! What the next boot of a machine would get.

use serde::{Deserialize, Serialize};

/// A boot script that nobody asked for yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScriptPreview {
    /// `install`, `hold`, `leave`, `menu`, or another word for what the boot would do.
    pub decision: String,
    /// Why, in a sentence.
    pub why: String,
    /// Which files of Talos the machine would lack, in a sentence, if any.
    pub missing: Option<String>,
    /// The script, as the machine's iPXE would get it after it has told what machine it is, without the token that lets it have its
    /// config, for that is made for a boot. How a UEFI machine is sent to its disk also depends on its iPXE, and is shown here for one
    /// of unknown age.
    pub script: String,
}
