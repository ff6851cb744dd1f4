//! What a boot takes place in: a LAN with the site's DHCP server and a daemon that has all it needs.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::daemon::Ktizo;
use crate::kit::Kit;
use crate::lan::{Host, Lan};
use crate::site::Site;
use crate::wiretap::Wiretap;

/// The Talos release that the guest is imported as.
pub const TALOS: &str = "v1.13.9";

/// The daemon's address on the LAN.
pub const SERVER: &str = "10.77.0.2";

/// The scene; its parts go in the order in which they depend on each other.
#[derive(Debug)]
pub struct Scene {
    /// The daemon.
    pub ktizo: Ktizo,
    /// The wire of the daemon's host.
    pub tap: Wiretap,
    /// The site's DHCP server.
    pub site: Site,
    /// The host of the daemon.
    pub server: Host,
    /// The LAN.
    pub lan: Lan,
    /// Where logs and disks are.
    pub folder: PathBuf,
}

impl Scene {
    /// Sets the scene in an empty folder: the guest is imported as Talos, base configs and node subnet are there.
    ///
    /// # Errors
    /// When a part of it does not start.
    pub fn set(kit: &Kit, assets: &Path, folder: PathBuf) -> Result<Self> {
        Self::with_site(kit, assets, folder, Site::start)
    }

    /// The same with another server of the site.
    ///
    /// # Errors
    /// As [`Scene::set`].
    pub fn with_site(
        kit: &Kit,
        assets: &Path,
        folder: PathBuf,
        start: impl FnOnce(&Host, &Path) -> Result<Site>,
    ) -> Result<Self> {
        let mut lan = Lan::new()?;
        let (router, server) = (lan.host("site", 1)?, lan.host("ktizo", 2)?);
        let site = start(&router, &folder)?;
        let tap = Wiretap::open(&server, &folder.join("wire.pcap"))?;
        let ktizo = Ktizo::start(kit, &server, &folder)?;
        let scene = Self {
            ktizo,
            tap,
            site,
            server,
            lan,
            folder,
        };
        let assets = assets.to_string_lossy();
        scene.ktizo.command([
            "assets",
            "import",
            &assets,
            "--version",
            TALOS,
            "--arch",
            "amd64",
        ])?;
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/data/base");
        scene.ktizo.command(["cluster", "import", base])?;
        scene.ktizo.command([
            "network",
            "set",
            "--node-subnet",
            "10.77.0.0/24",
            "--gateway",
            "10.77.0.1",
        ])?;
        Ok(scene)
    }

    /// Approves a device with the address that ends in `last`.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub fn approve(&self, mac: &str, hostname: &str, last: u8) -> Result<()> {
        let address = format!("10.77.0.{last}");
        let words = [
            "device",
            "approve",
            mac,
            "--hostname",
            hostname,
            "--address",
            &address,
            "--role",
            "controlplane",
        ];
        self.ktizo.command(words).map(|_| ())
    }

    /// Whether the daemon lists a device with a status.
    ///
    /// # Errors
    /// When the list cannot be had.
    pub fn lists(&self, mac: &str, status: &str) -> Result<bool> {
        let devices = self.ktizo.json(&["device", "list", "--status", status])?;
        let devices = devices.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(devices.iter().any(|device| device["mac_address"] == mac))
    }
}
