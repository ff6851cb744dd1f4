//! Who looks at a page, and what it may show.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::{Author, Authority, PersonName};
use serde::Serialize;

use crate::Error;
use crate::auth::{Caller, Session};

/// Who looks at a page: a person who is signed in.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Visitor {
    /// The name they signed in with.
    pub(super) name: PersonName,
    /// The word for what they may do.
    role: Authority,
    /// Whether they may approve devices and give orders.
    pub(super) may_operate: bool,
    /// Whether they may change settings.
    pub(super) may_admin: bool,
    /// What their forms must carry.
    csrf: String,
    #[serde(skip)]
    pub(super) session: Session,
}

impl From<Session> for Visitor {
    fn from(session: Session) -> Self {
        Self {
            name: session.name.clone(),
            role: session.caller.authority,
            may_operate: session.caller.may(Authority::Operator),
            may_admin: session.caller.may(Authority::Admin),
            csrf: session.csrf.clone(),
            session,
        }
    }
}

impl Visitor {
    /// Refuses those who may only look.
    pub(super) fn must_operate(&self) -> Result<(), Error> {
        self.must(Authority::Operator)
    }

    /// Refuses those who may not change settings.
    pub(super) fn must_admin(&self) -> Result<(), Error> {
        self.must(Authority::Admin)
    }

    fn must(&self, least: Authority) -> Result<(), Error> {
        self.caller().must(least).map_err(|err| match err {
            // A page says where it is done.
            Error::Forbidden { why, .. } => Error::Forbidden {
                why,
                hint: format!("an admin can make you {least} under Users & tokens"),
            },
            other => other,
        })
    }

    /// The author of what they change.
    pub(super) fn author(&self) -> Author {
        self.caller().author()
    }

    /// Who they are.
    pub(super) fn caller(&self) -> &Caller {
        &self.session.caller
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| Error::Internal("a page without a lock".to_owned()))
    }
}
