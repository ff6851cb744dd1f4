//! `ktizo cluster`.

mod set;
mod show;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use api::types::{BaseImport, GenerateCluster, SecretsImport};
use api::{Client, ClientError};
use clap::Subcommand;
use model::Role;

use super::output::say;
use super::progress::with_bar;
use super::{Failure, Output, Remote, files};
use set::ClusterSet;
pub(super) use show::with_notes;

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
    /// Found a cluster: settings, secrets and base configs
    Init {
        /// Its name
        name: String,
        /// The URL of its Kubernetes API, such as https://192.168.1.10:6443
        endpoint: String,
        #[command(flatten)]
        set: Box<ClusterSet>,
    },
    /// Show settings, secrets, base configs and patches, without a secret
    Show,
    /// Change settings; base configs and machines' configs follow
    Set {
        /// Its name
        #[arg(long)]
        name: Option<String>,
        /// The URL of its Kubernetes API
        #[arg(long)]
        endpoint: Option<String>,
        #[command(flatten)]
        set: Box<ClusterSet>,
    },
    /// Make base configs from the settings, and secrets if there are none
    Generate {
        /// The cluster's name once more, where imported base configs are replaced
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// Take controlplane.yaml, worker.yaml and secrets.yaml, or some of them, from a folder
    Import {
        /// The folder, such as the one `talosctl gen config` wrote
        dir: PathBuf,
        /// The cluster's name once more, where other secrets are replaced
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// Write secrets.yaml, controlplane.yaml, worker.yaml and talosconfig into a folder
    Export {
        /// The folder; made if it is not there
        dir: PathBuf,
        /// Overwrite files that are there
        #[arg(long, short)]
        force: bool,
    },
    /// Print the secrets, or secrets that were replaced
    Secrets {
        /// The number of the backup, as `ktizo cluster show` lists it
        #[arg(long, value_name = "NUMBER")]
        backup: Option<i64>,
    },
    /// Print the client configuration for talosctl, with a fresh certificate
    Talosconfig,
}

impl ClusterArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            ClusterCommand::Init {
                name,
                endpoint,
                set,
            } => init(&client, output, name, endpoint, *set).await,
            ClusterCommand::Show => {
                let cluster = client.cluster().await?;
                output.print(&cluster, show::cluster)
            }
            ClusterCommand::Set {
                name,
                endpoint,
                set,
            } => {
                let patch = set.patch(name, endpoint);
                if patch.is_empty() {
                    return Err(Failure::Usage(
                        "nothing to change was given; see `ktizo cluster set --help`".to_owned(),
                    ));
                }
                let answer = with_bar(&client, client.set_cluster(&patch)).await?;
                output.print(&answer, show::answer)
            }
            ClusterCommand::Generate { confirm } => {
                let done = with_name(confirm, async |confirm| {
                    let asked = GenerateCluster { confirm };
                    with_bar(&client, client.generate_cluster(&asked)).await
                });
                output.print(&done.await?, show::generated)
            }
            ClusterCommand::Import { dir, confirm } => import(&client, output, &dir, confirm).await,
            ClusterCommand::Export { dir, force } => export(&client, &dir, force).await,
            ClusterCommand::Secrets { backup } => {
                say(text(&client.secrets(backup).await?)?.trim_end())
            }
            ClusterCommand::Talosconfig => say(text(&client.talosconfig().await?)?.trim_end()),
        }
    }
}

async fn init(
    client: &Client,
    output: Output,
    name: String,
    endpoint: String,
    set: ClusterSet,
) -> Result<(), Failure> {
    let there = client.cluster().await?;
    if let Some(settings) = there.settings {
        return Err(Failure::Invalid(format!(
            "the cluster {} has settings already; `ktizo cluster set` changes them, `ktizo cluster generate` makes its base configs",
            settings.name
        )));
    }
    client
        .set_cluster(&set.patch(Some(name), Some(endpoint)))
        .await?;
    let done = with_bar(client, client.generate_cluster(&GenerateCluster::default())).await?;
    output.print(&done, show::generated)
}

async fn import(
    client: &Client,
    output: Output,
    dir: &Path,
    confirm: Option<String>,
) -> Result<(), Failure> {
    let read = |name: &str| match std::fs::read_to_string(dir.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(err) if err.kind() == io::ErrorKind::NotFound && dir.is_dir() => Ok(None),
        Err(err) => Err(Failure::Local(format!(
            "{}: {err}",
            dir.join(name).display()
        ))),
    };
    let (controlplane, worker, secrets) = (
        read("controlplane.yaml")?,
        read("worker.yaml")?,
        read("secrets.yaml")?,
    );
    match (controlplane.is_some() || worker.is_some(), secrets) {
        (false, None) => {
            let dir = dir.display();
            Err(Failure::Local(format!(
                "{dir} has neither controlplane.yaml nor worker.yaml nor secrets.yaml; `talosctl gen config` writes the first two, `talosctl gen secrets` the third"
            )))
        }
        (false, secrets) => {
            let mut import = SecretsImport {
                secrets,
                ..SecretsImport::default()
            };
            let done = with_name(confirm, async |confirm| {
                import.confirm = confirm;
                with_bar(client, client.import_secrets(&import)).await
            });
            output.print(&done.await?, |done| done.message.clone())
        }
        (true, secrets) => {
            let mut import = BaseImport {
                controlplane,
                worker,
                secrets,
                confirm: None,
            };
            let done = with_name(confirm, async |confirm| {
                import.confirm = confirm;
                with_bar(client, client.import_base(&import)).await
            });
            output.print(&done.await?, |done| {
                with_notes(&done.message, &done.warnings)
            })
        }
    }
}

async fn export(client: &Client, dir: &Path, force: bool) -> Result<(), Failure> {
    let mut all: Vec<(&str, String)> = Vec::new();
    let there = client.cluster().await?;
    for role in Role::ALL {
        let name = match role {
            Role::Controlplane => "controlplane.yaml",
            Role::Worker => "worker.yaml",
        };
        if there.bases.iter().any(|base| base.role == *role) {
            all.push((name, text(&client.base(*role).await?)?));
        }
    }
    if there.secrets.is_some() {
        all.push(("secrets.yaml", text(&client.secrets(None).await?)?));
        all.push(("talosconfig", text(&client.talosconfig().await?)?));
    }
    if all.is_empty() {
        return Err(Failure::NotFound(
            "there is no cluster yet: `ktizo cluster init NAME ENDPOINT`".to_owned(),
        ));
    }
    std::fs::create_dir_all(dir)
        .map_err(|err| Failure::Local(format!("{}: {err}", dir.display())))?;
    if !force && let Some((name, _)) = all.iter().find(|(name, _)| dir.join(name).exists()) {
        return Err(Failure::Local(format!(
            "{} exists already; --force overwrites it",
            dir.join(name).display()
        )));
    }
    let mut written = Vec::new();
    for (name, text) in &all {
        files::write(&dir.join(name), text, force)?;
        written.push(*name);
    }
    say(&format!(
        "{} written to {}; they hold secrets",
        written.join(", "),
        dir.display()
    ))
}

fn text(bytes: &[u8]) -> Result<String, Failure> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Failure::Local("the daemon sent a file that is no text".to_owned()))
}

/// Asks the daemon; where it wants the cluster's name typed again, asks the person at the terminal for it, and the daemon once more.
async fn with_name<T>(
    confirm: Option<String>,
    mut ask: impl AsyncFnMut(Option<String>) -> Result<T, ClientError>,
) -> Result<T, Failure> {
    let is_given = confirm.is_some();
    match ask(confirm).await {
        Err(ClientError::Refused { status, body })
            if body.code == "confirm" && !is_given && io::stdin().is_terminal() =>
        {
            let mut err = io::stderr();
            write!(err, "{}.\nType the cluster's name to go on: ", body.message)
                .and_then(|()| err.flush())?;
            let mut typed = String::new();
            io::stdin().read_line(&mut typed)?;
            let typed = typed.trim().to_owned();
            if typed.is_empty() {
                return Err(ClientError::Refused { status, body }.into());
            }
            Ok(ask(Some(typed)).await?)
        }
        done => Ok(done?),
    }
}
