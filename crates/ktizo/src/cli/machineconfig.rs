//! `ktizo machineconfig`: configs from anywhere, without a daemon.

use std::path::PathBuf;

use clap::Subcommand;
use configgen::{Contract, Finding, MachineConfig, validate};
use model::TalosVersion;

use super::generate::patched;
use super::output::say;
use super::{Failure, files};

#[derive(Debug, Subcommand)]
pub(super) enum MachineConfigCommand {
    /// Lay patches over a config, as Talos does
    Patch {
        /// The config; - is standard input
        file: PathBuf,
        /// A patch: @FILE, or the patch itself
        #[arg(long, short, required = true, value_name = "PATCH")]
        patch: Vec<String>,
        /// Where the result goes
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// The Talos whose rules are followed; without this, the newest known
        #[arg(long, value_name = "VERSION")]
        talos_version: Option<TalosVersion>,
    },
    /// Say whether Talos takes configs
    Validate {
        /// The configs; - is standard input
        #[arg(required = true)]
        file: Vec<PathBuf>,
        /// The kind of machine
        #[arg(long, short, value_name = "metal", value_parser = ["metal"])]
        mode: String,
        /// The Talos that is to take them; without this, the newest known
        #[arg(long, value_name = "VERSION")]
        talos_version: Option<TalosVersion>,
        /// Take warnings for errors
        #[arg(long)]
        strict: bool,
    },
}

impl MachineConfigCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Patch {
                file,
                patch,
                output,
                talos_version,
            } => {
                let version = or_newest(talos_version)?;
                let name = file.display().to_string();
                let config = MachineConfig::parse(&name, &files::read(&file)?)?;
                let config = patched(config, patch.iter(), &version)?;
                files::write(&output, &config.print(), true)
            }
            Self::Validate {
                file,
                mode,
                talos_version,
                strict,
            } => {
                let version = or_newest(talos_version)?;
                let mut wrong = 0;
                for path in &file {
                    let name = path.display().to_string();
                    let findings = MachineConfig::parse(&name, &files::read(path)?)
                        .and_then(|config| validate(&config, &version));
                    let is_valid = match findings {
                        Ok(findings) => tell(&name, &findings, strict)?,
                        Err(err) => {
                            say(&format!("{name}: error: {err}"))?;
                            false
                        }
                    };
                    if is_valid {
                        say(&format!("{name} is valid for {mode} mode"))?;
                    } else {
                        wrong += 1;
                    }
                }
                match wrong {
                    0 => Ok(()),
                    _ => Err(Failure::Invalid(format!(
                        "{wrong} of {} configs would be refused by Talos {version}",
                        file.len()
                    ))),
                }
            }
        }
    }
}

/// Says what was found in a file; whether it is valid all the same.
fn tell(name: &str, findings: &[Finding], strict: bool) -> Result<bool, Failure> {
    for finding in findings {
        let word = if finding.is_error() {
            "error"
        } else {
            "warning"
        };
        say(&format!("{name}: {word}: {finding}"))?;
    }
    Ok(!findings.iter().any(|finding| strict || finding.is_error()))
}

fn or_newest(version: Option<TalosVersion>) -> Result<TalosVersion, Failure> {
    version.map_or_else(
        || {
            let newest = Contract::NEWEST.to_string();
            newest
                .parse()
                .map_err(|err| Failure::Local(format!("{newest}: {err}")))
        },
        Ok,
    )
}
