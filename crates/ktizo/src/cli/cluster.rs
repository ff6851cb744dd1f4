//! `ktizo cluster`.

use std::path::PathBuf;

use api::types::BaseImport;
use clap::Subcommand;

use super::{Failure, Remote};

/// The cluster that machines join.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Take controlplane.yaml and worker.yaml, or one of them, from a folder
    Import {
        /// The folder, such as the one `talosctl gen config` wrote
        dir: PathBuf,
    },
}

impl ClusterArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.remote.client()?;
        match self.command {
            ClusterCommand::Import { dir } => {
                let read = |name: &str| match std::fs::read_to_string(dir.join(name)) {
                    Ok(text) => Ok(Some(text)),
                    Err(err) if err.kind() == std::io::ErrorKind::NotFound && dir.is_dir() => {
                        Ok(None)
                    }
                    Err(err) => Err(Failure::Local(format!(
                        "{}: {err}",
                        dir.join(name).display()
                    ))),
                };
                let import = BaseImport {
                    controlplane: read("controlplane.yaml")?,
                    worker: read("worker.yaml")?,
                };
                if import == BaseImport::default() {
                    let dir = dir.display();
                    return Err(Failure::Local(format!(
                        "{dir} has neither controlplane.yaml nor worker.yaml; `talosctl gen config` writes both"
                    )));
                }
                let done = client.import_base(&import).await?;
                self.remote.output.print(&done, |done| done.message.clone())
            }
        }
    }
}
