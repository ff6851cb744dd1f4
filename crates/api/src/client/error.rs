//! What can go wrong between the command line and the daemon.

use crate::types::ErrorBody;

/// Why a call brought no answer, or a no.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("{place}: {why}")]
    Unusable {
        /// The address.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers.
    #[error("no ktizo answers at {place}: {why}")]
    Unreachable {
        /// The address.
        place: String,
        /// What the system said.
        why: String,
    },
    /// The daemon said no.
    #[error("{}", told(.body))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        body: ErrorBody,
    },
    /// Something answers that is no ktizo, or one of another version.
    #[error(
        "{place} answers with status {status}, and what it says cannot be read ({why}): is it ktizo, and of this version?"
    )]
    Garbled {
        /// The address.
        place: String,
        /// The HTTP status.
        status: u16,
        /// What could not be read.
        why: String,
    },
    /// A file to be sent could not be read.
    #[error("{0}")]
    File(String),
}

impl ClientError {
    pub(super) fn unusable(place: &str, err: &reqwest::Error) -> Self {
        Self::Unusable {
            place: place.to_owned(),
            why: root_cause(err),
        }
    }

    pub(super) fn unreachable(place: &str, err: &reqwest::Error) -> Self {
        Self::Unreachable {
            place: place.to_owned(),
            why: root_cause(err),
        }
    }

    pub(super) fn garbled(place: &str, status: u16, err: &serde_json::Error) -> Self {
        Self::Garbled {
            place: place.to_owned(),
            status,
            why: err.to_string(),
        }
    }
}

/// The sentence of a refusal: field, reason, hint.
fn told(body: &ErrorBody) -> String {
    let mut told = match &body.field {
        Some(field) => format!("{field}: {}", body.message),
        None => body.message.clone(),
    };
    if let Some(hint) = &body.hint {
        told.push_str(&format!(" ({hint})"));
    }
    told
}

/// The last cause says what happened; those above it only where.
fn root_cause(err: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = err;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}
