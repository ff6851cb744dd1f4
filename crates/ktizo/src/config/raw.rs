//! The config file as it is written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use netboot::director::{LoaderName, Platform};
use serde::{Deserialize, Serialize};

use super::{BootPorts, Config, DEFAULT_SOCKET, Tls};

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

impl RawConfig {
    /// Gives the file its meaning; the error is the key and what is wrong with it.
    pub(super) fn check(self) -> Result<Config, (&'static str, String)> {
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
