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
        match client.status().await?.service.web_root {
            Some(root) => say(&format!("{root}{}", link.path)),
            None => say(&format!(
                "The web pages are not open (`admin.listen` in the config file). Once it is: {}",
                link.path
            )),
        }
    }
}
