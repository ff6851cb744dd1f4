//! Events.

use serde::{Deserialize, Serialize};

use crate::audit;

/// An event with its sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = EventWithMessage)]
pub struct Event {
    /// What happened, for programs.
    #[serde(flatten)]
    pub event: model::Event,
    /// What happened, in a sentence.
    pub message: String,
}

impl From<model::Event> for Event {
    fn from(event: model::Event) -> Self {
        Self {
            message: event.what.to_string(),
            event: audit::without_prints(event),
        }
    }
}
