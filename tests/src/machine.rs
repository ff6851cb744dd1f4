//! Machines: QEMU with real firmware, plugged into the LAN.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::accel::Accel;
use crate::clock::{now, poll};
use crate::console::Console;
use crate::disk::Disk;
use crate::kit::{Arch, Kit};
use crate::lan::Lan;
use crate::process::Process;

/// How a machine boots from the network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Firmware {
    /// BIOS with the iPXE ROM that the card brings.
    BiosIpxe,
    /// The host's OVMF with its own PXE: asks port 4011 and loads a loader by TFTP.
    UefiPxe,
    /// Debian 13's OVMF with its own PXE.
    UefiPxe2025,
    /// Debian 13's OVMF, HTTP boot only.
    UefiHttp,
    /// The host's OVMF with the iPXE ROM that the card brings.
    UefiIpxe,
    /// A machine with ARM, and the host's UEFI firmware for it with its own PXE.
    ArmPxe,
}

impl Firmware {
    /// A short name for reports and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::BiosIpxe => "bios-ipxe",
            Self::UefiPxe => "uefi-pxe",
            Self::UefiPxe2025 => "uefi-pxe-2025",
            Self::UefiHttp => "uefi-http",
            Self::UefiIpxe => "uefi-ipxe",
            Self::ArmPxe => "arm-pxe",
        }
    }

    /// The processor that it is for.
    pub fn arch(self) -> Arch {
        match self {
            Self::ArmPxe => Arch::Arm64,
            _ => Arch::Amd64,
        }
    }

    /// Its code and its empty variables.
    fn flash(self, kit: &Kit) -> Option<(PathBuf, PathBuf)> {
        let (folder, code, variables) = match self {
            Self::BiosIpxe => return None,
            Self::UefiPxe | Self::UefiIpxe => (kit.ovmf(), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
            Self::UefiPxe2025 | Self::UefiHttp => {
                (kit.ovmf_2025(), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")
            }
            Self::ArmPxe => (kit.aavmf(), "AAVMF_CODE.fd", "AAVMF_VARS.fd"),
        };
        Some((folder.join(code), folder.join(variables)))
    }

    /// QEMU for a machine with it, on whatever runs that here.
    fn qemu(self, folder: &Path) -> Command {
        match self.arch() {
            Arch::Amd64 => {
                let accel = Accel::probed(folder);
                let mut qemu = Command::new("qemu-system-x86_64");
                // Without graphics the BIOS and its iPXE write to the serial port.
                qemu.arg("-machine")
                    .arg(format!("q35,accel={},graphics=off", accel.name()))
                    .args(["-cpu", accel.cpu()]);
                qemu
            }
            Arch::Arm64 => {
                let mut qemu = Command::new("qemu-system-aarch64");
                qemu.args(["-machine", "virt,accel=tcg", "-cpu", "cortex-a57"]);
                qemu
            }
        }
    }

    /// Whether the card keeps its iPXE ROM.
    fn card_rom(self) -> bool {
        matches!(self, Self::BiosIpxe | Self::UefiIpxe)
    }
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    /// Its firmware.
    pub firmware: Firmware,
    /// Its card's address, in lower-case with colons.
    pub mac: &'a str,
    /// Its SMBIOS UUID.
    pub uuid: &'a str,
    /// Its SMBIOS serial number.
    pub serial: &'a str,
    /// Its disk; the card is asked first.
    pub disk: Option<&'a Disk>,
    /// Whether its console is shown on this terminal too.
    pub echo: bool,
}

/// What a kernel says that gives up: nothing comes after it.
const PANIC: &str = "end Kernel panic";

/// A machine that is switched on. Switched off when dropped.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    console: Console,
    started: Instant,
}

impl Machine {
    /// Switches a machine on. `folder` takes its logs and the firmware's variables.
    ///
    /// # Errors
    /// When QEMU or the tap cannot be had.
    pub fn start(kit: &Kit, lan: &mut Lan, build: &Build<'_>, folder: &Path) -> Result<Self> {
        let tap = lan.tap()?;
        let log = folder.join("serial.log");
        let mut qemu = build.firmware.qemu(folder);
        qemu.args([
            "-nodefaults",
            "-display",
            "none",
            "-vga",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
        ])
        .args(["-m", "1024", "-smp", "1", "-device", "virtio-rng-pci"])
        .args(["-serial", &format!("file:{}", log.display())])
        .args(["-uuid", build.uuid, "-smbios"])
        .arg(format!(
            "type=1,manufacturer=Ktizo,product=Lab,serial={},uuid={}",
            build.serial, build.uuid
        ))
        .args([
            "-netdev",
            &format!("tap,id=n0,ifname={tap},script=no,downscript=no"),
            "-device",
        ]);
        let rom = if build.firmware.card_rom() {
            ""
        } else {
            ",romfile="
        };
        qemu.arg(format!(
            "virtio-net-pci,netdev=n0,mac={},bootindex=1{rom}",
            build.mac
        ));
        if let Some((code, empty)) = build.firmware.flash(kit) {
            // The firmware keeps its boot entries in the variables: every machine gets new ones.
            let variables = folder.join("variables.fd");
            fs::copy(empty, &variables).context("the firmware's variables could not be copied")?;
            qemu.arg("-drive")
                .arg(format!(
                    "if=pflash,unit=0,format=raw,readonly=on,file={}",
                    code.display()
                ))
                .arg("-drive")
                .arg(format!(
                    "if=pflash,unit=1,format=raw,file={}",
                    variables.display()
                ))
                .args(["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]);
            if build.firmware == Firmware::UefiHttp {
                qemu.args(["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"]);
            }
        }
        if let Some(disk) = build.disk {
            qemu.arg("-drive")
                .arg(format!(
                    "if=none,id=d0,format=raw,file={}",
                    disk.path().display()
                ))
                .args(["-device", "virtio-blk-pci,drive=d0,bootindex=2"]);
        }
        let console = Console::open(&log, build.echo)?;
        let started = now();
        let process = Process::start("QEMU", &mut qemu, &folder.join("qemu.log"))?;
        Ok(Self {
            process,
            console,
            started,
        })
    }

    /// When it was switched on.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its serial console.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Waits until the console shows a text; gives the time since the machine was switched on.
    ///
    /// # Errors
    /// When the text does not come inside the limit, or the machine goes off before; the error ends with the
    /// console's last lines.
    pub fn wait(&mut self, text: &str, limit: Duration) -> Result<Duration> {
        let seen = poll(limit, || match self.console.seen(text) {
            Some(at) => Some(Some(at)),
            None if self.console.seen(PANIC).is_some() => Some(None),
            None => self.process.ended().map(|_| None),
        });
        let seen = seen.flatten().or_else(|| {
            // Of one that went off, the last words are in the file, and may not have been read yet.
            if self.process.ended().is_some() {
                self.console.close();
            }
            self.console.seen(text)
        });
        match seen {
            Some(at) => Ok(at - self.started),
            None if self.process.ended().is_some() => {
                bail!(
                    "the machine went off before it said {text:?}; its console ends:\n{}{}",
                    self.last_words(),
                    self.process.said()
                )
            }
            None => bail!(
                "the machine did not say {text:?} in {limit:?}; its console ends:\n{}",
                self.last_words()
            ),
        }
    }

    /// Waits until it is off; gives the time since it was switched on.
    ///
    /// # Errors
    /// When it still runs after the limit.
    pub fn wait_off(&mut self, limit: Duration) -> Result<Duration> {
        if let Err(err) = self.process.wait(limit) {
            return Err(err.context(format!("its console ends:\n{}", self.last_words())));
        }
        self.console.close();
        Ok(now() - self.started)
    }

    fn last_words(&self) -> String {
        let text = self.console.text();
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}
