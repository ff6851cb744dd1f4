//! The network settings: what an operator decides for all boots.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::address::is_reserved;
use crate::error::word_enum;
use crate::{ConfigRelease, FirmwareKind, FirmwareProfiles, TalosVersion, is_loader_name};

/// The settings every boot decision reads, kept in the store and changed by API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// On: a machine that nobody approved waits and its disks are left alone. Off: it boots its disk, or else Talos without a config.
    pub strict_boot_mode: bool,
    /// How long a machine is held for an approval, in seconds; 0 lets it leave to its disk at once.
    pub hold_limit_seconds: u32,
    /// How long the menu of an approved machine with order `install` waits, in seconds; 0 shows none.
    pub menu_seconds: u32,
    /// The subnet that node addresses lie in.
    #[schema(value_type = Option<String>)]
    pub node_subnet: Option<Ipv4Net>,
    /// The default route of nodes; `None` leaves them without a static one.
    #[schema(value_type = Option<String>)]
    pub gateway: Option<Ipv4Addr>,
    /// Name servers of nodes; empty leaves Talos's defaults.
    #[schema(value_type = Vec<String>)]
    pub nameservers: Vec<IpAddr>,
    /// The address machines are told to fetch from; `None` takes the one that faces each machine.
    #[schema(value_type = Option<String>)]
    pub server_address: Option<Ipv4Addr>,
    /// The Talos release that machines boot; `None` takes the newest that was imported.
    pub talos_version: Option<TalosVersion>,
    /// How kernel and initramfs travel.
    pub payload: Payload,
    /// What a machine has to show to be served its config.
    pub config_release: ConfigRelease,
    /// Added to the kernel command line, such as `console=ttyS0`.
    pub extra_kernel_args: Vec<String>,
    /// On: machines are told to report to ktizo what they do (`talos.events.sink`, `talos.logging.kernel`), so that silence means
    /// that an install failed. Off: whether an install went well, only a person can say.
    pub reports: bool,
    /// How often an install order is tried, the first time included, before the machine waits for a person.
    pub install_attempts: u32,
    /// How long after its config went out a machine may be silent before its install counts as failed, in seconds.
    pub proof_limit_seconds: u32,
    /// What each kind of firmware gets where it needs something else than the usual.
    pub firmware: FirmwareProfiles,
}

word_enum! {
    /// How kernel and initramfs travel to a machine.
    Payload, "a payload transport: http or tftp", {
        /// By HTTP; an iPXE without HTTP gets TFTP all the same.
        Http = "http",
        /// By TFTP.
        Tftp = "tftp",
    }
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            strict_boot_mode: true,
            hold_limit_seconds: 300,
            menu_seconds: 3,
            node_subnet: None,
            gateway: None,
            nameservers: Vec::new(),
            server_address: None,
            talos_version: None,
            payload: Payload::Http,
            config_release: ConfigRelease::Token,
            extra_kernel_args: Vec::new(),
            reports: true,
            install_attempts: 3,
            proof_limit_seconds: 1200,
            firmware: FirmwareProfiles::default(),
        }
    }
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct SettingsRefusal {
    /// The setting that is wrong.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl NetworkSettings {
    /// The longest hold that can be asked for: a day.
    pub const MAX_HOLD_SECONDS: u32 = 86_400;
    /// The longest menu: ten minutes.
    pub const MAX_MENU_SECONDS: u32 = 600;
    /// The most attempts at one install order.
    pub const MAX_INSTALL_ATTEMPTS: u32 = 20;
    /// The shortest and the longest time for a proof: a minute and a day.
    pub const PROOF_LIMIT_SECONDS: std::ops::RangeInclusive<u32> = 60..=86_400;
    /// The kernel argument that names who gets a machine's events.
    pub const EVENTS_ARG: &str = "talos.events.sink";
    /// The kernel argument that names who gets its kernel log.
    pub const KERNEL_LOG_ARG: &str = "talos.logging.kernel";
    /// What an operator's own kernel arguments may come to, in bytes, with a space before each: a kernel reads 2047 of its whole command
    /// line (`COMMAND_LINE_SIZE`), and what decides about an install stands at the end of it.
    pub const MAX_EXTRA_KERNEL_ARGS: usize = 1024;
    /// Characters that iPXE takes for something else than a part of a word.
    const NOT_IN_A_SCRIPT: &str = "$#\"'\\|;`{}";

    /// Whether an operator's own kernel arguments name this one.
    pub fn names_kernel_arg(&self, key: &str) -> bool {
        let mut own = self.extra_kernel_args.iter();
        own.any(|arg| arg.split('=').next() == Some(key))
    }

    /// Whether machines are told to report to ktizo, of whose receivers these are there: whoever names a receiver of their own, gets theirs.
    pub fn tells_to_report(&self, events: bool, kernel_log: bool) -> bool {
        let told = |there: bool, key| there && !self.names_kernel_arg(key);
        self.reports && (told(events, Self::EVENTS_ARG) || told(kernel_log, Self::KERNEL_LOG_ARG))
    }

    /// Checks what the types cannot: that the fields agree with each other and can be written into a script.
    pub fn check(&self) -> Result<(), SettingsRefusal> {
        let refuse = |field, why: String| Err(SettingsRefusal { field, why });
        if self.hold_limit_seconds > Self::MAX_HOLD_SECONDS {
            return refuse(
                "hold_limit_seconds",
                format!("at most {} (a day)", Self::MAX_HOLD_SECONDS),
            );
        }
        if self.menu_seconds > Self::MAX_MENU_SECONDS {
            return refuse(
                "menu_seconds",
                format!("at most {} (ten minutes)", Self::MAX_MENU_SECONDS),
            );
        }
        if !(1..=Self::MAX_INSTALL_ATTEMPTS).contains(&self.install_attempts) {
            return refuse(
                "install_attempts",
                format!("1 to {}", Self::MAX_INSTALL_ATTEMPTS),
            );
        }
        if !Self::PROOF_LIMIT_SECONDS.contains(&self.proof_limit_seconds) {
            return refuse(
                "proof_limit_seconds",
                "60 to 86400 (a minute to a day)".to_owned(),
            );
        }
        if let Some(subnet) = self.node_subnet {
            if subnet.addr() != subnet.network() {
                let network = subnet.trunc();
                return refuse(
                    "node_subnet",
                    format!("{subnet} has host bits set; did you mean {network}?"),
                );
            }
            if subnet.prefix_len() < 8 || subnet.prefix_len() > 30 {
                return refuse(
                    "node_subnet",
                    format!("{subnet}: the prefix must be /8 to /30"),
                );
            }
            if let Some(gateway) = self.gateway.filter(|gateway| !subnet.contains(gateway)) {
                return refuse(
                    "gateway",
                    format!("{gateway} is outside of the node subnet {subnet}"),
                );
            }
            if let Some(gateway) = self.gateway.filter(|gateway| is_reserved(*gateway, subnet)) {
                return refuse(
                    "gateway",
                    format!("{gateway} is the network or broadcast address of {subnet}"),
                );
            }
        }
        for (field, address) in [
            ("gateway", self.gateway),
            ("server_address", self.server_address),
        ] {
            // What is in 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 or 240.0.0.0/4 is nobody's on a LAN (RFC 6890).
            let is_no_host = |a: &Ipv4Addr| matches!(a.octets()[0], 0 | 127 | 224..);
            if let Some(address) = address.filter(is_no_host) {
                return refuse(field, format!("{address} is not the address of one host"));
            }
        }
        for kind in FirmwareKind::ALL {
            let loader = self.firmware.of(*kind).loader.as_deref();
            if loader.is_some_and(|name| !is_loader_name(name)) {
                return refuse(
                    kind.loader_field(),
                    "must be a bare file name such as ipxe.efi".to_owned(),
                );
            }
        }
        let own: usize = self.extra_kernel_args.iter().map(|arg| arg.len() + 1).sum();
        if own > Self::MAX_EXTRA_KERNEL_ARGS {
            let most = Self::MAX_EXTRA_KERNEL_ARGS;
            return refuse(
                "extra_kernel_args",
                format!(
                    "{own} bytes in all; at most {most}, for a kernel reads no more of its command line"
                ),
            );
        }
        for arg in &self.extra_kernel_args {
            // The rest a boot script cannot carry, for iPXE would read it otherwise.
            let plain = arg
                .bytes()
                .all(|b| b.is_ascii_graphic() && !Self::NOT_IN_A_SCRIPT.as_bytes().contains(&b));
            if !plain || !(1..=256).contains(&arg.len()) || arg.contains("&&") {
                let without = Self::NOT_IN_A_SCRIPT;
                return refuse(
                    "extra_kernel_args",
                    format!(
                        "each must be one word of 1 to 256 printable characters without && and any of {without}"
                    ),
                );
            }
            // ktizo alone says where a config comes from and what is wiped.
            if [
                "talos.config",
                "talos.experimental.wipe",
                "talos.platform",
                "initrd",
            ]
            .iter()
            .any(|key| {
                arg.split('=')
                    .next()
                    .is_some_and(|k| k == *key || k.starts_with("talos.config."))
            }) {
                return refuse(
                    "extra_kernel_args",
                    format!("`{arg}` is set by ktizo alone"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_to_report_where_somebody_listens() {
        let (sink, log) = ("talos.events.sink=a:1", "talos.logging.kernel=tcp://a:1/");
        for (reports, extra, events, kernel_log, expected) in [
            (true, vec![], true, true, true),
            (true, vec![], true, false, true),
            (true, vec![], false, false, false),
            (false, vec![], true, true, false),
            (true, vec![sink], true, true, true),
            (true, vec![sink], true, false, false),
            (true, vec![sink, log], true, true, false),
        ] {
            let settings = NetworkSettings {
                reports,
                extra_kernel_args: extra.into_iter().map(str::to_owned).collect(),
                ..NetworkSettings::default()
            };
            assert_eq!(settings.tells_to_report(events, kernel_log), expected);
        }
    }

    #[test]
    fn the_defaults_protect_disks_and_secrets() {
        let settings = NetworkSettings::default();
        assert!(settings.strict_boot_mode);
        assert_eq!(settings.config_release, ConfigRelease::Token);
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn refuses_what_does_not_fit_together() {
        let base = || NetworkSettings {
            node_subnet: Some("10.0.0.0/24".parse().unwrap()),
            ..NetworkSettings::default()
        };
        let cases = [
            (
                "hold_limit_seconds",
                NetworkSettings {
                    hold_limit_seconds: 90_000,
                    ..base()
                },
            ),
            (
                "menu_seconds",
                NetworkSettings {
                    menu_seconds: 601,
                    ..base()
                },
            ),
            (
                "install_attempts",
                NetworkSettings {
                    install_attempts: 0,
                    ..base()
                },
            ),
            (
                "proof_limit_seconds",
                NetworkSettings {
                    proof_limit_seconds: 59,
                    ..base()
                },
            ),
            (
                "node_subnet",
                NetworkSettings {
                    node_subnet: Some("10.0.0.5/24".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "node_subnet",
                NetworkSettings {
                    node_subnet: Some("10.0.0.0/31".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "gateway",
                NetworkSettings {
                    gateway: Some("10.0.1.1".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "gateway",
                NetworkSettings {
                    gateway: Some("10.0.0.0".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "gateway",
                NetworkSettings {
                    gateway: Some("10.0.0.255".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "server_address",
                NetworkSettings {
                    server_address: Some("224.0.0.1".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "server_address",
                NetworkSettings {
                    server_address: Some("127.0.0.1".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "server_address",
                NetworkSettings {
                    server_address: Some("0.0.0.0".parse().unwrap()),
                    ..base()
                },
            ),
            (
                "firmware.http_x64.loader",
                NetworkSettings {
                    firmware: FirmwareProfiles {
                        http_x64: crate::FirmwareProfile {
                            loader: Some("../passwd".into()),
                            ..crate::FirmwareProfile::default()
                        },
                        ..FirmwareProfiles::default()
                    },
                    ..base()
                },
            ),
            (
                "extra_kernel_args",
                NetworkSettings {
                    extra_kernel_args: vec!["a b".into()],
                    ..base()
                },
            ),
            (
                "extra_kernel_args",
                NetworkSettings {
                    extra_kernel_args: vec!["x=${mac}".into()],
                    ..base()
                },
            ),
            (
                "extra_kernel_args",
                NetworkSettings {
                    extra_kernel_args: vec!["dm-mod.create=\"a;b\"".into()],
                    ..base()
                },
            ),
            (
                "extra_kernel_args",
                NetworkSettings {
                    extra_kernel_args: vec!["x=a&&b".into()],
                    ..base()
                },
            ),
            (
                "extra_kernel_args",
                NetworkSettings {
                    extra_kernel_args: vec!["talos.config=http://evil/".into()],
                    ..base()
                },
            ),
            (
                "extra_kernel_args",
                NetworkSettings {
                    extra_kernel_args: vec!["talos.experimental.wipe=system".into()],
                    ..base()
                },
            ),
        ];
        for (field, settings) in cases {
            assert_eq!(
                settings.check().map_err(|refusal| refusal.field),
                Err(field)
            );
        }
    }
}
