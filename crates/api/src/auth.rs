//! Who asks: the kernel says it for the Unix socket; by TCP it is a token or the session of a browser. And who may do what.

mod gate;
mod password;
mod peer;
pub(crate) mod secret;
mod session;
mod slow;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use axum::middleware::Next;
use axum::response::Response;
use model::{Actor, Author, Authority, UserId};

use crate::{Api, Error};

pub use gate::Gate;
pub(crate) use password::hash as hash_password;
pub use peer::Access;
pub(crate) use peer::UnixPeer;
pub(crate) use session::change_own_password;
pub use session::{
    NewSession, NoSession, Session, SignInRefusal, has_users, make_set_up_link, set_up,
    set_up_open, sign_in, sign_out, signed_out_cookie,
};
pub use token::{Token, TokenError};

/// By which door a request came in; each server puts it into every request.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// The Unix socket, with who is at the other end.
    Unix(Arc<UnixPeer>),
    /// TCP.
    Tcp {
        /// The token of the state folder.
        token: Arc<Token>,
        /// The other end.
        peer: SocketAddr,
        /// Whether nobody can read along.
        tls: bool,
    },
}

impl Door {
    fn of(extensions: &Extensions) -> Result<&Self, Error> {
        extensions
            .get::<Self>()
            .ok_or_else(|| Error::Internal("a request by no known door".to_owned()))
    }

    /// How events say from where a request came.
    fn from(&self) -> String {
        match self {
            Self::Unix(peer) => format!("Unix socket, {}", peer.called()),
            Self::Tcp { peer, .. } => peer.ip().to_canonical().to_string(),
        }
    }
}

/// From where a request came, as events and the slow-down call it, and whether by TLS; for pages that nobody has signed in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Such as `192.0.2.7`.
    pub from: String,
    /// Whether the connection is TLS, so that a cookie can be kept to it.
    pub tls: bool,
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let door = Door::of(&parts.extensions)?;
        Ok(Self {
            from: door.from(),
            tls: matches!(door, Door::Tcp { tls: true, .. }),
        })
    }
}

/// A caller who may use the API; changes and events name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// What it may do.
    pub authority: Authority,
    /// From where.
    pub from: String,
    /// The account whose it is, itself or by a token that the account made; `None` for who is known to the host.
    pub account: Option<UserId>,
}

impl Caller {
    /// The author of what it changes.
    pub fn author(&self) -> Author {
        Author {
            actor: self.actor.clone(),
            from: Some(self.from.clone()),
        }
    }

    /// Whether it may do what needs `least`.
    pub fn may(&self, least: Authority) -> bool {
        self.authority >= least
    }

    /// Refuses what it may not do.
    pub fn must(&self, least: Authority) -> Result<(), Error> {
        if self.may(least) {
            return Ok(());
        }
        let own = self.authority;
        let who = match &self.actor {
            Actor::Person(name) => name.clone(),
            other => other.to_string(),
        };
        Err(Error::Forbidden {
            why: format!("{who} is {own} here, and this needs {least}"),
            hint: if who.starts_with("token") {
                format!("ask an admin for a token with authority {least}")
            } else {
                format!("ask an admin to make {who} {least}")
            },
        })
    }
}

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

const NO_TOKEN: &str = "send `Authorization: Bearer TOKEN` with a token that `ktizo token add` makes, or the one that the daemon keeps in its state \
     folder, or, on the same host as root or a member of group ktizo, use the socket: \
     `curl --unix-socket /run/ktizo/ktizo.sock http://localhost/api/v1/devices`";

/// By what a caller came in, so that a long answer can end when it is good no more.
#[derive(Clone)]
pub(crate) enum Credential {
    /// The Unix socket, by root.
    Root,
    /// The Unix socket, by somebody else, or the token of the state folder.
    Standing,
    /// An API token.
    Token(Arc<str>),
    /// The session of a browser.
    Session(Arc<str>),
}

/// Lets a request through whose caller is known.
pub(crate) async fn require(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let (caller, credential) = caller_of(&api.gate, &parts).await?;
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(credential);
    Ok(next.run(request).await)
}

async fn caller_of(gate: &Gate, request: &Parts) -> Result<(Caller, Credential), Error> {
    let door = Door::of(&request.extensions)?.clone();
    let from = door.from();
    let token = match &door {
        Door::Unix(peer) => {
            let credential = if peer.is_root() {
                Credential::Root
            } else {
                Credential::Standing
            };
            return Ok((peer.admit()?, credential));
        }
        Door::Tcp { token, .. } => token,
    };
    if let Some(shown) = bearer(&request.headers) {
        if token.opens(shown) {
            let caller = Caller {
                actor: Actor::Person(TOKEN_HOLDER.to_owned()),
                authority: Authority::Admin,
                from,
                account: None,
            };
            return Ok((caller, Credential::Standing));
        }
        let holder = gate.token_holder(shown, &from).await?;
        let holder = holder.ok_or(Error::Unauthorized(NO_TOKEN))?;
        return Ok((holder, Credential::Token(shown.into())));
    }
    if request.headers.contains_key(AUTHORIZATION) {
        return Err(Error::Unauthorized(NO_TOKEN));
    }
    let cookie = session::cookie_of(&request.headers).ok_or(Error::Unauthorized(NO_TOKEN))?;
    let in_use = session::is_use(&request.headers);
    let session = gate.session(cookie, &from, in_use).await?;
    let session = session.ok_or(Error::Unauthorized(NO_TOKEN))?;
    session.check_unsafe(&request.method, &request.headers)?;
    Ok((session.caller, Credential::Session(cookie.into())))
}

/// Lets a request through whose caller may do what the route needs.
pub(crate) async fn authorise(
    State(least): State<Authority>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    caller.must(least)?;
    Ok(next.run(request).await)
}

/// How events call whoever holds the token of the state folder; no user can have the name.
const TOKEN_HOLDER: &str = "token";

/// The token of an `Authorization` header (RFC 6750 section 2.1); the scheme's case does not count (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
