//! `ktizo network`.

use std::net::{IpAddr, Ipv4Addr};

use api::types::NetworkPatch;
use clap::Subcommand;
use ipnet::Ipv4Net;
use model::{
    ConfigRelease, FirmwareKind, FirmwareProfile, FirmwareProfiles, NetworkSettings, Payload,
    TalosVersion,
};
use serde_json::Value;

use super::output::{fields, or_dash, say};
use super::value::{ADDRESS, list, on_or_off, one_of, or_none};
use super::{Failure, Output, Remote, confirmed};

/// Network settings.
#[derive(Debug, clap::Args)]
pub(super) struct NetworkArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: NetworkCommand,
}

#[derive(Debug, Subcommand)]
enum NetworkCommand {
    /// Show the settings
    Show,
    /// Change settings; `none` clears one that may be empty
    Set(Box<NetworkSet>),
}

/// What `ktizo network set` changes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct NetworkSet {
    /// Hold machines that nobody approved (on), or let them boot their disk or Talos without a config (off)
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    strict_boot_mode: Option<bool>,
    /// Do not ask where strict boot mode goes off while machines are held
    #[arg(long, short, requires = "strict_boot_mode")]
    yes: bool,
    /// Seconds that a machine is held for its approval; 0 lets it leave to its disk at once
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    hold_limit: Option<u32>,
    /// Seconds that the menu before an install waits; 0 shows none
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    menu: Option<u32>,
    /// The subnet of nodes, such as 192.168.1.0/24
    #[arg(long, value_name = "SUBNET", value_parser = subnet)]
    node_subnet: Option<Value>,
    /// The default route of nodes
    #[arg(long, value_name = "ADDRESS", value_parser = address_or_none)]
    gateway: Option<Value>,
    /// Name servers of nodes, separated by commas
    #[arg(long, value_name = "ADDRESS,...", value_parser = addresses)]
    nameservers: Option<Value>,
    /// The address machines fetch from, instead of the one that faces each
    #[arg(long, value_name = "ADDRESS", value_parser = address_or_none)]
    server_address: Option<Value>,
    /// The Talos release that machines boot, instead of the newest that was imported
    #[arg(long, value_name = "VERSION", value_parser = or_none::<TalosVersion>)]
    talos_version: Option<Value>,
    /// What a machine shows to be served its config: the token of its own boot script, or nothing but its MAC, which can be forged
    #[arg(long, value_name = "WHAT", value_parser = one_of::<ConfigRelease>(ConfigRelease::WORDS))]
    config_release: Option<ConfigRelease>,
    /// How kernel and initramfs travel
    #[arg(long, value_name = "HOW", value_parser = one_of::<Payload>(Payload::WORDS))]
    payload: Option<Payload>,
    /// Arguments added to the kernel command line, separated by spaces
    #[arg(long, value_name = "ARGS", value_parser = words, allow_hyphen_values = true)]
    extra_kernel_args: Option<Value>,
    /// Tell machines to report to ktizo what they do (on), or leave the proof of an install to persons (off)
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    reports: Option<bool>,
    /// How often an install is tried before the machine waits for a person
    #[arg(long, value_name = "COUNT", value_parser = count, allow_hyphen_values = true)]
    install_attempts: Option<u32>,
    /// Seconds that a machine may be silent after its config went out before its install counts as failed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    proof_limit: Option<u32>,
    /// The boot loader that a kind of firmware gets, such as efi_x64=ipxe.efi; KIND=none takes the one of the config file again
    #[arg(long, value_name = "KIND=FILE", value_parser = of_kind)]
    loader: Vec<(FirmwareKind, String)>,
    /// Whether option 43 tells a kind of firmware to take the offered loader without asking port 4011, such as efi_x64=off
    #[arg(long, value_name = "KIND=on|off", value_parser = switch_of_kind)]
    discovery_control: Vec<(FirmwareKind, bool)>,
}

fn of_kind(text: &str) -> Result<(FirmwareKind, String), String> {
    let (kind, value) = text
        .split_once('=')
        .ok_or("must be KIND=FILE, such as efi_x64=ipxe.efi")?;
    Ok((firmware_kind(kind)?, value.to_owned()))
}

fn firmware_kind(text: &str) -> Result<FirmwareKind, String> {
    text.parse()
        .map_err(|err: model::ParseError| err.to_string())
}

fn switch_of_kind(text: &str) -> Result<(FirmwareKind, bool), String> {
    let wanted = "must be KIND=on or KIND=off, such as efi_x64=off";
    let (kind, value) = text.split_once('=').ok_or(wanted)?;
    Ok((firmware_kind(kind)?, on_or_off(value)?))
}

fn subnet(text: &str) -> Result<Value, String> {
    let wanted = "a subnet with the length of its prefix such as 192.168.1.0/24, or none";
    or_none::<Ipv4Net>(text).map_err(|_| wanted.to_owned())
}

fn address_or_none(text: &str) -> Result<Value, String> {
    or_none::<Ipv4Addr>(text).map_err(|_| format!("{ADDRESS}, or none"))
}

fn addresses(text: &str) -> Result<Value, String> {
    let wanted = "addresses separated by commas such as 192.168.1.1,9.9.9.9, or none";
    match text {
        "none" => Ok(Value::Array(Vec::new())),
        text => list::<IpAddr>(text).map_err(|_| wanted.to_owned()),
    }
}

fn seconds(text: &str) -> Result<u32, String> {
    let wanted = "a whole number of seconds without a unit, such as 300";
    text.parse().map_err(|_| wanted.to_owned())
}

fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "a whole number such as 3".to_owned())
}

fn words(text: &str) -> Result<Value, String> {
    match text {
        "none" => Ok(Value::Array(Vec::new())),
        text => Ok(text.split_whitespace().collect()),
    }
}

impl NetworkSet {
    fn patch(self) -> NetworkPatch {
        let flag = |on: Option<bool>| on.map(Value::from);
        let number = |seconds: Option<u32>| seconds.map(Value::from);
        let mut firmware = serde_json::Map::new();
        for (kind, loader) in self.loader {
            let loader = Some(loader).filter(|loader| loader != "none");
            profile(&mut firmware, kind).insert("loader".to_owned(), loader.into());
        }
        for (kind, on) in self.discovery_control {
            profile(&mut firmware, kind).insert("discovery_control".to_owned(), on.into());
        }
        [
            ("strict_boot_mode", flag(self.strict_boot_mode)),
            ("hold_limit_seconds", number(self.hold_limit)),
            ("menu_seconds", number(self.menu)),
            ("node_subnet", self.node_subnet),
            ("gateway", self.gateway),
            ("nameservers", self.nameservers),
            ("server_address", self.server_address),
            ("talos_version", self.talos_version),
            (
                "config_release",
                self.config_release.map(|it| it.as_str().into()),
            ),
            ("payload", self.payload.map(|it| it.as_str().into())),
            ("extra_kernel_args", self.extra_kernel_args),
            ("reports", flag(self.reports)),
            ("install_attempts", number(self.install_attempts)),
            ("proof_limit_seconds", number(self.proof_limit)),
            ("firmware", (!firmware.is_empty()).then(|| firmware.into())),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
        .collect()
    }
}

/// The change of one kind's profile.
fn profile(
    firmware: &mut serde_json::Map<String, Value>,
    kind: FirmwareKind,
) -> &mut serde_json::Map<String, Value> {
    let profile = firmware
        .entry(kind.as_str())
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    profile.as_object_mut().expect("it is made as an object")
}

impl NetworkArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.remote.client()?;
        let (answer, before) = match self.command {
            NetworkCommand::Show => (client.network().await?, None),
            NetworkCommand::Set(set) => {
                let before = client.network().await?.settings;
                if before.strict_boot_mode && set.strict_boot_mode == Some(false) {
                    let held = client.status().await?.devices.held;
                    if let Some(question) = letting_go(held) {
                        confirmed(&question, set.yes, "nothing was changed")?;
                    }
                }
                (client.set_network(&set.patch()).await?, Some(before))
            }
        };
        self.remote.output.print(&answer, |answer| match &before {
            Some(before) => changes(before, &answer.settings),
            None => fields(&rows(&answer.settings)),
        })?;
        match (self.remote.output, answer.meaning) {
            (Output::Table, Some(meaning)) => say(&format!("\n{meaning}")),
            _ => Ok(()),
        }
    }
}

/// What a person is asked before strict boot mode goes off; nothing where no machine is held.
fn letting_go(held: u64) -> Option<String> {
    let (who, goes) = match held {
        0 => return None,
        1 => ("1 machine is".to_owned(), "goes on at once: to its disk"),
        more => (
            format!("{more} machines are"),
            "go on at once: to their disks",
        ),
    };
    Some(format!(
        "{who} held for approval, and {goes}, or to Talos without a config. Switch strict boot mode off?"
    ))
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

/// What differs from the usual.
fn firmware(profiles: &FirmwareProfiles) -> String {
    let usual = FirmwareProfile::default();
    let lines = FirmwareKind::ALL.iter().filter_map(|kind| {
        let profile = profiles.of(*kind);
        let loader = profile.loader.as_deref();
        let off = (!profile.discovery_control).then_some("discovery control off");
        let said: Vec<&str> = loader.into_iter().chain(off).collect();
        (*profile != usual).then(|| format!("{kind}: {}", said.join(", ")))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        "the usual loaders".to_owned()
    } else {
        lines.join("; ")
    }
}

/// What a change did, setting by setting.
fn changes(before: &NetworkSettings, after: &NetworkSettings) -> String {
    let pairs = rows(before).into_iter().zip(rows(after));
    let changed = pairs.filter(|(before, after)| before != after);
    let told: Vec<(&str, String)> = changed
        .map(|((name, before), (_, after))| (name, format!("{before} -> {after}")))
        .collect();
    if told.is_empty() {
        return "Nothing changed: the settings are so already.".to_owned();
    }
    fields(&told)
}

fn rows(settings: &NetworkSettings) -> Vec<(&'static str, String)> {
    let joined = |items: Vec<String>, between: &str| {
        if items.is_empty() {
            "-".to_owned()
        } else {
            items.join(between)
        }
    };
    vec![
        ("strict boot mode", on_off(settings.strict_boot_mode)),
        ("hold limit", format!("{} s", settings.hold_limit_seconds)),
        ("menu", format!("{} s", settings.menu_seconds)),
        ("node subnet", or_dash(settings.node_subnet.as_ref())),
        ("gateway", or_dash(settings.gateway.as_ref())),
        (
            "name servers",
            joined(
                settings
                    .nameservers
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                ", ",
            ),
        ),
        (
            "server address",
            settings.server_address.map_or_else(
                || "the one that faces each machine".to_owned(),
                |a| a.to_string(),
            ),
        ),
        (
            "Talos version",
            settings.talos_version.as_ref().map_or_else(
                || "the newest that was imported".to_owned(),
                ToString::to_string,
            ),
        ),
        ("config release", settings.config_release.to_string()),
        ("payload", settings.payload.to_string()),
        (
            "extra kernel args",
            joined(settings.extra_kernel_args.clone(), " "),
        ),
        ("reports", on_off(settings.reports)),
        ("install attempts", settings.install_attempts.to_string()),
        ("proof limit", format!("{} s", settings.proof_limit_seconds)),
        ("firmware", firmware(&settings.firmware)),
    ]
}
