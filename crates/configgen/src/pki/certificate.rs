//! Certificate authorities and the certificates of Talos API clients.

use std::time::Duration;

use model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{KeyKind, PrivateKey, pem, random};
use crate::{Error, Secret};

/// How long an authority is valid.
const CA_VALIDITY: Duration = Duration::from_secs(87_600 * 3600);
/// How long an administrator's certificate is valid.
const CLIENT_VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);

/// The first second of 2023. A host whose clock says less was never told the time, as boards without a battery are not: what it dates
/// may have ended before any machine sees it.
const CLOCK_IS_SET: Timestamp = Timestamp::from_micros(1_672_531_200_000_000);

/// A certificate and its key, both PEM text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedKey {
    /// The certificate; public.
    pub certificate: String,
    /// The key.
    pub key: Secret,
}

/// What a client of the Talos API may do (`pkg/machinery/role`); written as the certificate's organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRole {
    /// Everything.
    Admin,
    /// Everyday operation: reboot, etcd, read.
    Operator,
    /// Reading what is no secret.
    Reader,
    /// Only etcd backups.
    EtcdBackup,
}

impl ClientRole {
    /// The organisation that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "os:admin",
            Self::Operator => "os:operator",
            Self::Reader => "os:reader",
            Self::EtcdBackup => "os:etcd:backup",
        }
    }
}

/// A fresh self-signed authority; an organisation of `None` leaves subject and issuer empty, as the aggregator's are.
pub(crate) fn make_ca(
    kind: KeyKind,
    organization: Option<&str>,
    now: Timestamp,
) -> Result<CertifiedKey, Error> {
    let key = PrivateKey::generate(kind)?;
    let mut params = params(organization, now, CA_VALIDITY)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.key_identifier_method = KeyIdMethod::PreSpecified(random::<20>()?.to_vec());
    let certificate = params.self_signed(&signer(&key)?).map_err(failed)?;
    Ok(CertifiedKey {
        certificate: pem::encode("CERTIFICATE", certificate.der()),
        key: key.to_pem()?,
    })
}

/// A fresh key and certificate for a client of the Talos API, signed by its authority.
pub(crate) fn client_certificate(
    authority: &CertifiedKey,
    role: ClientRole,
    now: Timestamp,
) -> Result<CertifiedKey, Error> {
    let key = PrivateKey::generate(KeyKind::Ed25519)?;
    let mut params = params(Some(role.as_str()), now, CLIENT_VALIDITY)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let authority_key = PrivateKey::from_pem(authority.key.expose()).ok_or(Error::Crypto {
        what: "reading the key of the Talos API authority",
    })?;
    let der = certificate_der(&authority.certificate).ok_or(Error::Crypto {
        what: "reading the Talos API authority",
    })?;
    let issuer = Issuer::from_ca_cert_der(&der.into(), signer(&authority_key)?).map_err(failed)?;
    let certificate = params.signed_by(&signer(&key)?, &issuer).map_err(failed)?;
    Ok(CertifiedKey {
        certificate: pem::encode("CERTIFICATE", certificate.der()),
        key: key.to_pem()?,
    })
}

/// The bytes of the one certificate in PEM text, if they are one.
fn certificate_der(text: &str) -> Option<Vec<u8>> {
    let (label, der) = pem::decode(text)?;
    (label == "CERTIFICATE" && X509Certificate::from_der(&der).is_ok()).then(|| der.to_vec())
}

impl CertifiedKey {
    /// Why this cannot be an authority, if it cannot: unreadable parts, a key of another certificate, no right to sign.
    pub(crate) fn authority_problem(&self) -> Option<&'static str> {
        let Some(der) = certificate_der(&self.certificate) else {
            return Some("the certificate is not a PEM certificate");
        };
        let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
            return Some("the certificate cannot be read");
        };
        let Some(key) = PrivateKey::from_pem(self.key.expose()) else {
            return Some("the key is not a PEM private key that Talos reads");
        };
        let same = key
            .public_der()
            .is_ok_and(|public| public == certificate.public_key().raw);
        if !same {
            return Some("the key does not belong to the certificate");
        }
        if !certificate.is_ca() {
            return Some("the certificate is not that of an authority");
        }
        None
    }

    /// When the certificate ends, if it can be read.
    pub fn not_after(&self) -> Option<Timestamp> {
        let der = certificate_der(&self.certificate)?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        Some(Timestamp::from_micros(
            certificate
                .validity()
                .not_after
                .timestamp()
                .checked_mul(1_000_000)?,
        ))
    }
}

fn params(
    organization: Option<&str>,
    now: Timestamp,
    validity: Duration,
) -> Result<CertificateParams, Error> {
    if now < CLOCK_IS_SET {
        return Err(Error::setting(
            "clock",
            format!(
                "this host says that it is {now}, and certificates are dated by that; set its clock first"
            ),
        ));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = organization {
        let name = organization.try_into().map_err(|_| Error::Crypto {
            what: "naming a certificate",
        })?;
        params
            .distinguished_name
            .push(DnType::OrganizationName, DnValue::PrintableString(name));
    }
    params.serial_number = Some(SerialNumber::from_slice(&random::<16>()?));
    params.not_before = whole_second(now)?;
    params.not_after = whole_second(now.plus(validity))?;
    Ok(params)
}

fn whole_second(at: Timestamp) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::from_unix_timestamp(at.as_micros().div_euclid(1_000_000)).map_err(|_| {
        Error::Crypto {
            what: "dating a certificate",
        }
    })
}

fn signer(key: &PrivateKey) -> Result<KeyPair, Error> {
    let der = key.to_pkcs8()?;
    KeyPair::try_from(der.as_slice()).map_err(failed)
}

fn failed(_: rcgen::Error) -> Error {
    Error::Crypto {
        what: "making a certificate",
    }
}
