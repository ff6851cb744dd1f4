//! Who makes a change and from where, and what it was before.

use serde::{Deserialize, Serialize};

use crate::Actor;

/// Who makes a change, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// From where: an address, or the Unix socket; `None` for what ktizo and machines do.
    pub from: Option<String>,
}

impl From<Actor> for Author {
    fn from(actor: Actor) -> Self {
        Self { actor, from: None }
    }
}

/// One field of a change. A secret is masked in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldChange {
    /// Its name, as the API has it.
    pub field: String,
    /// As it was, as JSON text; `null` where it was not set.
    pub before: String,
    /// As it is since.
    pub after: String,
}
