//! `ktizo events`.

use api::EventQuery;
use api::types::Event;

use super::output::{columns, or_nothing};
use super::{Failure, Remote};

/// What happened.
#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only those of this machine: its MAC address in any spelling, or its number
    #[arg(long)]
    device: Option<String>,
    /// Only those of this kind, such as device_approved
    #[arg(long)]
    kind: Option<String>,
    /// Show no more than this
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: u64,
}

impl EventsArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let query = EventQuery {
            device: self.device,
            kind: self.kind,
            limit: Some(self.limit),
            ..EventQuery::default()
        };
        let mut events = self.remote.client()?.events(&query).await?;
        // The API has the newest first; a person reads down to it.
        events.reverse();
        self.remote.output.print(&events, |events| table(events))
    }
}

fn table(events: &[Event]) -> String {
    let row = |event: &Event| {
        let inner = &event.event;
        vec![
            inner.at.to_string(),
            inner.actor.to_string(),
            or_nothing(inner.mac.as_ref()),
            event.message.clone(),
        ]
    };
    columns(
        &["when", "who", "device", "what"],
        events.iter().map(row).collect(),
        "Nothing happened yet.",
    )
}
