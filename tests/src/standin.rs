//! A server that stands in for the daemon: dnsmasq for ProxyDHCP and TFTP, busybox for HTTP.
//!
//! With it the lab proves itself: a boot that fails here fails because of the lab, not of ktizo.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::kit::Kit;
use crate::lan::Host;
use crate::process::{Process, on_host};
use crate::site::{dnsmasq, serves};

/// The running pair.
#[derive(Debug)]
pub struct StandIn {
    _proxy: Process,
    _http: Process,
}

impl StandIn {
    /// Serves `root`'s files by HTTP, the kit's loaders by TFTP, and sends every iPXE to `/boot.ipxe`.
    ///
    /// # Errors
    /// When one of the programs cannot be started.
    pub fn start(kit: &Kit, host: &Host, root: &Path, folder: &Path) -> Result<Self> {
        let mut proxy = dnsmasq(host);
        proxy
            // dnsmasq answers network boots as a proxy only when a prompt or a menu is set.
            .args(["--dhcp-range=10.77.0.0,proxy", "--pxe-prompt=lab,0"])
            .args([
                "--dhcp-match=set:ipxe,175",
                "--dhcp-match=set:efi,option:client-arch,7",
            ])
            // The server is named twice: an iPXE of 2019 takes no file from an answer without `siaddr`.
            .arg(format!(
                "--dhcp-boot=tag:ipxe,http://{0}/boot.ipxe,{0},{0}",
                host.address
            ))
            .args(["--dhcp-boot=tag:efi,tag:!ipxe,snponly.efi", "--enable-tftp"])
            .arg(format!("--tftp-root={}", kit.loaders().display()));
        let proxy = Process::start(
            "the stand-in's dnsmasq",
            &mut proxy,
            &folder.join("proxy.log"),
        )?;
        serves(&proxy)?;
        let mut http = on_host(Some(&host.netns), kit.busybox());
        http.args(["httpd", "-f", "-vv", "-p", "80", "-h"])
            .arg(root);
        let http = Process::start("the stand-in's httpd", &mut http, &folder.join("http.log"))?;
        Ok(Self {
            _proxy: proxy,
            _http: http,
        })
    }
}

/// Fills a folder with what the stand-in serves: the guest's files, a script and a config.
///
/// # Errors
/// When a file cannot be written.
pub fn furnish(root: &Path, assets: &Path, script: &str, config: &str) -> Result<()> {
    fs::create_dir_all(root)?;
    for asset in fs::read_dir(assets)? {
        let asset = asset?;
        fs::copy(asset.path(), root.join(asset.file_name()))
            .context("an asset could not be copied")?;
    }
    fs::write(root.join("boot.ipxe"), script)?;
    fs::write(root.join("config.yaml"), config)?;
    Ok(())
}
