//! Who asks: the kernel says it for the Unix socket, a token for TCP.

mod peer;
mod token;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use model::Actor;

use crate::Error;

pub use peer::Access;
pub(crate) use peer::UnixPeer;
pub use token::{Token, TokenError};

/// By which door a request came in; each server puts it into every request.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// The Unix socket, with who is at the other end.
    Unix(Arc<UnixPeer>),
    /// TCP, with the token that opens it.
    Tcp(Arc<Token>),
}

/// A caller who may use the API; changes and events name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::Internal("a route without a lock".to_owned()))
    }
}

const NO_TOKEN: &str = "send `Authorization: Bearer TOKEN` with the token that the daemon keeps in its state folder, or, on the same host as root or a \
     member of group ktizo, use the socket: `curl --unix-socket /run/ktizo/ktizo.sock http://localhost/api/v1/devices`";

/// Lets a request through that may use the API.
pub(crate) async fn require(mut request: Request, next: Next) -> Result<Response, Error> {
    let caller = match request.extensions().get::<Door>() {
        Some(Door::Unix(peer)) => peer.admit()?,
        Some(Door::Tcp(token)) => match bearer(request.headers()) {
            Some(shown) if token.opens(shown) => Caller(Actor::Person(TOKEN_HOLDER.to_owned())),
            _ => return Err(Error::Unauthorized(NO_TOKEN)),
        },
        None => return Err(Error::Internal("a request by no known door".to_owned())),
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// How events call whoever holds the token.
const TOKEN_HOLDER: &str = "token";

/// The token of an `Authorization` header (RFC 6750 section 2.1); the scheme's case does not count (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
