//! Names that machines ask for: one closed set, the same for TFTP and HTTP.
//!
//! A name from the wire is never joined to a folder. It is read into one of the few things ktizo serves, or refused with a
//! reason; so no name, however it is written, can reach a file that is not meant to be served.

use std::fmt;

use model::{AssetKind, AssetName, BootStage, MacAddr, Role, TalosVersion};
use thiserror::Error;

use crate::director::LoaderName;

/// Something ktizo serves on the boot plane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BootPath {
    /// A network boot loader: `ipxe/snponly.efi`, or the bare file name.
    Loader(LoaderName),
    /// The script that iPXE of 2025 and newer asks for before its own DHCP: `autoexec.ipxe` in any folder.
    Autoexec,
    /// The table script for all devices: `boot.ipxe` or `pxe/boot.ipxe`.
    Table,
    /// A kernel or initramfs: `talos/vmlinuz-amd64`, `talos/v1.13.9/initramfs-amd64.xz`.
    Asset {
        /// The release named; `None` for the one in force.
        version: Option<TalosVersion>,
        /// Which file of the release.
        name: AssetName,
    },
    /// The script for one device: `boot/{mac}`. By HTTP only.
    DeviceScript(MacAddr),
    /// The config of one device: `talos/configs/{mac}.yaml`, with or without the role before the MAC. By HTTP only.
    Config(MacAddr),
}

/// Why a name is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum PathRefusal {
    /// Longer than any name ktizo serves.
    #[error("the name is too long")]
    TooLong,
    /// Not UTF-8, a broken percent escape, or a control character.
    #[error("the name is not readable text")]
    NotText,
    /// It has a `..` part.
    #[error("the name must not contain ..")]
    LeavesRoot,
    /// It is where a device's script or config would be, and no MAC address.
    #[error("the name does not hold a MAC address such as 52-54-00-12-34-56")]
    NotAMac,
    /// Device scripts and configs go by HTTP, where the machine that asks is known better.
    #[error("this is served by HTTP only")]
    HttpOnly,
    /// Nothing ktizo serves. Firmware and loaders ask for many such names as a matter of course.
    #[error("there is no such file here")]
    Unknown,
}

/// The longest name looked at, in bytes: twice the longest that is served.
const LONGEST: usize = 256;

impl BootPath {
    /// Reads the file name of a TFTP request as firmware writes it: with `\` for `/`, leading slashes, a whole `tftp://` URL,
    /// something behind a NUL, or the 0xFF that some ROMs copy from the end of DHCP's options.
    pub fn from_tftp(name: &[u8]) -> Result<Self, PathRefusal> {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let tail = name.iter().rev().take_while(|byte| **byte == 0xff).count();
        let text = read_text(name[..name.len() - tail].to_vec())?.replace('\\', "/");
        let path = Self::read(without_server(&text))?;
        if matches!(path, Self::DeviceScript(_) | Self::Config(_)) {
            return Err(PathRefusal::HttpOnly);
        }
        Ok(path)
    }

    /// Reads the path of an HTTP request, without its query, percent escapes and all.
    pub fn from_http(path: &str) -> Result<Self, PathRefusal> {
        Self::read(&read_text(percent_decoded(path.as_bytes())?)?.replace('\\', "/"))
    }

    /// The step of a boot that fetching this is.
    pub fn stage(&self) -> BootStage {
        match self {
            Self::Loader(_) => BootStage::Loader,
            Self::Autoexec => BootStage::Autoexec,
            Self::Table | Self::DeviceScript(_) => BootStage::Script,
            Self::Asset { name, .. } => match name.kind {
                AssetKind::Kernel => BootStage::Kernel,
                AssetKind::Initramfs => BootStage::Initramfs,
            },
            Self::Config(_) => BootStage::Config,
        }
    }

    fn read(text: &str) -> Result<Self, PathRefusal> {
        let parts: Vec<&str> = text
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        if parts.contains(&"..") {
            return Err(PathRefusal::LeavesRoot);
        }
        let asset = |version, name| {
            AssetName::parse(name)
                .map(|name| Self::Asset { version, name })
                .ok_or(PathRefusal::Unknown)
        };
        let loader = |name| {
            LoaderName::parse(name)
                .map(Self::Loader)
                .ok_or(PathRefusal::Unknown)
        };
        match parts[..] {
            [.., "autoexec.ipxe"] => Ok(Self::Autoexec),
            ["boot.ipxe"] | ["pxe", "boot.ipxe"] => Ok(Self::Table),
            ["boot", mac] => read_mac(mac).map(Self::DeviceScript),
            ["talos", "configs", file] => read_config(file).map(Self::Config),
            ["talos", name] => asset(None, name),
            ["talos", version, name] => {
                let version = version.parse().map_err(|_| PathRefusal::Unknown)?;
                asset(Some(version), name)
            }
            ["ipxe", name] => loader(name),
            [name] if LoaderName::ENDINGS.iter().any(|end| name.ends_with(end)) => loader(name),
            _ => Err(PathRefusal::Unknown),
        }
    }
}

/// The name of it as ktizo's own answers write it, without a leading slash.
impl fmt::Display for BootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(name) => write!(f, "ipxe/{name}"),
            Self::Autoexec => f.write_str("autoexec.ipxe"),
            Self::Table => f.write_str("boot.ipxe"),
            Self::Asset { version, name } => match version {
                Some(version) => write!(f, "talos/{version}/{name}"),
                None => write!(f, "talos/{name}"),
            },
            Self::DeviceScript(mac) => write!(f, "boot/{}", mac.hyphenated()),
            Self::Config(mac) => write!(f, "talos/configs/{}.yaml", mac.hyphenated()),
        }
    }
}

fn read_text(bytes: Vec<u8>) -> Result<String, PathRefusal> {
    if bytes.len() > LONGEST {
        return Err(PathRefusal::TooLong);
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(char::is_control))
        .ok_or(PathRefusal::NotText)
}

/// Cuts `tftp://host/` off, which some firmware sends as it stands in option 67.
fn without_server(text: &str) -> &str {
    match text.split_at_checked("tftp://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tftp://") => {
            rest.split_once('/').map_or("", |(_host, path)| path)
        }
        _ => text,
    }
}

/// Undoes percent escapes (RFC 3986 section 2.1).
fn percent_decoded(path: &[u8]) -> Result<Vec<u8>, PathRefusal> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(*bytes.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PathRefusal::NotText);
        };
        decoded.push(high << 4 | low);
    }
    Ok(decoded)
}

fn read_mac(text: &str) -> Result<MacAddr, PathRefusal> {
    text.parse().map_err(|_| PathRefusal::NotAMac)
}

fn read_config(file: &str) -> Result<MacAddr, PathRefusal> {
    let stem = file.strip_suffix(".yaml").ok_or(PathRefusal::Unknown)?;
    let mac = match stem.split_once('-') {
        Some((role, mac)) if role.parse::<Role>().is_ok() => mac,
        _ => stem,
    };
    read_mac(mac)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a name is by TFTP and by HTTP: the canonical name, or the refusal.
    fn seen(path: Result<BootPath, PathRefusal>) -> String {
        path.map_or_else(|refusal| format!("{refusal:?}"), |path| path.to_string())
    }

    #[test]
    fn names_from_firmware_are_read_as_meant() {
        for (name, meant) in [
            (&b"ipxe/snponly.efi"[..], "ipxe/snponly.efi"),
            (b"snponly.efi", "ipxe/snponly.efi"),
            (b"undionly.kpxe", "ipxe/undionly.kpxe"),
            (b"/ipxe/snponly.efi", "ipxe/snponly.efi"),
            (b"//ipxe//snponly.efi", "ipxe/snponly.efi"),
            (b"\\ipxe\\snponly.efi", "ipxe/snponly.efi"),
            (b"./ipxe/./snponly.efi", "ipxe/snponly.efi"),
            (b"ipxe/undionly.kpxe\xff", "ipxe/undionly.kpxe"),
            (b"ipxe/undionly.kpxe\xff\xff", "ipxe/undionly.kpxe"),
            (b"ipxe/undionly.kpxe\0\xff\xffrest", "ipxe/undionly.kpxe"),
            (b"tftp://10.0.0.1/ipxe/snponly.efi", "ipxe/snponly.efi"),
            (b"TFTP://ktizo//snponly.efi", "ipxe/snponly.efi"),
            (b"pxe/boot.ipxe", "boot.ipxe"),
            (b"boot.ipxe", "boot.ipxe"),
            (b"autoexec.ipxe", "autoexec.ipxe"),
            (b"/ipxe/autoexec.ipxe", "autoexec.ipxe"),
            (b"a/b/c/autoexec.ipxe", "autoexec.ipxe"),
            (b"talos/vmlinuz-amd64", "talos/vmlinuz-amd64"),
            (b"talos/initramfs-arm64.xz", "talos/initramfs-arm64.xz"),
            (b"talos/1.13/vmlinuz-amd64", "talos/v1.13.0/vmlinuz-amd64"),
        ] {
            assert_eq!(seen(BootPath::from_tftp(name)), meant, "{name:?}");
        }
    }

    #[test]
    fn tftp_refuses_the_rest_with_a_reason() {
        for (name, reason) in [
            (&b""[..], "Unknown"),
            (b"/", "Unknown"),
            (b"\xff", "Unknown"),
            (b"tftp://10.0.0.1", "Unknown"),
            (b"pxelinux.cfg/01-52-54-00-12-34-56", "Unknown"),
            (b"boot.scr.uimg", "Unknown"),
            (b"ipxe/.hidden", "Unknown"),
            (b"other/snponly.efi", "Unknown"),
            (b"talos/latest/vmlinuz-amd64", "Unknown"),
            (b"talos/v1.13.9/metal-amd64.iso", "Unknown"),
            (b"ipxe/../etc/passwd", "LeavesRoot"),
            (b"..\\..\\snponly.efi", "LeavesRoot"),
            (b"tftp://h/../snponly.efi", "LeavesRoot"),
            (b"\xc3\x28.efi", "NotText"),
            (b"ipxe/a\nb.efi", "NotText"),
            (&[b'a'; 300], "TooLong"),
            (b"boot/52-54-00-12-34-56", "HttpOnly"),
            (b"talos/configs/52-54-00-12-34-56.yaml", "HttpOnly"),
            (b"talos/configs/worker-52:54:00:12:34:56.yaml", "HttpOnly"),
        ] {
            assert_eq!(seen(BootPath::from_tftp(name)), reason, "{name:?}");
        }
    }

    #[test]
    fn http_paths_are_read_with_their_escapes() {
        let config = "talos/configs/52-54-00-12-34-56.yaml";
        for (path, meant) in [
            ("/ipxe/snponly.efi", "ipxe/snponly.efi"),
            ("/ipxe/snponly%2eefi", "ipxe/snponly.efi"),
            ("//ipxe//snponly.efi", "ipxe/snponly.efi"),
            ("/boot.ipxe", "boot.ipxe"),
            ("/pxe/boot.ipxe", "boot.ipxe"),
            ("/autoexec.ipxe", "autoexec.ipxe"),
            ("/ipxe/autoexec.ipxe", "autoexec.ipxe"),
            ("/boot/52-54-00-12-34-56", "boot/52-54-00-12-34-56"),
            ("/boot/52%3A54%3a00:12:34:56", "boot/52-54-00-12-34-56"),
            ("/boot/525400123456", "boot/52-54-00-12-34-56"),
            ("/talos/configs/52:54:00:12:34:56.yaml", config),
            ("/talos/configs/worker-52-54-00-12-34-56.yaml", config),
            ("/talos/configs/controlplane-525400123456.yaml", config),
            (
                "/talos/v1.13.9/vmlinuz-arm64",
                "talos/v1.13.9/vmlinuz-arm64",
            ),
            ("/", "Unknown"),
            ("/boot", "Unknown"),
            ("/talos/configs/52:54:00:12:34:56", "Unknown"),
            ("/boot/nobody", "NotAMac"),
            ("/boot/ff:ff:ff:ff:ff:ff", "NotAMac"),
            ("/talos/configs/boss-52-54-00-12-34-56.yaml", "NotAMac"),
            ("/ipxe/%2e%2e/x.efi", "LeavesRoot"),
            ("/ipxe%2f..%2fx.efi", "LeavesRoot"),
            ("/ipxe/x%00.efi", "NotText"),
            ("/ipxe/x%f", "NotText"),
            ("/ipxe/x%zz", "NotText"),
            ("/ipxe/%ff", "NotText"),
        ] {
            assert_eq!(seen(BootPath::from_http(path)), meant, "{path}");
        }
    }

    #[test]
    fn every_path_has_its_step_of_the_boot() {
        for (path, stage) in [
            ("/ipxe/snponly.efi", BootStage::Loader),
            ("/autoexec.ipxe", BootStage::Autoexec),
            ("/boot.ipxe", BootStage::Script),
            ("/boot/525400123456", BootStage::Script),
            ("/talos/vmlinuz-amd64", BootStage::Kernel),
            ("/talos/initramfs-amd64.xz", BootStage::Initramfs),
            ("/talos/configs/525400123456.yaml", BootStage::Config),
        ] {
            assert_eq!(BootPath::from_http(path).unwrap().stage(), stage, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(name in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(path) = BootPath::from_tftp(&name) {
                prop_assert_eq!(BootPath::from_tftp(path.to_string().as_bytes()), Ok(path));
            }
        }

        #[test]
        fn what_is_printed_reads_the_same(path in "/(boot|ipxe|talos|talos/configs|talos/v1.2|[.%/a-f]{0,6})/[-.:%a-f0-9]{0,20}(.yaml|.efi|)") {
            if let Ok(path) = BootPath::from_http(&path) {
                prop_assert_eq!(BootPath::from_http(&path.to_string()), Ok(path));
            }
        }
    }
}
