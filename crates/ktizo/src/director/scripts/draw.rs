//! The script for a decision, and what the timeline says of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use configgen::script::{ConfigLink, DiskWays, Menu, Place, ScriptError, Scripts, TalosBoot};
use model::{BootDecision, BootStage, Device, Firmware, LocalBoot, StageOutcome, Timestamp};
use netboot::director::{Facts, ScriptAsk};

use super::View;
use super::words::{lines, refusal_lines};
use crate::director::Office;

/// A script, and what the timeline says of it.
pub(in crate::director) struct Drawn {
    pub(in crate::director) script: String,
    /// The decision in words.
    pub(in crate::director) why: String,
    pub(super) stage: BootStage,
    pub(super) outcome: StageOutcome,
}

impl Office {
    /// Writes the script for a decision; what the timeline says of it tells of a template of the operator's that failed. It changes
    /// nothing: a preview does the same.
    pub(in crate::director) fn draw(
        &self,
        ask: &ScriptAsk,
        facts: &Facts,
        since: Timestamp,
        held: Option<Duration>,
        view: &View,
        decision: BootDecision,
    ) -> Result<Drawn, ScriptError> {
        let draw = |scripts: &Scripts| self.drawn(scripts, ask, facts, since, held, view, decision);
        let (mut drawn, failed) = self.scripts.or_built_in(draw)?;
        if let Some(failed) = failed {
            drawn.why = format!(
                "{}; by the built-in template, for the own one failed: {failed}",
                drawn.why
            );
        }
        Ok(drawn)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what is drawn with, and all that is drawn"
    )]
    fn drawn(
        &self,
        scripts: &Scripts,
        ask: &ScriptAsk,
        facts: &Facts,
        since: Timestamp,
        held: Option<Duration>,
        view: &View,
        decision: BootDecision,
    ) -> Result<Drawn, ScriptError> {
        let (mac, settings) = (ask.mac, &view.settings);
        let place = self.place(ask, settings.server_address);
        let ways = disk_ways(view.device.as_ref(), facts);
        let talos = |has_config: bool| {
            let (version, arch) = view.talos.as_ref().map_err(String::as_str)?;
            let config = match &view.release {
                _ if !has_config => ConfigLink::None,
                Ok(link) => *link,
                Err(why) => return Err(why.as_str()),
            };
            Ok(TalosBoot::new(&place, version, *arch, settings, config))
        };
        let name = view
            .device
            .as_ref()
            .and_then(|device| device.hostname.as_ref())
            .map_or_else(|| mac.to_string(), ToString::to_string);
        let menu = |timeout| Menu {
            title: format!("{name} ({mac})"),
            timeout,
        };
        // Such a loader cannot start a disk and come back: the firmware has to, and does not come back to a script.
        let by_firmware = facts.inventory.firmware == Some(Firmware::Uefi) && !ways.sanboot_uefi;
        let lines = lines(mac, &name, view, held, decision, by_firmware);
        // Read where it is told alone: it costs a look at the kernel's table.
        let remote = || self.peers.card_of(ask.site.peer).is_none();

        let ready = |script, why: String| Drawn {
            script,
            why,
            stage: BootStage::Script,
            outcome: StageOutcome::Done,
        };
        Ok(match decision {
            BootDecision::Hold(why) => Drawn {
                script: scripts.hold(&place, &lines, since.as_micros())?,
                why: why.in_words().to_owned(),
                stage: BootStage::Hold,
                outcome: StageOutcome::Running,
            },
            BootDecision::Leave(why) => Drawn {
                script: scripts.leave(&place, ways, &lines)?,
                why: why.in_words().to_owned(),
                stage: BootStage::Leave,
                outcome: StageOutcome::Done,
            },
            BootDecision::LocalElseTalos { menu: timeout } if by_firmware => Drawn {
                script: scripts.open(&place, ways, &menu(timeout), &lines, Err(""))?,
                why: "strict boot mode is off: sent to its disk, for its boot loader cannot try a disk first".to_owned(),
                stage: BootStage::Leave,
                outcome: StageOutcome::Done,
            },
            BootDecision::LocalElseTalos { menu: timeout } => {
                let talos = talos(false);
                let talos = talos.as_ref().map_err(|missing| *missing);
                ready(
                    scripts.open(&place, ways, &menu(timeout), &lines, talos)?,
                    "strict boot mode is off: local disk, else Talos without a config".to_owned(),
                )
            }
            BootDecision::Wipe => match (&view.release, talos(false)) {
                (Err(why), _) => {
                    let first = format!("A wipe of {name} was ordered, but is not sent:");
                    Drawn {
                        script: scripts.trouble(&place, &refusal_lines(first, why), remote())?,
                        why: format!("its wipe is not sent: {why}"),
                        stage: BootStage::Script,
                        outcome: StageOutcome::Refused,
                    }
                }
                (Ok(_), Ok(boot)) => {
                    let why = format!("wipe with {boot}, once");
                    ready(scripts.wipe(&place, &lines, &boot.wiping())?, why)
                }
                // The decision was to hold if they are missing.
                (Ok(_), Err(missing)) => Drawn {
                    script: scripts.trouble(&place, &[missing.to_owned()], false)?,
                    why: missing.to_owned(),
                    stage: BootStage::Script,
                    outcome: StageOutcome::Failed,
                },
            },
            BootDecision::Install {
                menu: timeout,
                attempt,
            } => match talos(true) {
                Ok(boot) => {
                    let after = if timeout.is_some() { "menu, then " } else { "" };
                    let again = if attempt > 1 {
                        format!(", attempt {attempt} of {}", settings.install_attempts)
                    } else {
                        String::new()
                    };
                    let menu = timeout.map(menu);
                    ready(
                        scripts.install(&place, ways, menu.as_ref(), &lines, &boot)?,
                        format!("{after}install with {boot}{again}"),
                    )
                }
                // Files are not missing: the decision would be to hold.
                Err(why) => {
                    let first = format!("{name} is approved, but its config is not released:");
                    Drawn {
                        script: scripts.trouble(&place, &refusal_lines(first, why), remote())?,
                        why: why.to_owned(),
                        stage: BootStage::Script,
                        outcome: StageOutcome::Failed,
                    }
                }
            },
            BootDecision::Menu { timeout, why } => {
                let talos = talos(true);
                let talos = talos.as_ref().map_err(|missing| *missing);
                ready(
                    scripts.choose(&place, ways, &menu(timeout), &lines, talos)?,
                    why.in_words().to_owned(),
                )
            }
        })
    }

    /// Where the script is served from, as the machine sees it.
    pub(super) fn place(&self, ask: &ScriptAsk, advertised: Option<Ipv4Addr>) -> Place {
        Place {
            server: advertised.unwrap_or(ask.site.server),
            http_port: ask.site.http_port,
            mac: ask.mac,
            reports: self.reports,
        }
    }
}

/// How a machine can be sent to its disk.
fn disk_ways(device: Option<&Device>, facts: &Facts) -> DiskWays {
    match device.map_or(LocalBoot::Auto, |device| device.local_boot) {
        LocalBoot::Auto => DiskWays {
            sanboot_bios: true,
            sanboot_uefi: facts.version.as_deref().is_some_and(comes_back),
        },
        LocalBoot::Sanboot => DiskWays {
            sanboot_bios: true,
            sanboot_uefi: true,
        },
        LocalBoot::Exit => DiskWays {
            sanboot_bios: false,
            sanboot_uefi: false,
        },
    }
}

/// Whether an iPXE of this version can start a disk under UEFI and comes back if there is nothing on it: builds of 2025 and newer, by
/// the date in a distribution's version text (`1.21.1+git-20250501`), and the 2.x line.
fn comes_back(version: &str) -> bool {
    let number = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse::<u32>()
            .ok()
    };
    let major = number(version.trim_start_matches('v'));
    let year = version
        .split_once("git-")
        .or_else(|| version.split_once("git"))
        .and_then(|(_, date)| number(date.get(..4)?));
    major.is_some_and(|major| major >= 2) || year.is_some_and(|year| year >= 2025)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_builds_that_come_back_from_an_empty_disk() {
        for (version, expected) in [
            ("1.0.0+git-20190125.36a4c85-5.1", false),
            ("1.21.1+git-20220113.fbbdc3926-0ubuntu1", false),
            ("1.21.1+git-20250501.abcdef0-1", true),
            ("1.21.1+ (g5e62b4bc6)", false),
            ("2.0.0", true),
            ("v2.0.0+", true),
            ("", false),
        ] {
            assert_eq!(comes_back(version), expected, "{version}");
        }
    }
}
