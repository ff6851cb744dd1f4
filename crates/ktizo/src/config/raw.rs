//! The config file as it is written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use netboot::director::{LoaderName, Platform};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

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
        let admin = self.admin.listen.map(|listen| listen.port());
        // Each with whether it is taken by UDP and by TCP.
        let services = [
            ("boot.dhcp_port", Some(ports.dhcp_port), (true, false)),
            ("boot.pxe_port", Some(ports.pxe_port), (true, false)),
            ("boot.tftp_port", Some(ports.tftp_port), (true, false)),
            ("admin.listen", admin, (false, true)),
            ("boot.http_port", Some(ports.http_port), (false, true)),
            ("boot.events_port", ports.events_port, (false, true)),
            ("boot.kernel_log_port", ports.kernel_log_port, (true, true)),
        ];
        for (place, (key, port, (udp, tcp))) in services.iter().enumerate() {
            let Some(port) = port.filter(|port| *port != 0) else {
                continue;
            };
            let meets = |(_, other, by): &&(_, Option<u16>, (bool, bool))| {
                *other == Some(port) && (by.0 && *udp || by.1 && *tcp)
            };
            if let Some((other, ..)) = services[..place].iter().find(meets) {
                return Err((key, format!("{port} is {other} already")));
            }
        }
        check_log(&self.log).map_err(|why| ("log", why))?;
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

/// Takes a level, or levels of parts of ktizo, such as `info,netboot=debug`. The logger itself would take any other word for the name
/// of a part, and log nothing else.
fn check_log(filter: &str) -> Result<(), String> {
    if filter.contains(char::is_whitespace) {
        return Err(format!("`{filter}` must have no blanks"));
    }
    for part in filter.split(',') {
        let level = match part.split_once('=') {
            Some((target, level)) if !target.is_empty() => level,
            Some(_) => return Err(format!("`{part}` names no part of ktizo before its `=`")),
            None => part,
        };
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(format!(
                "`{level}` is not a level; there are {}, and `info,netboot=debug` gives a part of ktizo its own",
                LEVELS.join(", ")
            ));
        }
    }
    EnvFilter::try_new(filter).map_err(|err| format!("`{filter}`: {err}"))?;
    Ok(())
}

/// The levels of the log, from nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

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
