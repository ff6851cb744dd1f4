//! `ktizo events`.

use std::time::Duration;

use api::types::Event;
use api::{Client, EventQuery};
use model::EventId;

use super::output::{columns, or_dash, or_nothing, printable, say};
use super::{Failure, Output, Remote};

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
    /// Only what persons did: from where, and what it was before and after
    #[arg(long, conflicts_with = "follow")]
    audit: bool,
    /// Go on with what happens, until interrupted
    #[arg(long, short)]
    follow: bool,
}

impl EventsArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let number = match (&self.device, self.follow) {
            (Some(device), true) => {
                let who = device
                    .parse()
                    .map_err(|err: api::Error| Failure::Local(err.to_string()))?;
                Some(self.remote.client()?.device(who).await?.id)
            }
            _ => None,
        };
        let wanted = (number, self.kind.clone());
        let query = EventQuery {
            device: self.device,
            kind: self.kind,
            limit: Some(self.limit),
            ..EventQuery::default()
        };
        let client = self.remote.client()?;
        let mut events = if self.audit {
            client.audit(&query).await?
        } else {
            client.events(&query).await?
        };
        // The API has the newest first; a person reads down to it.
        events.reverse();
        if self.audit {
            return self.remote.output.print(&events, |events| audit(events));
        }
        if !self.follow {
            return self.remote.output.print(&events, |events| table(events));
        }
        let (device, kind) = (wanted.0, wanted.1);
        let mut last = events.last().map(|event| event.event.id);
        for event in &events {
            show(self.remote.output, event)?;
        }
        loop {
            let mut news = client.follow(last).await?;
            // A stream that breaks off is taken up again where it was.
            while let Ok(Some(news)) = news.next().await {
                let told = match news.kind.as_str() {
                    "event" => vec![serde_json::from_value::<Event>(news.data).map_err(|err| {
                        Failure::Local(format!("an event cannot be read: {err}"))
                    })?],
                    // More happened at once than is told one by one.
                    "resync" => missed(&client, last).await?,
                    _ => continue,
                };
                for event in told {
                    let inner = &event.event;
                    last = last.max(Some(inner.id));
                    let of_device = device.is_none_or(|wanted| inner.device == Some(wanted));
                    let of_kind = kind.as_ref().is_none_or(|kind| inner.what.word() == kind);
                    if of_device && of_kind {
                        show(self.remote.output, &event)?;
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Every event after this one, the oldest first; none where nothing was heard yet.
async fn missed(client: &Client, last: Option<EventId>) -> Result<Vec<Event>, Failure> {
    const PAGE: u64 = 1000;
    let mut found: Vec<Event> = Vec::new();
    if last.is_none() {
        return Ok(found);
    }
    loop {
        let query = EventQuery {
            after: last,
            before: found.last().map(|event| event.event.id),
            limit: Some(PAGE),
            ..EventQuery::default()
        };
        let page = client.events(&query).await?;
        let is_last = (page.len() as u64) < PAGE;
        found.extend(page);
        if is_last {
            found.reverse();
            return Ok(found);
        }
    }
}

/// After so long a stream that broke off is taken up again.
const AGAIN: Duration = Duration::from_secs(2);

/// One event, as a line; as JSON or YAML, as a document.
fn show(output: Output, event: &Event) -> Result<(), Failure> {
    match output {
        Output::Table => {
            let inner = &event.event;
            let device = or_dash(inner.mac.as_ref());
            say(&format!(
                "{}  {}  {device}  {}",
                inner.at.second(),
                inner.actor.called(),
                printable(&event.message)
            ))
        }
        // One a line, as programs read a stream.
        Output::Json => {
            say(&serde_json::to_string(event).map_err(|err| Failure::Local(err.to_string()))?)
        }
        Output::Yaml => {
            say("---")?;
            output.print(event, |_| String::new())
        }
    }
}

fn table(events: &[Event]) -> String {
    let row = |event: &Event| {
        let inner = &event.event;
        vec![
            inner.at.second(),
            inner.actor.called().to_owned(),
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

/// What persons did, each change on a line of its own.
fn audit(events: &[Event]) -> String {
    let row = |event: &Event| {
        let inner = &event.event;
        let mut what = vec![printable(&event.message)];
        what.extend(inner.changes.iter().map(|change| {
            format!(
                "  {}: {} -> {}",
                change.field,
                or_none(&change.before),
                or_none(&change.after)
            )
        }));
        vec![
            inner.at.second(),
            inner.actor.called().to_owned(),
            or_nothing(inner.from.as_ref()),
            or_nothing(inner.mac.as_ref()),
            what.join("\n"),
        ]
    };
    columns(
        &["when", "who", "from", "device", "what"],
        events.iter().map(row).collect(),
        "Nobody did anything yet.",
    )
}

/// A value as it was written down.
fn or_none(value: &str) -> &str {
    if value == "null" { "none" } else { value }
}
