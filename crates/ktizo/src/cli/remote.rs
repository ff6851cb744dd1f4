//! The daemon, as a command of the client reaches it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use api::{Client, ClientError, Trust};
use model::Sha256Digest;

use super::Output;
use super::login::{self, Login};
use crate::config::DEFAULT_SOCKET;

/// What the help of a command calls the options that all commands of the client share, below its own.
const COMMON: &str = "Common options";

/// How to reach the daemon, and how to print what it says.
#[derive(Clone, Debug, clap::Args)]
pub struct Remote {
    /// Reach the daemon by this Unix socket
    #[arg(long, value_name = "PATH", global = true, env = "KTIZO_SOCKET", default_value = DEFAULT_SOCKET, help_heading = COMMON)]
    socket: PathBuf,
    /// Reach the daemon by TCP, such as https://192.0.2.7:8000, with the token in KTIZO_TOKEN or of `ktizo login`
    #[arg(long, value_name = "URL", global = true, env = "KTIZO_SERVER", help_heading = COMMON)]
    server: Option<String>,
    #[command(flatten, next_help_heading = COMMON)]
    trusted: Trusted,
    /// The form of the answer
    #[arg(
        long,
        short,
        value_name = "FORM",
        value_enum,
        global = true,
        default_value = "table",
        help_heading = COMMON
    )]
    pub output: Output,
}

/// Which certificate of a server is taken for its own; without any of them, one that this host trusts.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Trusted {
    /// Trust a server whose certificate has this SHA-256; `ktizo status` on its host shows it
    #[arg(long, value_name = "SHA256", global = true, env = "KTIZO_FINGERPRINT", value_parser = fingerprint, conflicts_with = "ca")]
    fingerprint: Option<Sha256Digest>,
    /// Trust a server whose certificate an authority in this PEM file vouches for
    #[arg(long, value_name = "FILE", global = true, env = "KTIZO_CA")]
    ca: Option<PathBuf>,
}

impl Trusted {
    /// What was named, if anything was.
    pub(super) fn named(&self) -> Option<Trust> {
        let fingerprint = self.fingerprint.map(Trust::Fingerprint);
        fingerprint.or_else(|| self.ca.clone().map(Trust::Authority))
    }
}

/// Reads a fingerprint as browsers and openssl show it, with colons or without, in either case.
pub(super) fn fingerprint(text: &str) -> Result<Sha256Digest, model::ParseError> {
    text.replace(':', "").to_ascii_lowercase().parse()
}

impl Remote {
    /// The client for it.
    pub fn client(&self) -> Result<Client, Failure> {
        match &self.server {
            None => {
                // A daemon on this host comes first; one that was named is meant.
                let elsewhere = self.socket == Path::new(DEFAULT_SOCKET) && !self.socket.exists();
                // What is not needed is not read: another user's file must not stand in the way.
                let kept = if elsewhere { login::kept()? } else { None };
                match kept {
                    Some(login) => {
                        let trust = self.trusted.named().unwrap_or_else(|| login.trust());
                        Ok(Client::tcp(&login.server, Some(login.token), &trust)?)
                    }
                    None => Ok(Client::unix(&self.socket)?),
                }
            }
            Some(url) => {
                let given = login::given_token();
                let named = self.trusted.named();
                let kept = match (&given, &named) {
                    (Some(_), Some(_)) => None,
                    // A login that cannot be read matters only where it is all there is.
                    (Some(_), None) => login::kept().unwrap_or_default(),
                    (None, _) => login::kept()?,
                };
                let kept = kept.filter(|login| Client::is_same_server(&login.server, url));
                let trust = named
                    .or_else(|| kept.as_ref().map(Login::trust))
                    .unwrap_or_default();
                let token = given.or_else(|| kept.map(|login| login.token)).ok_or_else(|| {
                    let why = "--server needs a token: `ktizo login URL`, or one in the environment variable KTIZO_TOKEN";
                    Failure::Closed(why.to_owned())
                })?;
                Ok(Client::tcp(url, Some(token), &trust)?)
            }
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something on this side.
    #[error("{0}")]
    Local(String),
    /// Options that say nothing to do, or that do not go together.
    #[error("{0}")]
    Usage(String),
    /// A rule, checked on this side.
    #[error("{0}")]
    Invalid(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The daemon does not let the caller in.
    #[error("{0}")]
    Closed(String),
    /// The daemon refused, or could not be reached.
    #[error("{}", super::refusal::told(.0))]
    Remote(#[from] ClientError),
    /// It went wrong after a part of it was done.
    #[error("{failure}\n{told}")]
    Partly {
        /// What went wrong.
        failure: Box<Self>,
        /// What is done, what is not, and how to go on.
        told: String,
    },
    /// Whoever read the answer went away, such as `head`. That is no failure, but the end.
    #[error("nobody reads the answer")]
    Unread,
    /// The terminal.
    #[error("cannot read or write the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

impl From<configgen::Error> for Failure {
    /// The generator's no.
    fn from(err: configgen::Error) -> Self {
        Self::Invalid(err.to_string())
    }
}

impl Failure {
    /// Whether it is certain that nothing of what was asked last is done.
    pub(super) const fn did_nothing(&self) -> bool {
        match self {
            Self::Remote(ClientError::Refused { status, .. }) => *status < 500,
            Self::Remote(ClientError::Unreachable { .. } | ClientError::Garbled { .. }) => false,
            _ => true,
        }
    }

    /// The documented exit code: 1 failed, 2 wrong usage, 3 refused by a rule, 4 not found, 5 not reached or not let in.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unread => 0,
            Self::Partly { failure, .. } => return failure.exit_code(),
            Self::Local(_) | Self::Terminal(_) => 1,
            Self::Usage(_) => 2,
            Self::Invalid(_) => 3,
            Self::NotFound(_) => 4,
            Self::Closed(_) => 5,
            Self::Remote(ClientError::File(_)) => 1,
            Self::Remote(
                ClientError::Unusable { .. }
                | ClientError::Unreachable { .. }
                | ClientError::Garbled { .. },
            ) => 5,
            Self::Remote(ClientError::Refused { status, .. }) => match status {
                401 | 403 => 5,
                404 => 4,
                400..=499 => 3,
                _ => 1,
            },
        })
    }
}
