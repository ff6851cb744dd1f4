//! Users and API tokens.

use std::fmt;

use model::{Authority, PersonName, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct User {
    /// Its name.
    pub name: PersonName,
    /// What it may do.
    pub authority: Authority,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its password or authority was last changed.
    pub updated_at: Timestamp,
    /// When it last signed in.
    pub last_sign_in: Option<Timestamp>,
}

impl From<store::User> for User {
    fn from(user: store::User) -> Self {
        Self {
            name: user.name,
            authority: user.authority,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_sign_in: user.last_sign_in,
        }
    }
}

/// A user to be added.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Its name.
    pub name: PersonName,
    /// What it may do.
    pub authority: Authority,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewUser({}, {})", self.name, self.authority)
    }
}

/// What is changed of a user; what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserPatch {
    /// What it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl fmt::Debug for UserPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.is_some();
        write!(f, "UserPatch({:?}, password: {password})", self.authority)
    }
}

/// A change of one's own password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    /// The present password.
    pub present: String,
    /// The one that takes its place.
    pub password: String,
}

impl fmt::Debug for OwnPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnPassword")
    }
}

/// A token for scripts, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApiToken {
    /// Its number.
    pub id: TokenId,
    /// Its name.
    pub name: PersonName,
    /// What its holder may do, as far as who made it may.
    pub authority: Authority,
    /// What its holder may do now: never more than the account that made it.
    pub in_force: Authority,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `null` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it was found to be over; it stays so, whatever the host's clock shows afterwards.
    pub ended_at: Option<Timestamp>,
}

impl From<store::ApiToken> for ApiToken {
    fn from(token: store::ApiToken) -> Self {
        Self {
            id: token.id,
            in_force: token.in_force(),
            name: token.name,
            authority: token.authority,
            made_by: token.made_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used: token.last_used,
            ended_at: token.ended_at,
        }
    }
}

/// An API token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Its name.
    pub name: PersonName,
    /// What its holder may do.
    pub authority: Authority,
    /// For how many days it is good; `null` for ever, 90 if absent.
    #[serde(default = "ninety")]
    pub days: Option<u32>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the default of a field that may be null"
)]
fn ninety() -> Option<u32> {
    Some(90)
}

/// An API token that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenShown {
    /// What is kept of it.
    #[serde(flatten)]
    pub token: ApiToken,
    /// The secret, which is shown this once.
    pub secret: String,
}

impl fmt::Debug for TokenShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenShown({:?})", self.token)
    }
}

/// The one-time set-up link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SetUpLink {
    /// The path and query to be opened at the admin port; it holds a secret.
    pub path: String,
}

impl fmt::Debug for SetUpLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetUpLink")
    }
}

/// Who asks, as ktizo sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Whoami {
    /// As events call it.
    pub actor: model::Actor,
    /// What it may do.
    pub authority: Authority,
    /// From where it comes.
    pub from: String,
}
