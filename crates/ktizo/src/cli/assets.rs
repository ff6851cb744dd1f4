//! `ktizo assets`.

mod files;

use std::path::PathBuf;

use api::Client;
use api::types::{Asset, AssetCommit, AssetImport};
use clap::Subcommand;
use configgen::Contract;
use indicatif::{ProgressBar, ProgressStyle};
use model::{Arch, AssetName, TalosVersion};

use tokio_util::io::ReaderStream;

use super::output::{bytes, columns};
use super::{Failure, Output, Remote, confirmed};
use files::{Found, find};

/// Kernels and initramfs files.
#[derive(Debug, clap::Args)]
pub(super) struct AssetsArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: AssetsCommand,
}

#[derive(Debug, Subcommand)]
enum AssetsCommand {
    /// Bring in kernels and initramfs files: all of what is named, or nothing
    Import(Import),
    /// List what was imported
    List,
    /// Remove a file of a release
    Remove {
        /// The release, such as v1.13.9
        version: TalosVersion,
        /// Its files, such as vmlinuz-amd64; without one, all of the release
        names: Vec<String>,
        /// Do not ask, also where machines boot this release
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Import {
    /// Folders or files, named as in a Talos release: vmlinuz-amd64, initramfs-amd64.xz
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The Talos release they belong to; else it is read from the name of a file or of one of its folders
    #[arg(long, value_name = "VERSION")]
    version: Option<TalosVersion>,
    /// Bring in only those for amd64 or arm64
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

impl AssetsArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            AssetsCommand::Import(import) => import.run(&client, output).await,
            AssetsCommand::List => {
                let assets = client.assets().await?;
                output.print(&assets, |assets| table(assets))
            }
            AssetsCommand::Remove {
                version,
                names,
                yes,
            } => {
                let all = client.assets().await?;
                let of_release: Vec<AssetName> = all
                    .iter()
                    .filter(|asset| asset.version == version)
                    .map(Asset::name)
                    .collect();
                let named: Vec<AssetName> = match names.as_slice() {
                    [] => of_release,
                    names => names
                        .iter()
                        .map(|name| known_name(name))
                        .collect::<Result<_, _>>()?,
                };
                if named.is_empty() {
                    return Err(Failure::NotFound(format!(
                        "nothing of Talos {version} was imported"
                    )));
                }
                let status = client.status().await?;
                if status.talos_version.as_ref() == Some(&version) {
                    let question = format!(
                        "Talos {version} is what machines boot, {} approved ones among them. Remove {} of it?",
                        status.devices.approved,
                        listed(&named)
                    );
                    confirmed(&question, yes, "nothing was removed")?;
                }
                for name in &named {
                    client.remove_asset(&version, *name).await?;
                }
                let removed: Vec<String> = named.iter().map(ToString::to_string).collect();
                output.print(&removed, |_| {
                    format!("{} of Talos {version} removed", listed(&named))
                })
            }
        }
    }
}

fn listed(names: &[AssetName]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn known_name(name: &str) -> Result<AssetName, Failure> {
    AssetName::parse(name).ok_or_else(|| {
        Failure::Local(format!(
            "`{name}` is not a name such as vmlinuz-amd64 or initramfs-amd64.xz"
        ))
    })
}

impl Import {
    async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let found = find(&self.paths, self.version.as_ref(), self.arch).map_err(Failure::Local)?;
        let total = found.iter().map(|file| file.size).sum();
        let bar = ProgressBar::new(total).with_style(
            ProgressStyle::with_template("{msg:24} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let mut assets = Vec::new();
        for Found {
            path,
            name,
            version,
            expected,
            size,
        } in found
        {
            bar.set_message(name.to_string());
            let file = tokio::fs::File::open(&path)
                .await
                .map_err(|err| Failure::Local(format!("{}: {err}", path.display())))?;
            let upload = client
                .upload(ReaderStream::new(bar.wrap_async_read(file)), size)
                .await?;
            assets.push(AssetImport {
                version,
                arch: name.arch,
                kind: name.kind,
                sha256: upload.sha256,
                expected_sha256: expected,
            });
        }
        bar.finish_and_clear();
        let done = client.import_assets(&AssetCommit { assets }).await?;
        output.print(&done, |done| {
            let table = table(&done.assets);
            let mut versions = done.assets.iter().map(|asset| &asset.version);
            let old = versions.find(|version| Contract::is_too_old(version));
            // Machines can boot it all the same.
            let warning = old.map_or_else(String::new, |version| {
                let oldest = Contract::OLDEST;
                format!("\nTalos {version} is too old to be installed with ktizo, which makes configs for Talos {oldest} and newer.")
            });
            let as_before = done.assets.len() as u64 - done.new;
            format!("{table}\n{} new, {as_before} as they were{warning}", done.new)
        })
    }
}

fn table(assets: &[Asset]) -> String {
    let row = |asset: &Asset| {
        vec![
            asset.version.to_string(),
            asset.name().to_string(),
            bytes(asset.size),
            asset.imported_at.second(),
            asset.sha256.to_string(),
        ]
    };
    columns(
        &["version", "name", "size", "imported", "sha-256"],
        assets.iter().map(row).collect(),
        "Nothing was imported yet: ktizo assets import DIR, with the vmlinuz-amd64 and initramfs-amd64.xz of a Talos release.",
    )
}
