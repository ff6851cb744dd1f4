//! Keys and certificates as Talos makes them (`siderolabs/crypto`, `pkg/machinery/config/generate/secrets/ca.go`).

mod certificate;
mod key;
mod pem;

#[cfg(test)]
mod tests;

pub use certificate::{CertifiedKey, ClientRole};
pub(crate) use certificate::{client_certificate, make_ca};
pub(crate) use key::{KeyKind, PrivateKey};

use crate::Error;

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Crypto {
        what: "drawing random bytes",
    })?;
    Ok(bytes)
}

/// Whether a text is base64 of a PEM private key.
pub(crate) fn is_packed_key(text: &str) -> bool {
    let digits: zeroize::Zeroizing<Vec<u8>> = zeroize::Zeroizing::new(
        text.bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect(),
    );
    let decoded = data_encoding::BASE64
        .decode(&digits)
        .map(zeroize::Zeroizing::new);
    decoded.is_ok_and(|bytes| bytes.windows(11).any(|window| window == b"PRIVATE KEY"))
}
