//! Private keys, and the PEM labels Talos knows them by.

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use x509_parser::asn1_rs::{FromDer, OctetString, Sequence};
use zeroize::Zeroizing;

use super::pem;
use crate::{Error, Secret};

/// What a fresh key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// For the Talos API.
    Ed25519,
    /// For etcd and Kubernetes.
    EcdsaP256,
    /// For service accounts since Talos 1.7.
    Rsa4096,
}

/// A private key that is known to be one.
pub(crate) enum PrivateKey {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// A fresh key.
    pub(crate) fn generate(kind: KeyKind) -> Result<Self, Error> {
        let failed = |_| Error::Crypto {
            what: "making a key",
        };
        Ok(match kind {
            KeyKind::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            KeyKind::EcdsaP256 => Self::Ecdsa(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?,
            ),
            KeyKind::Rsa4096 => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa4096).map_err(failed)?),
        })
    }

    /// Reads SEC1, PKCS#1 or PKCS#8 by its label (`ED25519 PRIVATE KEY` is Talos's own for the last); `None` if it is no private key Talos could use.
    pub(crate) fn from_pem(text: &str) -> Option<Self> {
        let (label, der) = pem::decode(text)?;
        match label {
            "ED25519 PRIVATE KEY" => Self::ed25519(&der),
            "EC PRIVATE KEY" => {
                Self::ecdsa(|curve| EcdsaKeyPair::from_private_key_der(curve, &der))
            }
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok().map(Self::Rsa),
            "PRIVATE KEY" => Self::ed25519(&der)
                .or_else(|| Self::ecdsa(|curve| EcdsaKeyPair::from_pkcs8(curve, &der)))
                .or_else(|| RsaKeyPair::from_pkcs8(&der).ok().map(Self::Rsa)),
            _ => None,
        }
    }

    fn ed25519(der: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .ok()
            .map(Self::Ed25519)
    }

    fn ecdsa<E>(
        read: impl Fn(&'static EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, E>,
    ) -> Option<Self> {
        [
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &ECDSA_P384_SHA384_ASN1_SIGNING,
        ]
        .into_iter()
        .find_map(|curve| read(curve).ok())
        .map(Self::Ecdsa)
    }

    /// PEM in the form and under the label that every Talos reads.
    pub(crate) fn to_pem(&self) -> Result<Secret, Error> {
        let failed = |_| Error::Crypto {
            what: "encoding a key",
        };
        let text = match self {
            Self::Ed25519(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(failed)?;
                pem::encode("ED25519 PRIVATE KEY", der.as_ref())
            }
            Self::Ecdsa(key) => {
                let der: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().map_err(failed)?;
                pem::encode("EC PRIVATE KEY", der.as_ref())
            }
            Self::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(failed)?;
                pem::encode("RSA PRIVATE KEY", pkcs8_content(der.as_ref())?)
            }
        };
        Ok(Secret::new(text))
    }

    /// PKCS#8, for the certificate maker.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let failed = |_| Error::Crypto {
            what: "encoding a key",
        };
        let der = match self {
            Self::Ed25519(key) => AsDer::<Pkcs8V1Der<'_>>::as_der(key)
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Self::Ecdsa(key) => key.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Self::Rsa(key) => AsDer::<Pkcs8V1Der<'_>>::as_der(key)
                .map_err(failed)?
                .as_ref()
                .to_vec(),
        };
        Ok(Zeroizing::new(der))
    }

    /// The public half as a certificate holds it (SubjectPublicKeyInfo).
    pub(crate) fn public_der(&self) -> Result<Vec<u8>, Error> {
        let der: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Ed25519(key) => key.public_key().as_der(),
            Self::Ecdsa(key) => key.public_key().as_der(),
            Self::Rsa(key) => key.public_key().as_der(),
        };
        Ok(der
            .map_err(|_| Error::Crypto {
                what: "encoding a public key",
            })?
            .as_ref()
            .to_vec())
    }
}

/// The key inside PKCS#8 (RFC 5208 section 5: version, algorithm, octet string).
fn pkcs8_content(der: &[u8]) -> Result<&[u8], Error> {
    let failed = || Error::Crypto {
        what: "encoding a key",
    };
    let (_, outer) = Sequence::from_der(der).map_err(|_| failed())?;
    // The sequence owns its content by reference into `der`, so the offsets can be taken from it.
    let content_start = der.len() - outer.content.len();
    let mut rest = &der[content_start..];
    for _ in 0..2 {
        let (after, _) = x509_parser::asn1_rs::Any::from_der(rest).map_err(|_| failed())?;
        rest = after;
    }
    let (after, octets) = OctetString::from_der(rest).map_err(|_| failed())?;
    let end = rest.len() - after.len();
    Ok(&rest[end - octets.as_cow().len()..end])
}
