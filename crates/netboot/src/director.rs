//! The one question the boot servers ask: what is this machine to get?

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::{
    AssetName, BootStage, ConfigToken, Inventory, MacAddr, StageOutcome, TalosVersion, Timestamp,
};

/// Decides what each machine gets, at the moment it asks.
///
/// The servers call it from their network tasks: an implementation answers from memory or a short look-up, and where it waits
/// (a held machine) it waits without blocking a thread.
#[async_trait]
pub trait Director: Send + Sync + 'static {
    /// What a machine that asked by DHCP is offered.
    async fn offer(&self, ask: &BootAsk) -> Offer;

    /// The iPXE script for one device. May wait, at most 25 s, while the device is held; answers at once when the daemon drains.
    async fn script(&self, ask: ScriptAsk) -> String;

    /// The script that iPXE of 2025 and newer asks for before its own DHCP.
    async fn autoexec(&self, site: Site) -> String;

    /// The table script for all devices; the error is a sentence for the machine's screen.
    async fn table(&self, site: Site) -> Result<String, String>;

    /// The config of one device.
    async fn config(&self, ask: ConfigAsk) -> ConfigAnswer;

    /// A loader by its name; the error is a sentence for the machine's screen.
    async fn loader(&self, name: &LoaderName) -> Result<Content, String>;

    /// A kernel or initramfs, of the version in force where none is named; the error is a sentence for the machine's screen.
    async fn asset(
        &self,
        version: Option<&TalosVersion>,
        name: AssetName,
    ) -> Result<Content, String>;

    /// Takes note of a step of a boot. Never blocks; drops what it cannot keep.
    fn observe(&self, seen: Observation);
}

/// Where a request came in: what a machine has to be told to reach this server again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The local address that faces the machine.
    pub server: Ipv4Addr,
    /// The port of the boot HTTP server.
    pub http_port: u16,
    /// The machine's address.
    pub peer: IpAddr,
}

/// A machine's DHCP request for a boot program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootAsk {
    /// Who asks.
    pub mac: MacAddr,
    /// What the packet says of the machine.
    pub inventory: Inventory,
    /// What asks.
    pub client: BootClient,
    /// Whether it asked on port 4011.
    pub second_step: bool,
    /// The machine's address, once it has one (`ciaddr`).
    pub address: Option<Ipv4Addr>,
    /// The relay it came through (`giaddr`).
    pub relay: Option<Ipv4Addr>,
}

/// What software of the machine asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootClient {
    /// PXE firmware, which loads by TFTP.
    Pxe(Platform),
    /// UEFI HTTP boot, which loads by HTTP.
    Http(Platform),
    /// iPXE, which runs scripts.
    Ipxe {
        /// What it was built for.
        platform: Platform,
        /// Whether its build can fetch by HTTP (feature 0x13 of option 175).
        http: bool,
    },
}

/// The kinds of machine that a loader is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Platform {
    /// PC BIOS.
    Bios,
    /// 32-bit x86 UEFI.
    EfiIa32,
    /// 64-bit x86 UEFI.
    EfiX64,
    /// 32-bit ARM UEFI.
    EfiArm32,
    /// 64-bit ARM UEFI.
    EfiArm64,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Bios => "BIOS",
            Self::EfiIa32 => "UEFI ia32",
            Self::EfiX64 => "UEFI x64",
            Self::EfiArm32 => "UEFI arm32",
            Self::EfiArm64 => "UEFI arm64",
        })
    }
}

/// What a machine that asked by DHCP is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The boot program.
    pub program: Program,
    /// The address to name as this server instead of the one that faces the machine.
    pub server: Option<Ipv4Addr>,
    /// Whether option 43 tells PXE firmware to take the offered file without asking port 4011.
    pub discovery_control: bool,
}

/// A boot program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A loader: by TFTP for PXE firmware and for an iPXE that cannot fetch scripts by HTTP, by HTTP for UEFI HTTP boot.
    Loader(LoaderName),
    /// The device's script, `/boot/{mac}`, by HTTP.
    Script,
    /// For UEFI HTTP boot only: a URL that answers 404, which sends the firmware on to its next boot entry.
    NotFound,
    /// No answer at all: there is nothing for such a machine. The reason is counted.
    Nothing(&'static str),
}

/// The file name of a loader: letters, digits, `.`, `-` and `_`, not beginning with a dot, at most 64 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoaderName(String);

impl LoaderName {
    /// Endings of boot programs: iPXE's builds, and what else firmware asks for by a bare name.
    pub const ENDINGS: [&'static str; 7] =
        [".efi", ".kpxe", ".kkpxe", ".kkkpxe", ".pxe", ".lkrn", ".0"];

    /// Takes a bare file name; `None` for anything that could leave a folder or hide in one.
    pub fn parse(name: &str) -> Option<Self> {
        model::is_loader_name(name).then(|| Self(name.to_owned()))
    }

    /// The bare file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for LoaderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A request for a device's script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptAsk {
    /// Whose.
    pub mac: MacAddr,
    /// Where it came in.
    pub site: Site,
    /// What iPXE says of the machine; `None` in the first request, which is answered with a script that says it.
    pub facts: Option<Facts>,
    /// Since when this boot has been held, as an earlier answer wrote it into the URL.
    pub held_since: Option<Timestamp>,
    /// What a person chose in the menu.
    pub choice: Option<MenuChoice>,
}

/// What iPXE says of the machine it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Processor, firmware and SMBIOS texts.
    pub inventory: Inventory,
    /// Its version, such as `1.21.1+git-20250501`.
    pub version: Option<String>,
}

/// What a person at the console may choose that the server has to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuChoice {
    /// Asks for a wipe, which a signed-in person has to confirm.
    Wipe,
}

/// A request for a device config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigAsk {
    /// Whose.
    pub mac: MacAddr,
    /// Where it came in.
    pub site: Site,
    /// The token that the URL carries.
    pub token: Option<ConfigToken>,
    /// Whether only the head of the answer is wanted, so that nothing of the config goes out and nothing is told of it afterwards.
    pub head_only: bool,
}

/// The answer to a request for a device config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigAnswer {
    /// Serve these bytes, and tell by [`Director::observe`] with stage `config` whether they went out whole, unless only the head was
    /// asked for.
    Serve(Bytes),
    /// Answer 403 with this reason.
    Refused(String),
    /// Answer 503 with this reason: the store did not answer, and the machine shall ask again.
    Unavailable(String),
}

/// A file's content.
#[derive(Clone, Debug)]
pub enum Content {
    /// Small enough to be kept in memory.
    Bytes(Bytes),
    /// An open file and its length in bytes; it does not change while it is open.
    File(Arc<File>, u64),
}

impl Content {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A step of a boot, as the servers saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The machine, where the request names it; else it is known by `peer`.
    pub mac: Option<MacAddr>,
    /// The machine's address; unspecified while it has none.
    pub peer: IpAddr,
    /// The step.
    pub stage: BootStage,
    /// How long it took, as far as that is known.
    pub duration: Option<Duration>,
    /// How many bytes of content went out.
    pub bytes: Option<u64>,
    /// How many packets had to be sent again.
    pub retries: Option<u32>,
    /// How it ended, or that it began.
    pub outcome: StageOutcome,
    /// What a person should know of it. Never a secret.
    pub detail: String,
}
