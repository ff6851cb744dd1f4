//! `ktizo patch`.

use std::path::{Path, PathBuf};

use api::Client;
use api::types::{Patch, PatchChecked, PatchDone, PatchEffect, SavePatch};
use clap::Subcommand;
use model::{PatchId, PatchScope};

use super::output::{columns, say};
use super::progress::with_bar;
use super::{Failure, Output, Remote, confirmed, files};

/// Patches of machines' configs.
#[derive(Debug, clap::Args)]
pub(super) struct PatchArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: PatchCommand,
}

#[derive(Debug, Subcommand)]
enum PatchCommand {
    /// List patches in the order in which they are applied
    List,
    /// Print the text of a patch
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Add a patch, or give it another text; the configs it is for follow
    Set {
        #[command(flatten)]
        which: Which,
        /// The file with the patch, YAML or JSON; - is standard input
        file: PathBuf,
    },
    /// Show what a patch would change, in each config it is for; nothing is saved
    Check {
        #[command(flatten)]
        which: Which,
        /// The file with the patch, YAML or JSON; - is standard input
        file: PathBuf,
    },
    /// Delete a patch; the configs it was for follow
    Delete {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// One patch.
#[derive(Debug, clap::Args)]
struct Which {
    /// Its name; patches of a scope are applied in the order of their names, such as 10-sysctls
    name: String,
    /// Which configs it changes
    #[arg(long, value_name = "cluster|controlplane|worker", default_value = "cluster", conflicts_with = "device", value_parser = scope)]
    scope: PatchScope,
    /// Only the config of this machine: its name, its MAC address in any spelling, or its number
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

fn scope(text: &str) -> Result<PatchScope, String> {
    match text.parse() {
        Ok(PatchScope::Device) => Err("name the machine with --device".to_owned()),
        Ok(scope) => Ok(scope),
        Err(err) => Err(format!("{err}")),
    }
}

impl PatchArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            PatchCommand::List => {
                let patches = client.patches().await?;
                output.print(&patches, |patches| table(patches))
            }
            PatchCommand::Show { which } => {
                let patch = client.patch(which.find(&client).await?.id).await?;
                match output {
                    Output::Table => say(patch.text.unwrap_or_default().trim_end()),
                    _ => output.print(&patch, |_| String::new()),
                }
            }
            PatchCommand::Set { which, file } => {
                let patch = which.with(&file)?;
                let done = with_bar(&client, client.save_patch(&patch)).await?;
                output.print(&done, told)
            }
            PatchCommand::Check { which, file } => {
                let checked = client.check_patch(&which.with(&file)?).await?;
                output.print(&checked, effects)
            }
            PatchCommand::Delete { which, yes } => {
                let patch = which.find(&client).await?;
                let question = format!("Delete the patch {}?", called(&patch));
                confirmed(&question, yes, "nothing was deleted")?;
                let done = with_bar(&client, client.delete_patch(patch.id)).await?;
                output.print(&done, told)
            }
        }
    }
}

impl Which {
    fn scope(&self) -> PatchScope {
        if self.device.is_some() {
            PatchScope::Device
        } else {
            self.scope
        }
    }

    /// The patch with the text of a file.
    fn with(self, file: &Path) -> Result<SavePatch, Failure> {
        Ok(SavePatch {
            scope: self.scope(),
            text: files::read(file)?,
            device: self.device,
            name: self.name,
        })
    }

    async fn find(&self, client: &Client) -> Result<Patch, Failure> {
        let scope = self.scope();
        let device = match &self.device {
            Some(device) => {
                let who = device
                    .parse()
                    .map_err(|err: api::Error| Failure::Local(err.to_string()))?;
                Some(client.device(who).await?.id)
            }
            None => None,
        };
        let number: Option<PatchId> = self.name.parse().ok().map(PatchId);
        let patches = client.patches().await?;
        let named = patches
            .iter()
            .find(|it| it.scope == scope && it.device == device && it.name == self.name);
        let numbered = || patches.iter().find(|it| Some(it.id) == number);
        let found = named.or_else(numbered).cloned();
        found.ok_or_else(|| {
            Failure::NotFound(format!(
                "there is no patch {scope}/{}; `ktizo patch list` shows which there are",
                self.name
            ))
        })
    }
}

fn called(patch: &Patch) -> String {
    let device = patch.mac_address.map(|mac| format!(" of {mac}"));
    format!(
        "{}/{}{}",
        patch.scope,
        patch.name,
        device.unwrap_or_default()
    )
}

fn told(done: &PatchDone) -> String {
    super::cluster::with_notes(&done.message, &done.warnings)
}

/// What a patch would change, config by config.
fn effects(checked: &PatchChecked) -> String {
    let effect = |effect: &PatchEffect| match effect.diff.trim_end() {
        "" => format!("{}: nothing changes", effect.on),
        diff => format!("{}:\n{diff}", effect.on),
    };
    let mut told: Vec<String> = checked.effects.iter().map(effect).collect();
    if told.is_empty() {
        told.push("There is no config yet that it would change.".to_owned());
    }
    super::cluster::with_notes(&told.join("\n\n"), &checked.warnings)
}

fn table(patches: &[Patch]) -> String {
    let row = |patch: &Patch| {
        vec![
            patch.id.to_string(),
            patch.scope.to_string(),
            patch
                .mac_address
                .map_or_else(|| "-".to_owned(), |mac| mac.to_string()),
            patch.name.clone(),
            format!("{} bytes", patch.size),
            patch.updated_at.second(),
        ]
    };
    columns(
        &["number", "scope", "device", "name", "size", "changed"],
        patches.iter().map(row).collect(),
        "There is no patch. `ktizo patch set NAME FILE` adds one.",
    )
}
