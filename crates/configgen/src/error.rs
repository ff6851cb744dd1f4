//! What goes wrong while configs are read and made.

use crate::document::DocumentId;
use crate::yaml::{ParseError, Position};

/// Why a config could not be read or made. No variant ever quotes a value of a config, for it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file is not YAML.
    #[error("{file}: {source}")]
    Syntax {
        /// The file, as its owner calls it.
        file: String,
        /// Where and what.
        source: ParseError,
    },
    /// A document of a file is not what it has to be.
    #[error("{file}, {document}, line {line}: {reason}", line = .at.line)]
    Document {
        /// The file, as its owner calls it.
        file: String,
        /// Which of its documents.
        document: Box<DocumentId>,
        /// Where in the file.
        at: Position,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file lacks something as a whole.
    #[error("{file}: {reason}")]
    File {
        /// The file, as its owner calls it.
        file: String,
        /// What is missing.
        reason: String,
    },
    /// A setting of one device cannot be put into a config.
    #[error("{field}: {reason}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A patch cannot be read or applied.
    #[error("patch {patch}: {reason}")]
    Patch {
        /// The patch, by its name.
        patch: String,
        /// Why.
        reason: String,
    },
    /// The cryptographic library failed; not for any input of the operator's.
    #[error("{what} failed in the cryptographic library; please report this")]
    Crypto {
        /// What was tried.
        what: &'static str,
    },
    /// A secrets bundle lacks something or its parts do not fit together.
    #[error("{file}: {}", problems.join("; "))]
    Secrets {
        /// The file, as its owner calls it.
        file: String,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
}

impl Error {
    pub(crate) fn document(
        file: &str,
        document: &DocumentId,
        at: Position,
        reason: impl Into<String>,
    ) -> Self {
        Self::Document {
            file: file.to_owned(),
            document: Box::new(document.clone()),
            at,
            reason: reason.into(),
        }
    }

    pub(crate) fn setting(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting {
            field,
            reason: reason.into(),
        }
    }
}
