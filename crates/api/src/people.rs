//! Operations on users and API tokens. Pages and JSON routes call the same.

use std::time::Duration;

use model::{Author, Authority, EventKind, FieldChange, PersonName, TokenId};
use store::{Lane, Store, Writer};

use crate::auth::Caller;
use crate::types::{ApiToken, NewToken, NewUser, TokenShown, User, UserPatch};
use crate::version::{IfMatch, Version};
use crate::{Error, audit, auth};

/// Every user, by name.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]
pub async fn users(store: &Store) -> Result<Vec<User>, Error> {
    let users = store.read(Lane::Admin, |reader| reader.users()).await?;
    Ok(users.into_iter().map(User::from).collect())
}

/// One user.
pub async fn user(store: &Store, name: PersonName) -> Result<User, Error> {
    let wanted = name.clone();
    let found = store.read(Lane::Admin, move |reader| reader.user(&wanted));
    found.await?.map(User::from).ok_or_else(|| no_user(&name))
}

/// The version of a user: what is changed of it. That it signs in makes no other.
pub(crate) fn version(user: &User) -> Version {
    Version::of(&(&user.name, user.authority, user.updated_at))
}

/// Adds a user.
pub async fn add_user(store: &Store, author: Author, new: NewUser) -> Result<User, Error> {
    let hash = auth::hash_password(new.password).await?;
    let (name, authority) = (new.name, new.authority);
    store
        .write(Lane::Admin, author, move |writer| {
            writer.insert_user(&name, authority, &hash)?;
            let what = EventKind::UserAdded {
                name: name.clone(),
                authority,
            };
            writer.event(None, what)?;
            Ok(find(writer, &name)?.into())
        })
        .await
}

/// Changes what a user may do, or its password, which ends its sessions, if it is the expected version. The last admin stays one.
pub async fn change_user(
    store: &Store,
    author: Author,
    name: PersonName,
    patch: UserPatch,
    expected: IfMatch,
) -> Result<User, Error> {
    let hash = match patch.password {
        Some(password) => Some(auth::hash_password(password).await?),
        None => None,
    };
    store
        .write(Lane::Admin, author, move |writer| {
            let before = find(writer, &name)?;
            expected.check(&version(&before.clone().into()))?;
            let mut changes = Vec::new();
            if let Some(authority) = patch.authority.filter(|new| *new != before.authority) {
                if before.authority == Authority::Admin {
                    keep_an_admin(writer, &before)?;
                }
                writer.set_authority(before.id, authority)?;
                changes.push(FieldChange {
                    field: "authority".to_owned(),
                    before: before.authority.to_string(),
                    after: authority.to_string(),
                });
            }
            if let Some(hash) = &hash {
                writer.set_password(before.id, hash, None)?;
                changes.push(audit::of_secret("password"));
            }
            if !changes.is_empty() {
                let fields = changes.iter().map(|change| change.field.clone()).collect();
                let name = name.clone();
                writer.event_of(None, EventKind::UserChanged { name, fields }, &changes)?;
            }
            Ok(find(writer, &name)?.into())
        })
        .await
}

/// Deletes a user with its sessions and the tokens it made, if it is the expected version. The last admin stays.
pub async fn delete_user(
    store: &Store,
    author: Author,
    name: PersonName,
    expected: IfMatch,
) -> Result<(), Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let user = find(writer, &name)?;
            expected.check(&version(&user.clone().into()))?;
            keep_an_admin(writer, &user)?;
            let tokens = writer.api_tokens_of(user.id)?;
            writer.delete_user(user.id)?;
            writer.event(None, EventKind::UserDeleted { name })?;
            for token in tokens {
                writer.event(None, EventKind::TokenRevoked { name: token.name })?;
            }
            Ok(())
        })
        .await
}

/// Every API token, by name, without its secret.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Reader<'_>` is not general enough in its lifetime for `Store::read`"
)]
pub async fn tokens(store: &Store) -> Result<Vec<ApiToken>, Error> {
    let tokens = store
        .read(Lane::Admin, |reader| reader.api_tokens())
        .await?;
    Ok(tokens.into_iter().map(ApiToken::from).collect())
}

/// Makes an API token. Its secret is in the answer, and never again. It may never do more than the account whose `caller` is, and goes
/// with it.
pub async fn add_token(store: &Store, caller: &Caller, new: NewToken) -> Result<TokenShown, Error> {
    const MOST_DAYS: u32 = 3650;
    if new
        .days
        .is_some_and(|days| !(1..=MOST_DAYS).contains(&days))
    {
        let why = format!("must be 1 to {MOST_DAYS}, or null for a token without an end");
        return Err(Error::invalid("days", why));
    }
    let secret = format!("ktizo_{}", auth::secret::random()?);
    let print = auth::secret::fingerprint(&secret);
    let maker = caller.account;
    let token = store
        .write(Lane::Admin, caller.author(), move |writer| {
            let life = |days| Duration::from_secs(u64::from(days) * 86_400);
            let expires_at = new.days.map(|days| writer.now().plus(life(days)));
            let token =
                writer.insert_api_token(&new.name, new.authority, print, expires_at, maker)?;
            let what = EventKind::TokenMade {
                name: new.name,
                authority: new.authority,
                expires_at,
            };
            writer.event(None, what)?;
            Ok::<_, Error>(token)
        })
        .await?;
    Ok(TokenShown {
        token: token.into(),
        secret,
    })
}

/// Revokes an API token, at once.
pub async fn revoke_token(store: &Store, author: Author, id: TokenId) -> Result<(), Error> {
    store
        .write(Lane::Admin, author, move |writer| {
            let Some(token) = writer.delete_api_token(id)? else {
                return Err(Error::NotFound {
                    what: "API token",
                    name: id.to_string(),
                });
            };
            writer.event(None, EventKind::TokenRevoked { name: token.name })?;
            Ok(())
        })
        .await
}

fn find(writer: &Writer<'_>, name: &PersonName) -> Result<store::User, Error> {
    writer.user(name)?.ok_or_else(|| no_user(name))
}

fn no_user(name: &PersonName) -> Error {
    Error::NotFound {
        what: "user",
        name: name.to_string(),
    }
}

/// Refuses what would leave nobody who may do everything.
fn keep_an_admin(writer: &Writer<'_>, without: &store::User) -> Result<(), Error> {
    let another = writer
        .users()?
        .iter()
        .any(|user| user.id != without.id && user.authority == Authority::Admin);
    if another || without.authority != Authority::Admin {
        return Ok(());
    }
    let why = format!("{} is the last admin", without.name);
    let hint = "make another user admin first";
    Err(Error::refused(
        "last_admin",
        Some("authority".to_owned()),
        why,
        Some(hint),
    ))
}
