//! `ktizo device list`.

use api::{Client, DeviceQuery};
use model::{ApprovalStatus, Arch, LabelFilter, Role};

use super::show;
use crate::cli::value::one_of;
use crate::cli::{Failure, Output};

/// Which machines are listed.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those with this status
    #[arg(long, value_parser = one_of::<ApprovalStatus>(ApprovalStatus::WORDS))]
    status: Option<ApprovalStatus>,
    /// Only those with this role
    #[arg(long, value_parser = one_of::<Role>(Role::WORDS))]
    role: Option<Role>,
    /// Only those with this processor
    #[arg(long, value_parser = one_of::<Arch>(Arch::WORDS))]
    arch: Option<Arch>,
    /// Only those with this label
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Option<LabelFilter>,
    /// Only those that need a person: their install failed, their wipe waits for a word, or it is undecided who they are
    #[arg(long)]
    needs_person: bool,
    /// Only those whose MAC, name, address, serial, vendor, model, notes or labels have this text in them
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// In the order of this field, such as hostname, ip_address, status or last_seen; with - before it, the other way round
    #[arg(long, value_name = "[-]FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Leave out the first ones
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    skip: u64,
    /// List no more than this
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
}

impl List {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let query = DeviceQuery {
            status: self.status,
            role: self.role,
            arch: self.arch,
            label: self.label,
            needs_person: self.needs_person,
            q: self.search,
            sort: self.sort,
            skip: self.skip,
            limit: self.limit,
        };
        let devices = client.devices(&query).await?;
        output.print(&devices, |devices| show::table(devices))
    }
}
