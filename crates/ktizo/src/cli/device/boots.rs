//! `ktizo device boots`.

use api::{Client, DeviceRef};

use super::show;
use crate::cli::{Failure, Output};

/// Whose boots are shown.
#[derive(Debug, clap::Args)]
pub(super) struct Boots {
    /// Its name, its MAC address in any spelling, or its number
    device: DeviceRef,
    /// Show no more than this
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    limit: u64,
}

impl Boots {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let found = client.boots(self.device, self.limit).await?;
        output.print(&found, |found| show::boots(found))
    }
}
