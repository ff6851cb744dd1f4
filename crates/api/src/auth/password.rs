//! Passwords: Argon2id (RFC 9106), away from the threads that answer requests.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::Error;

/// The least length, in characters. Length is what counts (NIST SP 800-63B section 3.1.1.2).
pub(crate) const MIN_PASSWORD: usize = 10;
/// The most bytes: enough for any sentence, and no work for hashing a book.
const MAX_PASSWORD: usize = 1024;

/// How many passwords are worked on at once: each takes 19 MiB and a processor.
static PLACES: Semaphore = Semaphore::const_new(2);

/// Refuses what is too short to be a password.
pub(crate) fn check(password: &str) -> Result<(), Error> {
    if password.chars().count() < MIN_PASSWORD {
        let why = format!("must have at least {MIN_PASSWORD} characters; several words are good");
        return Err(Error::invalid("password", why));
    }
    if password.len() > MAX_PASSWORD {
        let why = format!("must have at most {MAX_PASSWORD} bytes");
        return Err(Error::invalid("password", why));
    }
    Ok(())
}

/// The fingerprint of a password, in the PHC string format.
pub(crate) async fn hash(password: String) -> Result<String, Error> {
    check(&password)?;
    apart(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|err| Error::Internal(format!("a password could not be hashed: {err}")))
    })
    .await?
}

/// Whether `password` is the one of `hash`. Without a hash the answer is no, after the same work, so that the time does not tell
/// whether there is such a user.
pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<bool, Error> {
    if password.len() > MAX_PASSWORD {
        return Ok(false);
    }
    apart(move || {
        let known = hash.is_some();
        let hash = hash.as_deref().unwrap_or(NOBODYS);
        let hash = PasswordHash::new(hash).map_err(|err| {
            Error::Internal(format!("a kept password hash cannot be read: {err}"))
        })?;
        let right = Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok();
        Ok(known && right)
    })
    .await?
}

/// Of the default cost, and of no password.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    // It is never closed.
    let _place = PLACES.acquire().await;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|err| Error::Internal(err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_what_it_closed() {
        let kept = hash("correct horse battery".to_owned()).await.unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        for (shown, against, opens) in [
            ("correct horse battery", Some(kept.clone()), true),
            ("correct horse batterz", Some(kept.clone()), false),
            ("correct horse battery", None, false),
        ] {
            assert_eq!(verify(shown.to_owned(), against).await.unwrap(), opens);
        }
        assert!(hash("too short".to_owned()).await.is_err());
        assert!(hash("x".repeat(1025)).await.is_err());
    }
}
