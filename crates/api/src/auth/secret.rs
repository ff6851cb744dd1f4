//! Secrets of 256 random bits, of which only fingerprints are kept.

use data_encoding::BASE64URL_NOPAD;
use model::Sha256Digest;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Error;

/// A new secret as text.
pub(crate) fn random() -> Result<String, Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|err| Error::Internal(format!("no random bytes: {err}")))?;
    Ok(BASE64URL_NOPAD.encode(&random))
}

/// What is kept of a secret. It is of 256 random bits, so that nothing slower than SHA-256 is needed.
pub(crate) fn fingerprint(secret: &str) -> Sha256Digest {
    Sha256Digest(Sha256::digest(secret).into())
}

/// Whether two fingerprints are the same; takes the same time whatever they are.
pub(crate) fn same(one: Sha256Digest, other: Sha256Digest) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// The CSRF token that belongs to a session: another site can make a browser send the cookie, but cannot read it to make this.
pub(crate) fn csrf_of(session: &str) -> String {
    let mut hash = Sha256::new();
    hash.update("ktizo csrf 1\0");
    hash.update(session);
    BASE64URL_NOPAD.encode(&hash.finalize())
}
