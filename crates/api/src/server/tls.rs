//! The certificate that port 8000 shows, if it speaks TLS: one of the operator's own, or one that ktizo makes for itself.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use model::{Sha256Digest, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

/// A certificate with its key, from two files. It is read anew when they change.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    shown: RwLock<Shown>,
}

/// What is shown to those who connect.
#[derive(Clone, Debug)]
struct Shown {
    pair: Arc<CertifiedKey>,
    files: [Stamp; 2],
}

/// What tells a file from the one that was there before: inode, seconds and nanoseconds of its last change, length.
type Stamp = (u64, i64, i64, u64);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Everybody may read the key.
    #[error("{}: everybody may read this key (mode {mode:03o}); `chmod o= {}`", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold what it should.
    #[error("{}: {why}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, in a sentence.
        why: String,
    },
}

/// A certificate that ktizo makes lasts so many days: long enough that nobody compares its fingerprint twice.
const DAYS: i64 = 3650;

impl Certificate {
    /// Reads a certificate chain and its key, both in PEM.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            shown: RwLock::new(load(cert, key)?),
        })
    }

    /// Reads `tls.crt` and `tls.key` in `folder`; where one is missing, makes both for these names and addresses (mode 0600).
    pub fn read_or_make(
        folder: &Path,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let (cert, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        if !(cert.exists() && key.exists()) {
            make(&cert, &key, names, now)?;
        }
        Self::read(&cert, &key)
    }

    /// The SHA-256 of the certificate in its binary form, as browsers and `openssl x509 -fingerprint -sha256` show it.
    pub fn fingerprint(&self) -> Sha256Digest {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let cert = shown.pair.cert.first();
        Sha256Digest(Sha256::digest(cert.map_or(&[][..], AsRef::as_ref)).into())
    }

    /// Reads the files anew if they changed; says whether another certificate is shown since. One that cannot be used changes
    /// nothing. Reads files.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let stamps = [stamp(&self.cert)?, stamp(&self.key)?];
        let same = |shown: &Shown| shown.files == stamps;
        if same(&self.shown.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(false);
        }
        let fresh = load(&self.cert, &self.key)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }

    /// What a server of it is set up with.
    pub(super) fn config(self: Arc<Self>) -> Result<ServerConfig, TlsError> {
        let path = self.cert.clone();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|err| wrong(&path, &err))?
            .with_no_client_auth()
            .with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown.pair))
    }
}

/// A fingerprint as people compare it: pairs of capital digits with colons.
pub struct Fingerprint(pub Sha256Digest);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

fn load(cert: &Path, key: &Path) -> Result<Shown, TlsError> {
    let files = [stamp(cert)?, stamp(key)?];
    let mode = fs::metadata(key).map_err(file(key))?.mode() & 0o777;
    if mode & 0o007 != 0 {
        let path = key.to_owned();
        return Err(TlsError::Open { path, mode });
    }
    let chain = fs::read(cert).map_err(file(cert))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|err| wrong(cert, &err))?;
    if chain.is_empty() {
        return Err(wrong(cert, &"holds no certificate in PEM"));
    }
    let text = fs::read(key).map_err(file(key))?;
    let secret = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| wrong(key, &"holds no private key in PEM"))?;
    let provider: CryptoProvider = default_provider();
    let pair = CertifiedKey::from_der(chain, secret, &provider).map_err(|err| match err {
        rustls::Error::InconsistentKeys(_) => wrong(key, &"is not the key of the certificate"),
        err => wrong(key, &err),
    })?;
    let pair = Arc::new(pair);
    Ok(Shown { pair, files })
}

fn stamp(path: &Path) -> Result<Stamp, TlsError> {
    let meta = fs::metadata(path).map_err(file(path))?;
    Ok((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

/// Makes a certificate that vouches for itself.
fn make(cert: &Path, key: &Path, names: Vec<String>, now: Timestamp) -> Result<(), TlsError> {
    let refused = |err: rcgen::Error| wrong(cert, &err);
    let pair = KeyPair::generate().map_err(refused)?;
    let mut params = CertificateParams::new(names).map_err(refused)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "ktizo");
    params.distinguished_name = name;
    let now = OffsetDateTime::from_unix_timestamp(now.as_micros().div_euclid(1_000_000))
        .map_err(|err| wrong(cert, &err))?;
    // Clocks of those who connect may be behind.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(DAYS);
    let made = params.self_signed(&pair).map_err(refused)?;
    write(key, &pair.serialize_pem())?;
    write(cert, &made.pem())
}

/// Writes a file whole, for its owner alone.
fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    let part = path.with_extension("part");
    let put = || -> io::Result<()> {
        // One that was left behind may have another mode.
        let _ = fs::remove_file(&part);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file: File = options.open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    put().map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    |source| TlsError::File { path, source }
}

fn wrong(path: &Path, why: &impl ToString) -> TlsError {
    TlsError::Wrong {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-25T07:00:00Z".parse().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_certificate_is_made_once_and_read_anew_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let made = Certificate::read_or_make(folder.path(), names.clone(), now()).unwrap();
        assert_eq!((mode(&cert), mode(&key)), (0o600, 0o600));
        let first = made.fingerprint();
        let again = Certificate::read_or_make(folder.path(), names.clone(), now()).unwrap();
        assert_eq!(again.fingerprint(), first);
        assert!(!made.refresh().unwrap());
        let shown = Fingerprint(first).to_string();
        assert_eq!((shown.len(), shown.matches(':').count()), (95, 31));

        // Half of a pair is another's: the old one stays in use.
        let other = tempfile::tempdir().unwrap();
        let fresh = Certificate::read_or_make(other.path(), names, now()).unwrap();
        fs::copy(other.path().join("tls.crt"), &cert).unwrap();
        let err = made.refresh().unwrap_err().to_string();
        assert!(
            err.ends_with("tls.key: is not the key of the certificate"),
            "{err}"
        );
        assert_eq!(made.fingerprint(), first);
        fs::copy(other.path().join("tls.key"), &key).unwrap();
        assert!(made.refresh().unwrap());
        assert_eq!(made.fingerprint(), fresh.fingerprint());
    }

    #[test]
    fn refuses_what_is_no_pair() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        Certificate::read_or_make(folder.path(), vec!["localhost".into()], now()).unwrap();
        let told = || Certificate::read(&cert, &key).unwrap_err().to_string();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            told().contains("everybody may read this key (mode 644)"),
            "{}",
            told()
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        Certificate::read(&cert, &key).unwrap();
        fs::write(&cert, "nothing").unwrap();
        assert!(told().contains("holds no certificate"), "{}", told());
        fs::remove_file(&cert).unwrap();
        assert!(told().contains("tls.crt: No such file"), "{}", told());
    }
}
