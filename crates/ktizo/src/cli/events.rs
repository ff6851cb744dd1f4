//! `ktizo events`.

use std::time::Duration;

use api::types::Event;
use api::{Client, ClientError, EventQuery};
use clap::builder::PossibleValuesParser;
use model::{Actor, Clock as _, DeviceId, EventId, EventKind, SystemClock, Timestamp};

use super::output::{columns, or_dash, or_nothing, printable, say};
use super::{Failure, Output, Remote, complain};

/// What happened.
#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only those of this machine: its name, its MAC address in any spelling, or its number
    #[arg(long)]
    device: Option<String>,
    /// Only those of this kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(EventKind::WORDS))]
    kind: Option<String>,
    /// Only those of this actor: person:NAME, device:MAC, or system
    #[arg(long)]
    actor: Option<Actor>,
    /// Only those from this moment on: 2026-01-31T12:00:00Z, or as long ago as 90s, 15m, 2h or 7d
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only those before this moment
    #[arg(long, value_name = "WHEN", value_parser = moment, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Only those before the event of this number, as JSON shows it; goes on where a list ended
    #[arg(long, value_name = "NUMBER", conflicts_with = "follow")]
    before: Option<i64>,
    /// Only those after the event of this number; followed, all that was missed since
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// Show no more than this; 50 without it, and with --follow and --after all
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
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
        let wanted = Wanted {
            device: number,
            kind: self.kind.clone(),
            actor: self.actor.clone(),
        };
        let query = EventQuery {
            before: self.before.map(EventId),
            after: self.after.map(EventId),
            device: self.device,
            kind: self.kind,
            actor: self.actor,
            since: self.since,
            until: self.until,
            limit: self.limit.or(Some(50)),
        };
        let client = self.remote.client()?;
        let is_all = self.follow && self.after.is_some() && self.limit.is_none();
        let mut events = if is_all {
            all_of(&client, query.clone()).await?
        } else if self.audit {
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
        for event in &events {
            show(self.remote.output, event)?;
        }
        let last = events.last().map(|event| event.event.id);
        follow(&client, self.remote.output, &wanted, last.or(query.after)).await
    }
}

/// Which events are shown of all that are heard.
struct Wanted {
    device: Option<DeviceId>,
    kind: Option<String>,
    actor: Option<Actor>,
}

impl Wanted {
    fn fits(&self, event: &model::Event) -> bool {
        let of_device = self
            .device
            .is_none_or(|wanted| event.device == Some(wanted));
        let of_kind = self
            .kind
            .as_deref()
            .is_none_or(|kind| event.what.word() == kind);
        let of_actor = self
            .actor
            .as_ref()
            .is_none_or(|actor| event.actor == *actor);
        of_device && of_kind && of_actor
    }
}

/// Shows what happens after the event `last`, until interrupted. A stream that breaks off is taken up again where it was, however
/// long the daemon is away.
async fn follow(
    client: &Client,
    output: Output,
    wanted: &Wanted,
    mut last: Option<EventId>,
) -> Result<(), Failure> {
    let mut away = false;
    loop {
        let mut news = match client.follow(last).await {
            Ok(news) => news,
            // That it cannot be reached at all is said at once; once heard, it is waited for.
            Err(ClientError::Unreachable { place, why }) if last.is_some() || away => {
                if !std::mem::replace(&mut away, true) {
                    complain(&format!(
                        "no ktizo answers at {place} ({why}); waiting for it"
                    ));
                }
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(err) => return Err(err.into()),
        };
        if std::mem::take(&mut away) {
            complain("ktizo is back");
        }
        while let Ok(Some(news)) = news.next().await {
            let told = match news.kind.as_str() {
                "event" => vec![
                    serde_json::from_value::<Event>(news.data)
                        .map_err(|err| Failure::Local(format!("an event cannot be read: {err}")))?,
                ],
                // Where nothing was heard yet, or more than there is since a backup was put back, this is what it goes on from.
                "hello" => {
                    let newest = news.data["last_event"].as_i64().map(EventId);
                    if last.is_none() || last > newest {
                        last = newest;
                    }
                    continue;
                }
                // More happened at once than is told one by one.
                "resync" => missed(client, last).await?,
                _ => continue,
            };
            for event in told {
                // What was fetched because it was missed comes by the stream, too.
                if last >= Some(event.event.id) {
                    continue;
                }
                last = Some(event.event.id);
                if wanted.fits(&event.event) {
                    show(output, &event)?;
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Every event after this one, the oldest first; none where nothing was heard yet.
async fn missed(client: &Client, last: Option<EventId>) -> Result<Vec<Event>, Failure> {
    if last.is_none() {
        return Ok(Vec::new());
    }
    let query = EventQuery {
        after: last,
        ..EventQuery::default()
    };
    let mut found = all_of(client, query).await?;
    found.reverse();
    Ok(found)
}

/// Every event that fits, the newest first.
async fn all_of(client: &Client, query: EventQuery) -> Result<Vec<Event>, Failure> {
    const PAGE: u64 = 1000;
    let mut found: Vec<Event> = Vec::new();
    loop {
        let query = EventQuery {
            before: found.last().map(|event| event.event.id),
            limit: Some(PAGE),
            ..query.clone()
        };
        let page = client.events(&query).await?;
        let is_last = (page.len() as u64) < PAGE;
        found.extend(page);
        if is_last {
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
        "There is no such event.",
    )
}

/// What persons did, each change on a line of its own.
fn audit(events: &[Event]) -> String {
    let row = |event: &Event| {
        let inner = &event.event;
        let mut what = vec![printable(&event.message)];
        what.extend(inner.changes.iter().map(|change| {
            let (before, after) = (or_none(&change.before), or_none(&change.after));
            if !before.contains('\n') && !after.contains('\n') {
                return format!("  {}: {before} -> {after}", change.field);
            }
            let signed = |sign: char, text: &str| -> String {
                text.lines()
                    .map(|line| format!("\n  {sign} {line}"))
                    .collect()
            };
            let (before, after) = (signed('-', before), signed('+', after));
            format!("  {}:{before}{after}", change.field)
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

/// A moment, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = |number: &str, seconds: i64| {
        let count = i64::from(number.parse::<u32>().ok()?);
        let micros = count.checked_mul(seconds * 1_000_000)?;
        let at = SystemClock.now().as_micros().checked_sub(micros)?;
        Some(Timestamp::from_micros(at))
    };
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| ago(text.strip_suffix(unit)?, *seconds));
    match found {
        Some(at) => Ok(at),
        None => text
            .parse()
            .map_err(|_| "is neither a time such as 2026-01-31T12:00:00Z nor as long ago as 90s, 15m, 2h or 7d".to_owned()),
    }
}

/// A value as it was written down.
fn or_none(value: &str) -> &str {
    if value == "null" { "none" } else { value }
}
