//! `ktizo admin`.

use clap::Subcommand;

use super::output::say;
use super::{Failure, Remote};

/// Getting in when nobody can.
#[derive(Debug, clap::Args)]
pub(super) struct AdminArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make a one-time link that makes an administrator, or gives one a new password
    Reset,
}

impl AdminArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let AdminCommand::Reset = self.command;
        let client = self.remote.client()?;
        let link = client.make_set_up_link().await?;
        let serves = client.status().await?.service.serves;
        let root = serves.iter().find_map(|served| {
            let (root, _) = served.address.split_once("/api/v1")?;
            root.starts_with("http").then_some(root)
        });
        match root {
            Some(root) => say(&format!("{root}{}", link.path)),
            None => say(&format!(
                "The admin API is not open by TCP (`admin.listen` in the config file). Once it is: {}",
                link.path
            )),
        }
    }
}
