//! Kernel, initramfs and the kernel command line of Talos.

use std::fmt;

use model::{Arch, AssetKind, AssetName, ConfigToken, NetworkSettings, Payload, TalosVersion};
use tera::Context;

use super::Place;

/// What Talos is told of its config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigLink {
    /// Nothing: it starts in maintenance mode.
    None,
    /// Where it is; its MAC alone lets it have it.
    Plain,
    /// Where it is, with the token that lets it have it.
    Token(ConfigToken),
}

/// What a script needs to start Talos. Its `Debug` text leaves tokens out.
#[derive(Clone, PartialEq, Eq)]
pub struct TalosBoot {
    version: TalosVersion,
    arch: Arch,
    kernel_url: String,
    initramfs_url: String,
    args: String,
}

impl TalosBoot {
    /// Talos of one version on one machine; with its config's URL on the command line as `config` says.
    pub fn new(
        place: &Place,
        version: &TalosVersion,
        arch: Arch,
        settings: &NetworkSettings,
        config: ConfigLink,
    ) -> Self {
        let root = match settings.payload {
            Payload::Http => place.base_url(),
            Payload::Tftp => place.tftp_url(),
        };
        let url = |kind| format!("{root}/talos/{version}/{}", AssetName { arch, kind });
        let mut args = kernel_args(version, arch);
        args.extend(settings.extra_kernel_args.iter().cloned());
        // Whoever names a receiver of their own gets theirs.
        let ours = place
            .report_args()
            .filter(|(key, _)| settings.reports && !settings.names_kernel_arg(key));
        args.extend(ours.map(|(key, value)| format!("{key}={value}")));
        let token = match &config {
            ConfigLink::Token(token) => Some(token),
            ConfigLink::None | ConfigLink::Plain => None,
        };
        if config != ConfigLink::None {
            args.push(format!("talos.config={}", place.config_url(token)));
        }
        Self {
            version: version.clone(),
            arch,
            kernel_url: url(AssetKind::Kernel),
            initramfs_url: url(AssetKind::Initramfs),
            args: args.join(" "),
        }
    }

    /// The same, to wipe the system disk and restart: no config is named, so whatever fails, nothing is installed.
    #[must_use]
    pub fn wiping(mut self) -> Self {
        // One that has wiped, restarts before it looks for a config (`internal/app/machined/pkg/runtime/v1alpha1/v1alpha1_sequencer.go`).
        self.args.push_str(" talos.experimental.wipe=system");
        self
    }

    pub(super) fn insert(&self, context: &mut Context) {
        context.insert("version", &self.version);
        context.insert("arch", &self.arch);
        context.insert("kernel_url", &self.kernel_url);
        context.insert("initramfs_url", &self.initramfs_url);
        context.insert("kernel_args", &self.args);
    }
}

impl fmt::Debug for TalosBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TalosBoot")
            .field("version", &self.version)
            .field("arch", &self.arch)
            .field("args", &ConfigToken::mask(&self.args))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TalosBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Talos {} ({})", self.version, self.arch)
    }
}

/// The arguments Talos's own imager writes for metal (`pkg/imager/imager.go`, `pkg/machinery/kernel/kernel.go`). Talos refuses to
/// boot without `slab_nomerge`, `pti=on` and `talos.platform`.
pub fn kernel_args(version: &TalosVersion, arch: Arch) -> Vec<String> {
    let contract = version.contract();
    let mut args = vec!["talos.platform=metal"];
    args.extend(match arch {
        Arch::Amd64 if contract < (1, 8) => &["console=ttyS0", "console=tty0"][..],
        Arch::Amd64 => &["console=tty0"],
        Arch::Arm64 => &["console=ttyAMA0", "console=tty0"],
    });
    if contract < (1, 14) {
        args.push("init_on_alloc=1");
    }
    args.extend(["slab_nomerge=", "pti=on", "consoleblank=0"]);
    if contract < (1, 14) {
        args.push("nvme_core.io_timeout=4294967295");
    }
    args.push("printk.devkmsg=on");
    if contract < (1, 11) {
        args.extend(["ima_template=ima-ng", "ima_appraise=fix", "ima_hash=sha512"]);
    }
    for (since, arg) in [
        ((1, 10), "selinux=1"),
        ((1, 12), "module.sig_enforce=1"),
        ((1, 13), "proc_mem.force_override=never"),
    ] {
        if contract >= since {
            args.push(arg);
        }
    }
    args.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What decides stands at the end: a kernel that cut it off would install nothing, or spend a wipe in vain.
    #[test]
    fn the_longest_command_line_is_read_whole() {
        let word = "x".repeat(NetworkSettings::MAX_EXTRA_KERNEL_ARGS - 1);
        let settings = NetworkSettings {
            extra_kernel_args: vec![word],
            ..NetworkSettings::default()
        };
        let place = Place {
            server: std::net::Ipv4Addr::BROADCAST,
            http_port: u16::MAX,
            mac: "52:54:00:00:00:01".parse().unwrap(),
            reports: crate::script::ReportPorts {
                events: Some(u16::MAX),
                kernel_log: Some(u16::MAX),
            },
        };
        let token = ConfigToken::from_random([255; ConfigToken::BYTES]);
        for version in ["v1.8.4", "v1.10.9", "v1.13.99", "v1.14.0-rc.1"] {
            for arch in [Arch::Amd64, Arch::Arm64] {
                let version = version.parse().unwrap();
                let boot =
                    TalosBoot::new(&place, &version, arch, &settings, ConfigLink::Token(token));
                // The script adds the name of the initramfs.
                let line = format!("initrd=initramfs-amd64.xz {}", boot.wiping().args);
                assert!(line.len() < 2000, "{version}: {} bytes", line.len());
            }
        }
    }

    #[test]
    fn writes_what_each_release_boots_with() {
        for (version, expected) in [
            (
                "v1.8.4",
                "talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge= pti=on consoleblank=0 \
                 nvme_core.io_timeout=4294967295 printk.devkmsg=on ima_template=ima-ng ima_appraise=fix ima_hash=sha512",
            ),
            (
                "v1.10.0",
                "talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge= pti=on consoleblank=0 \
                 nvme_core.io_timeout=4294967295 printk.devkmsg=on ima_template=ima-ng ima_appraise=fix ima_hash=sha512 selinux=1",
            ),
            (
                "v1.13.9",
                "talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge= pti=on consoleblank=0 \
                 nvme_core.io_timeout=4294967295 printk.devkmsg=on selinux=1 module.sig_enforce=1 proc_mem.force_override=never",
            ),
            (
                "v1.14.0-rc.1",
                "talos.platform=metal console=tty0 slab_nomerge= pti=on consoleblank=0 printk.devkmsg=on selinux=1 \
                 module.sig_enforce=1 proc_mem.force_override=never",
            ),
        ] {
            assert_eq!(
                kernel_args(&version.parse().unwrap(), Arch::Amd64).join(" "),
                expected,
                "{version}"
            );
        }
    }
}
