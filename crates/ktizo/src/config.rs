//! The daemon's own settings: `etc/ktizo.yaml`.
//!
//! [`RawConfig`] is the file as it is written, [`Config`] what it means. The shipped file lists every key at its default, and a test
//! proves that it equals [`RawConfig::default`].

mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use netboot::director::{LoaderName, Platform};
use netboot::net::dhcp::Sharing;
use serde::{Deserialize, Serialize};

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

/// The file's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    state_dir: PathBuf,
    socket: PathBuf,
    interfaces: Vec<String>,
    user: Option<String>,
    group: String,
    boot: BootPorts,
    admin: RawAdmin,
    loaders: RawLoaders,
    templates: Option<PathBuf>,
    never_approved_limit: u32,
    log: String,
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawAdmin {
    listen: Option<SocketAddr>,
    tls: Option<RawTls>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTls {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl RawTls {
    fn check(self) -> Result<Tls, (&'static str, String)> {
        let absolute = |key, path: &Path| {
            let why = || format!("`{}` must be an absolute path", path.display());
            path.is_absolute().then_some(()).ok_or_else(|| (key, why()))
        };
        match (self.cert, self.key) {
            (None, None) => Ok(Tls::SelfMade),
            (Some(cert), Some(key)) => {
                absolute("admin.tls.cert", &cert)?;
                absolute("admin.tls.key", &key)?;
                Ok(Tls::Own { cert, key })
            }
            (Some(_), None) => Err((
                "admin.tls.key",
                "is missing beside admin.tls.cert".to_owned(),
            )),
            (None, Some(_)) => Err((
                "admin.tls.cert",
                "is missing beside admin.tls.key".to_owned(),
            )),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawLoaders {
    folders: Vec<PathBuf>,
    bios: Option<String>,
    efi_ia32: Option<String>,
    efi_x64: Option<String>,
    efi_arm32: Option<String>,
    efi_arm64: Option<String>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/ktizo".into(),
            socket: DEFAULT_SOCKET.into(),
            interfaces: Vec::new(),
            user: Some("ktizo".to_owned()),
            group: "ktizo".to_owned(),
            boot: BootPorts::default(),
            admin: RawAdmin::default(),
            loaders: RawLoaders::default(),
            templates: None,
            never_approved_limit: 4096,
            log: "info".to_owned(),
        }
    }
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

impl Default for RawAdmin {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8000))),
            tls: None,
        }
    }
}

impl Default for RawLoaders {
    fn default() -> Self {
        Self {
            folders: vec!["loaders".into(), "/usr/lib/ipxe".into()],
            bios: Some("undionly.kpxe".to_owned()),
            efi_ia32: None,
            efi_x64: Some("snponly.efi".to_owned()),
            efi_arm32: None,
            efi_arm64: Some("ipxe-arm64.efi".to_owned()),
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
                message: words::plain(&err.to_string()),
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
        let Some(Tls::Own { cert, key }) = &self.tls else {
            return Ok(());
        };
        for (name, path) in [("admin.tls.cert", cert), ("admin.tls.key", key)] {
            if let Err(err) = std::fs::File::open(path) {
                return Err(ConfigError::Impossible {
                    file: file.to_owned(),
                    key: name,
                    why: format!("{} cannot be read: {err}", path.display()),
                });
            }
        }
        Ok(())
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

impl RawConfig {
    /// Gives the file its meaning; the error is the key and what is wrong with it.
    fn check(self) -> Result<Config, (&'static str, String)> {
        for (key, path) in [("state_dir", &self.state_dir), ("socket", &self.socket)] {
            if !path.is_absolute() {
                return Err((
                    key,
                    format!("`{}` must be an absolute path", path.display()),
                ));
            }
        }
        for name in &self.interfaces {
            // IFNAMSIZ of Linux is 16 with the final NUL.
            if name.is_empty() || name.len() > 15 || name.contains(['/', ' ']) {
                return Err((
                    "interfaces",
                    format!("`{name}` is not the name of a network card"),
                ));
            }
        }
        let ports = self.boot;
        if ports.dhcp_port != 0 && ports.dhcp_port == ports.pxe_port {
            return Err((
                "boot.pxe_port",
                format!("{} is boot.dhcp_port already", ports.pxe_port),
            ));
        }
        if ports.tftp_port != 0 && [ports.dhcp_port, ports.pxe_port].contains(&ports.tftp_port) {
            return Err((
                "boot.tftp_port",
                format!("{} is a port of DHCP already", ports.tftp_port),
            ));
        }
        let admin = self.admin.listen.map(|listen| listen.port());
        for (key, port, taken) in [
            (
                "boot.events_port",
                ports.events_port,
                vec![
                    ("boot.http_port", Some(ports.http_port)),
                    ("admin.listen", admin),
                ],
            ),
            (
                "boot.kernel_log_port",
                ports.kernel_log_port,
                vec![
                    ("boot.events_port", ports.events_port),
                    ("boot.http_port", Some(ports.http_port)),
                    ("boot.tftp_port", Some(ports.tftp_port)),
                    ("boot.dhcp_port", Some(ports.dhcp_port)),
                    ("boot.pxe_port", Some(ports.pxe_port)),
                    ("admin.listen", admin),
                ],
            ),
        ] {
            let Some(port) = port.filter(|port| *port != 0) else {
                continue;
            };
            if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == Some(port)) {
                return Err((key, format!("{port} is {other} already")));
            }
        }
        if self.never_approved_limit == 0 {
            return Err((
                "never_approved_limit",
                "must be at least 1, or no machine could ever be seen".to_owned(),
            ));
        }
        let mut loaders = Vec::new();
        for (key, platform, name) in [
            ("loaders.bios", Platform::Bios, &self.loaders.bios),
            (
                "loaders.efi_ia32",
                Platform::EfiIa32,
                &self.loaders.efi_ia32,
            ),
            ("loaders.efi_x64", Platform::EfiX64, &self.loaders.efi_x64),
            (
                "loaders.efi_arm32",
                Platform::EfiArm32,
                &self.loaders.efi_arm32,
            ),
            (
                "loaders.efi_arm64",
                Platform::EfiArm64,
                &self.loaders.efi_arm64,
            ),
        ] {
            if let Some(name) = name {
                let name = LoaderName::parse(name)
                    .ok_or_else(|| (key, format!("`{name}` is not a bare file name")))?;
                loaders.push((platform, name));
            }
        }
        Ok(Config {
            loader_folders: self
                .loaders
                .folders
                .iter()
                .map(|folder| self.state_dir.join(folder))
                .collect(),
            loaders,
            admin: self.admin.listen,
            tls: self.admin.tls.map(RawTls::check).transpose()?,
            state_dir: self.state_dir,
            socket: self.socket,
            interfaces: self.interfaces,
            user: self.user,
            group: self.group,
            boot: ports,
            templates: self.templates,
            never_approved_limit: self.never_approved_limit,
            log: self.log,
        })
    }
}

#[cfg(test)]
mod tests;
