//! Which certificate the command line takes for the daemon's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::Sha256Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// What makes a certificate the daemon's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// An authority that this host trusts vouches for it.
    #[default]
    Host,
    /// An authority in this file vouches for it.
    Authority(PathBuf),
    /// It has this SHA-256, whatever its name and its end.
    Fingerprint(Sha256Digest),
}

impl Trust {
    /// The TLS settings for it; `None` is what the host has. The error is a sentence.
    pub(super) fn config(&self) -> Result<Option<ClientConfig>, String> {
        match self {
            Self::Host => Ok(None),
            Self::Authority(file) => authority(file).map(Some),
            Self::Fingerprint(wanted) => pinned(*wanted, Arc::default()).map(Some),
        }
    }
}

fn authority(file: &Path) -> Result<ClientConfig, String> {
    let told = |why: String| format!("{}: {why}", file.display());
    let text = std::fs::read(file).map_err(|err| told(err.to_string()))?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&text) {
        let cert = cert.map_err(|err| told(err.to_string()))?;
        roots.add(cert).map_err(|err| told(err.to_string()))?;
    }
    if roots.is_empty() {
        return Err(told("holds no certificate in PEM".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|err| err.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// TLS settings that take the certificate with this fingerprint and no other; the one that was shown is kept in `seen`.
pub(super) fn pinned(
    wanted: Sha256Digest,
    seen: Arc<Mutex<Option<Sha256Digest>>>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(default_provider());
    let verifier = Pinned {
        wanted,
        seen,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| err.to_string())?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

#[derive(Debug)]
struct Pinned {
    wanted: Sha256Digest,
    seen: Arc<Mutex<Option<Sha256Digest>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Sha256Digest(Sha256::digest(end_entity.as_ref()).into());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        if shown == self.wanted {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    // That the other end has the key of the certificate is checked as always: without it anybody could show it.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
