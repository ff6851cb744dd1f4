//! `ktizo device config`.

use api::{Client, DeviceRef};
use clap::Subcommand;

use super::One;
use crate::cli::output::say;
use crate::cli::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the config that the machine is served; it holds secrets
    Show(One),
    /// Print what the machine would be served, also before it is approved
    Preview {
        #[command(flatten)]
        one: One,
        /// Print secrets as well
        #[arg(long)]
        secrets: bool,
    },
    /// Show what changes against the config that the machine last received
    Diff(One),
    /// Show which layer set a value: base config, patches, settings of the machine
    Explain {
        #[command(flatten)]
        one: One,
        /// Such as machine.network.hostname, HostnameConfig:hostname or VolumeConfig/EPHEMERAL:provisioning.minSize
        path: String,
    },
}

impl ConfigCommand {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::Show(one) => print(&client.config(one.device).await?),
            Self::Preview { one, secrets } => print(&client.preview(one.device, secrets).await?),
            Self::Diff(one) => diff(client, output, one.device).await,
            Self::Explain { one, path } => {
                let found = client.explain(one.device, &path).await?;
                output.print(&found, |found| {
                    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
                    shown.join("\n")
                })
            }
        }
    }
}

async fn diff(client: &Client, output: Output, who: DeviceRef) -> Result<(), Failure> {
    let diff = client.config_diff(who).await?;
    output.print(&diff, |diff| match diff.diff.as_deref() {
        None | Some("") => diff.message.clone(),
        Some(lines) => format!("{}\n{lines}", diff.message),
    })
}

fn print(config: &[u8]) -> Result<(), Failure> {
    say(String::from_utf8_lossy(config).trim_end())
}
