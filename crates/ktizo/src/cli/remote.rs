//! The daemon, as a command of the client reaches it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use api::{Client, ClientError};

use super::{Output, login};
use crate::config::DEFAULT_SOCKET;

/// How to reach the daemon, and how to print what it says.
#[derive(Clone, Debug, clap::Args)]
pub struct Remote {
    /// Reach the daemon by this Unix socket
    #[arg(long, value_name = "PATH", global = true, env = "KTIZO_SOCKET", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Reach the daemon by TCP, such as http://127.0.0.1:8000, with the token in KTIZO_TOKEN or of `ktizo login`
    #[arg(long, value_name = "URL", global = true, env = "KTIZO_SERVER")]
    server: Option<String>,
    /// The form of the answer
    #[arg(
        long,
        short,
        value_name = "FORM",
        value_enum,
        global = true,
        default_value = "table"
    )]
    pub output: Output,
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
                    Some(login) => Ok(Client::tcp(&login.server, Some(login.token))?),
                    None => Ok(Client::unix(&self.socket)?),
                }
            }
            Some(url) => {
                let kept = || Ok::<_, Failure>(login::kept()?.filter(|login| login.server == *url));
                let token = match std::env::var("KTIZO_TOKEN") {
                    Ok(token) => token,
                    Err(_) => kept()?.map(|login| login.token).ok_or_else(|| {
                        let why = "--server needs a token: `ktizo login URL`, or one in the environment variable KTIZO_TOKEN";
                        Failure::Closed(why.to_owned())
                    })?,
                };
                Ok(Client::tcp(url, Some(token))?)
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
    #[error(transparent)]
    Remote(#[from] ClientError),
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
    /// The documented exit code: 1 failed, 3 refused by a rule, 4 not found, 5 not reached or not let in.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Local(_) | Self::Terminal(_) => 1,
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
