//! How a refusal looks.

use serde::{Deserialize, Serialize};

/// The body of every answer that is not a yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// A word for the situation, for programs.
    pub code: String,
    /// What is wrong, in a sentence for people.
    pub message: String,
    /// The field of the request that is wrong, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
