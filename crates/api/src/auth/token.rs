//! The token that opens the API by TCP.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A secret of 256 random bits or more. Only its fingerprint is kept in memory.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file could not be read or made.
    #[error("token file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("token file {}: others than its owner may read it (mode {mode:03o}); `chmod 600` it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What it holds is too short to be a secret.
    #[error("token file {}: holds fewer than 32 characters; delete it, and the next start makes another", path.display())]
    Short {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("no random bytes for a token: {0}")]
    Random(String),
}

impl Token {
    /// Reads the token from its file, which is made with a new one if it is missing (mode 0600).
    pub fn read_or_make(path: &Path) -> Result<Self, TokenError> {
        let wrong = |source| TokenError::File {
            path: path.to_owned(),
            source,
        };
        match File::open(path) {
            Ok(file) => Self::read(path, file),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                let mut random = [0; 32];
                getrandom::fill(&mut random).map_err(|err| TokenError::Random(err.to_string()))?;
                let text = BASE64URL_NOPAD.encode(&random);
                let part = path.with_extension("part");
                let write = || {
                    let mut file = OpenOptions::new()
                        .write(true)
                        .create(true)
                        .truncate(true)
                        .mode(0o600)
                        .open(&part)?;
                    file.write_all(format!("{text}\n").as_bytes())?;
                    file.sync_all()?;
                    std::fs::rename(&part, path)
                };
                write().map_err(wrong)?;
                Ok(Self::new(&text))
            }
            Err(err) => Err(wrong(err)),
        }
    }

    fn read(path: &Path, mut file: File) -> Result<Self, TokenError> {
        let wrong = |source| TokenError::File {
            path: path.to_owned(),
            source,
        };
        let mode = file.metadata().map_err(wrong)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(TokenError::Open { path, mode });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(wrong)?;
        let text = text.trim();
        if text.len() < 32 {
            let path = path.to_owned();
            return Err(TokenError::Short { path });
        }
        Ok(Self::new(text))
    }

    /// The token with this text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether `shown` is it; takes the same time whatever it is.
    pub(crate) fn opens(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.0.ct_eq(&shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let made = Token::read_or_make(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(text.trim().len(), 43);
        assert!(made.opens(text.trim()) && !made.opens("") && !made.opens(&text));
        assert!(Token::read_or_make(&path).unwrap().opens(text.trim()));
        assert!(!format!("{made:?}").contains(text.trim()));
    }

    #[test]
    fn refuses_a_file_that_keeps_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "short\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let err = Token::read_or_make(&path).unwrap_err();
        assert!(matches!(err, TokenError::Open { mode: 0o640, .. }), "{err}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let err = Token::read_or_make(&path).unwrap_err();
        assert!(matches!(err, TokenError::Short { .. }), "{err}");
    }
}
