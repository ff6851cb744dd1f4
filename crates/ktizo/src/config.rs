//! The daemon's own settings: `etc/ktizo.yaml`.
//!
//! [`RawConfig`] is the file as it is written, [`Config`] what it means. The shipped file lists every key at its default, and a test
//! proves that it equals [`RawConfig::default`].

mod raw;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use netboot::director::{LoaderName, Platform};
use netboot::net::dhcp::Sharing;
use serde::{Deserialize, Serialize};

pub use self::raw::RawConfig;
use crate::templates;

/// What the daemon runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where everything that lasts is kept.
    pub state_dir: PathBuf,
    /// The Unix socket of the admin API.
    pub socket: PathBuf,
    /// The network cards to serve, by name; empty takes the one that has the default route.
    pub interfaces: Vec<String>,
    /// Who to become after binding.
    pub user: Option<String>,
    /// Whose members may use the Unix socket.
    pub group: String,
    /// The ports of the boot plane.
    pub boot: BootPorts,
    /// Where the admin API listens by TCP; `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// Whether it speaks TLS there, and what it shows.
    pub tls: Option<Tls>,
    /// Folders of loaders, in the order of search.
    pub loader_folders: Vec<PathBuf>,
    /// The loader for each kind of machine that is served.
    pub loaders: Vec<(Platform, LoaderName)>,
    /// A folder of boot script templates that replace built-in ones.
    pub templates: Option<PathBuf>,
    /// How many never-approved machines are kept.
    pub never_approved_limit: u32,
    /// The log filter.
    pub log: String,
}

/// The ports of the boot plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootPorts {
    /// Where machines ask by DHCP (RFC 2131 section 4.1).
    pub dhcp_port: u16,
    /// Where PXE firmware asks in its second step (PXE 2.1).
    pub pxe_port: u16,
    /// Where TFTP requests arrive (RFC 1350).
    pub tftp_port: u16,
    /// Where scripts, kernels and configs are fetched.
    pub http_port: u16,
    /// Where Talos nodes send their events; `None` is nowhere.
    pub events_port: Option<u16>,
    /// Where Talos nodes send their kernel logs, by TCP or UDP; `None` is nowhere.
    pub kernel_log_port: Option<u16>,
    /// What to do about another DHCP server on this host.
    pub share_dhcp_port: ShareDhcpPort,
}

/// What to do about another DHCP server on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareDhcpPort {
    /// Take port 67 if it is free, else listen beside whoever has it.
    #[default]
    IfTaken,
    /// Listen beside whoever has it, also if nobody has.
    Always,
    /// Refuse to start if it is taken.
    Never,
}

impl From<ShareDhcpPort> for Sharing {
    fn from(share: ShareDhcpPort) -> Self {
        match share {
            ShareDhcpPort::IfTaken => Self::IfTaken,
            ShareDhcpPort::Always => Self::Always,
            ShareDhcpPort::Never => Self::Never,
        }
    }
}

/// What the admin API shows by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// A certificate that it makes for itself and keeps in the state folder.
    SelfMade,
    /// A certificate chain and its key, in PEM.
    Own {
        /// The file of the chain.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl Default for BootPorts {
    fn default() -> Self {
        Self {
            dhcp_port: 67,
            pxe_port: 4011,
            tftp_port: 69,
            http_port: 80,
            events_port: Some(8090),
            kernel_log_port: Some(8092),
            share_dhcp_port: ShareDhcpPort::IfTaken,
        }
    }
}

/// Where the command line looks for the daemon.
pub const DEFAULT_SOCKET: &str = "/run/ktizo/ktizo.sock";
/// The file that is read when none is named; it need not exist.
pub const DEFAULT_FILE: &str = "/etc/ktizo/ktizo.yaml";

/// What is wrong with a config file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not the YAML it should be; the message has line and column.
    #[error("{}: {message}", file.display())]
    Unparsable {
        /// The file.
        file: PathBuf,
        /// What and where.
        message: String,
    },
    /// A value is impossible.
    #[error("{}: {key}: {why}", file.display())]
    Impossible {
        /// The file.
        file: PathBuf,
        /// The path of the key.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl Config {
    /// Reads `file`; without one, [`DEFAULT_FILE`] if it exists, else the defaults.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(err) if file.is_none() && err.kind() == std::io::ErrorKind::NotFound => {
                Self::parse(path, "")
            }
            Err(source) => Err(ConfigError::Unreadable {
                file: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads the text of a config file; `file` is for messages.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let blank = text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let raw = if blank {
            RawConfig::default()
        } else {
            serde_yaml::from_str(text).map_err(|err| ConfigError::Unparsable {
                file: file.to_owned(),
                message: words::of_error(&err, text),
            })?
        };
        raw.check().map_err(|(key, why)| ConfigError::Impossible {
            file: file.to_owned(),
            key,
            why,
        })
    }
}

impl Config {
    /// What is allowed and dangerous, in sentences.
    pub fn warnings(&self) -> Vec<String> {
        let open = self
            .admin
            .filter(|address| !address.ip().to_canonical().is_loopback());
        let Some(address) = open.filter(|_| self.tls.is_none()) else {
            return Vec::new();
        };
        vec![format!(
            "admin.listen is {address} without TLS: whoever can read the network reads passwords, tokens and the cluster's secrets; \
             add `tls: {{}}` below `admin:` for a certificate that ktizo makes, or `tls: {{cert: FILE, key: FILE}}` for one of your own, \
             or listen on 127.0.0.1 and come by `ssh -L`"
        )]
    }

    /// Looks at the files that it names and without which the daemon does not start; `file` is for messages.
    pub fn check_files(&self, file: &Path) -> Result<(), ConfigError> {
        let impossible = |key, why| ConfigError::Impossible {
            file: file.to_owned(),
            key,
            why,
        };
        if let Some(Tls::Own { cert, key }) = &self.tls {
            for (name, path) in [("admin.tls.cert", cert), ("admin.tls.key", key)] {
                std::fs::File::open(path).map_err(|err| {
                    impossible(name, format!("{} cannot be read: {err}", path.display()))
                })?;
            }
        }
        let folder = self.templates.as_deref();
        let scripts = templates::scripts(folder).map(drop);
        let tried = scripts.and_then(|()| templates::pages(folder).map(drop));
        tried.map_err(|err| impossible("templates", format!("{err:#}")))
    }

    /// Moves the state folder, and with it the loader folders below it.
    pub fn set_state_dir(&mut self, state_dir: PathBuf) {
        for folder in &mut self.loader_folders {
            if let Ok(below) = folder.strip_prefix(&self.state_dir) {
                *folder = state_dir.join(below);
            }
        }
        self.state_dir = state_dir;
    }
}

#[cfg(test)]
mod tests;
