//! Why a request is refused, and how that is told.

use std::io;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};

use crate::types::ErrorBody;

/// A request that was refused or could not be done; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("there is no {what} {name}")]
    NotFound {
        /// `device`, `asset`, ...
        what: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// The request is well-formed and cannot be granted.
    #[error("{}", .0.why)]
    Refused(Box<Refusal>),
    /// The request cannot be read.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// The body is larger than any that is needed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes that are taken.
        limit: u64,
    },
    /// The caller did not say who it is, or not rightly.
    #[error("the caller did not say who it is, or not rightly")]
    Unauthorized(&'static str),
    /// The caller is known and may not do this.
    #[error("{why}")]
    Forbidden {
        /// Who may not, and why.
        why: String,
        /// What would help.
        hint: String,
    },
    /// The change was made for another version than the present one.
    #[error("it was changed by somebody else since it was read, so nothing was changed")]
    Stale,
    /// Something was to be done with several devices for what a person saw of them, and that changed.
    #[error("{devices} changed after the preview, so nothing was changed")]
    SeenOtherwise {
        /// Which.
        devices: String,
    },
    /// The method is not one of the path's.
    #[error("this path does not answer this method")]
    Method,
    /// All places for listeners that the caller could have are taken; some are kept for root, for admins and for others.
    #[error(
        "all places for live listeners are taken, but for some that are kept for others; try again later"
    )]
    Crowded,
    /// One account with its tokens, or one token of no account, has as many listeners as it may.
    #[error(
        "this account, with its tokens, has {most} live listeners already, which is as many as one may have"
    )]
    TooManyListeners {
        /// How many.
        most: usize,
    },
    /// The request was not done in time.
    #[error("the request was not done in time; whether it was done is seen by reading again")]
    Timeout,
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    File {
        /// The file and what was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A fault of ktizo's.
    #[error("a fault in ktizo: {0}")]
    Internal(String),
}

/// Which field is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A word for the situation.
    pub code: &'static str,
    /// The field as it is called in the body.
    pub field: Option<String>,
    /// What is wrong, in a sentence.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// A value that cannot be.
    pub(crate) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::refused("invalid", Some(field.into()), why, None)
    }

    /// A refusal with its word and hint.
    pub(crate) fn refused(
        code: &'static str,
        field: Option<String>,
        why: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        Self::Refused(Box::new(Refusal {
            code,
            field,
            why: why.into(),
            hint: hint.map(str::to_owned),
        }))
    }

    /// A file that could not be read or written.
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }

    /// The body of the answer.
    pub fn body(&self) -> ErrorBody {
        let (_, code, field, hint) = self.outward();
        let message = match self {
            // The field stands beside it.
            Self::Store(store::Error::Taken { value, .. }) => {
                format!("`{value}` is taken by another")
            }
            other => other.to_string(),
        };
        ErrorBody {
            code: code.to_owned(),
            message,
            field,
            hint,
        }
    }

    /// The answer's status, word, field and hint.
    fn outward(&self) -> (StatusCode, &str, Option<String>, Option<String>) {
        let plain = |status, code| (status, code, None, None);
        match self {
            Self::NotFound { .. } => plain(StatusCode::NOT_FOUND, "not_found"),
            Self::Refused(refusal) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                refusal.code,
                refusal.field.clone(),
                refusal.hint.clone(),
            ),
            Self::Malformed(_) => plain(StatusCode::BAD_REQUEST, "malformed"),
            Self::TooLarge { .. } => plain(StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Unauthorized(hint) => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                None,
                Some((*hint).to_owned()),
            ),
            Self::Forbidden { hint, .. } => {
                (StatusCode::FORBIDDEN, "forbidden", None, Some(hint.clone()))
            }
            Self::Stale => (
                StatusCode::PRECONDITION_FAILED,
                "stale",
                None,
                Some("read it again, and make the change on what is there now".to_owned()),
            ),
            Self::SeenOtherwise { .. } => (
                StatusCode::PRECONDITION_FAILED,
                "stale",
                Some("seen".to_owned()),
                Some("look at the preview again".to_owned()),
            ),
            Self::Method => plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Crowded => plain(StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::TooManyListeners { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_listeners",
                None,
                Some(
                    "close pages or scripts that are not needed; one listener hears everything"
                        .to_owned(),
                ),
            ),
            Self::Timeout => plain(StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Self::Store(store::Error::Taken { field, .. }) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "taken",
                Some((*field).to_owned()),
                None,
            ),
            Self::Store(store::Error::NoSuchDevice(_)) => plain(StatusCode::NOT_FOUND, "not_found"),
            Self::Store(store::Error::Busy | store::Error::Closed | store::Error::Locked) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "busy")
            }
            Self::Store(store::Error::DiskFull) => {
                plain(StatusCode::INSUFFICIENT_STORAGE, "disk_full")
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => (
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                None,
                Some("free some space in the state folder, then try again".to_owned()),
            ),
            Self::Store(_) | Self::File { .. } | Self::Internal(_) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, ..) = self.outward();
        if status.is_server_error() {
            tracing::error!(err = %self, "an admin request failed");
        }
        let mut response = (status, Json(self.body())).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = axum::http::HeaderValue::from_static("Bearer realm=\"ktizo\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
