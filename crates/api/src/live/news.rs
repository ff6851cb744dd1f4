//! What listeners are told: of a round of changes, and of all that one missed.

use bytes::{Bytes, BytesMut};
use model::{Boot, BootId, DeviceId, EventId, KernelLineId};
use serde::Serialize;
use store::{Change, EventFilter, Reader};

use crate::{Error, device, types};

/// One message, written once for all listeners (WHATWG HTML, section 9.2.6).
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) event: Option<EventId>,
    pub(super) text: Bytes,
}

impl News {
    fn new(kind: &str, event: Option<EventId>, data: &impl Serialize) -> Result<Self, Error> {
        let data = serde_json::to_string(data).map_err(|err| Error::Internal(err.to_string()))?;
        let id = event.map_or_else(String::new, |id| format!("id: {id}\n"));
        // JSON in one line has no line break in it.
        let text = format!("{id}event: {kind}\ndata: {data}\n\n").into();
        Ok(Self { event, text })
    }

    /// Tells a listener that it has missed something and must read anew.
    pub(super) fn resync() -> Self {
        Self {
            event: None,
            text: Bytes::from_static(b"event: resync\ndata: {}\n\n"),
        }
    }
}

/// What is told at once: a piece for each listener and round costs less than one for each listener and message.
#[derive(Debug)]
pub(super) struct Round {
    news: Vec<News>,
    /// All of it, in its order.
    text: Bytes,
}

impl Round {
    pub(super) fn new(news: Vec<News>) -> Self {
        let text = text_of(&news);
        Self { news, text }
    }

    /// What of it is new to who was told all events up to `told`.
    pub(super) fn after(&self, told: Option<EventId>) -> Bytes {
        let is_new = |news: &News| {
            news.event
                .is_none_or(|id| told.is_none_or(|told| id > told))
        };
        if self.news.iter().all(is_new) {
            self.text.clone()
        } else {
            text_of(self.news.iter().filter(|news| is_new(news)))
        }
    }
}

fn text_of<'a>(news: impl IntoIterator<Item = &'a News>) -> Bytes {
    let mut text = BytesMut::new();
    for news in news {
        text.extend_from_slice(&news.text);
    }
    text.freeze()
}

/// The first message to a listener.
#[derive(Serialize)]
struct Hello {
    /// The last event there is.
    last_event: Option<EventId>,
    /// Whether all that was missed follows.
    complete: bool,
}

/// A device that went.
#[derive(Serialize)]
struct Gone {
    id: DeviceId,
    deleted: bool,
}

/// How far the boot of a device is.
#[derive(Serialize)]
struct BootNews {
    device: DeviceId,
    boot: Boot,
}

/// How far the kernel log of a device is.
#[derive(Serialize)]
struct LogNews {
    device: DeviceId,
    boot: BootId,
    /// The last line there is.
    last: KernelLineId,
}

/// The most events, and devices with their boots and logs, that are told one by one in a round.
pub(super) const BACKLOG: u64 = 500;

/// What a change means for listeners: its events in their order, then the devices and boots as they are now.
pub(super) fn news_of(
    reader: &Reader<'_>,
    change: &Change,
    after: Option<EventId>,
) -> Result<Vec<News>, Error> {
    let mut news = Vec::new();
    if change.last_event.is_some() {
        let filter = EventFilter {
            after,
            limit: BACKLOG,
            ..EventFilter::default()
        };
        for event in reader.events(&filter)?.into_iter().rev() {
            news.push(News::new(
                "event",
                Some(event.id),
                &types::Event::from(event),
            )?);
        }
    }
    for id in &change.devices {
        news.push(match reader.device(*id)? {
            Some(device) => News::new("device", None, &device::shown(reader, device)?)?,
            None => News::new(
                "device",
                None,
                &Gone {
                    id: *id,
                    deleted: true,
                },
            )?,
        });
    }
    for id in &change.boots {
        if let Some(boot) = reader.boots(*id, 1)?.pop() {
            news.push(News::new("boot", None, &BootNews { device: *id, boot })?);
        }
    }
    for id in &change.kernel_logs {
        let Some(log) = reader.kernel_logs(*id)?.into_iter().next() else {
            continue;
        };
        for line in reader.kernel_lines(*id, log.boot, None, 1)? {
            let (device, boot, last) = (*id, log.boot, line.id);
            let log = LogNews { device, boot, last };
            news.push(News::new("kernel_log", None, &log)?);
        }
    }
    if change.settings || change.assets || change.base {
        news.push(News::new("settings", None, &serde_json::json!({}))?);
    }
    Ok(news)
}

/// What a listener has missed since the event it had last: each kind of news of which there may be some, so that whoever reads anew what
/// news are about is true again.
pub(super) fn backlog(reader: &Reader<'_>, after: Option<EventId>) -> Result<Vec<News>, Error> {
    let last_event = reader.last_event()?;
    let hello = |complete| {
        let hello = Hello {
            last_event,
            complete,
        };
        News::new("hello", None, &hello)
    };
    let Some(after) = after else {
        return Ok(vec![hello(true)?]);
    };
    let since = reader.event(after)?;
    let missed = reader.events(&EventFilter {
        after: Some(after),
        limit: BACKLOG,
        ..EventFilter::default()
    })?;
    let Some(since) = since.filter(|_| (missed.len() as u64) < BACKLOG) else {
        return Ok(vec![hello(false)?, News::resync()]);
    };
    let mut news = vec![hello(true)?];
    let mut gone = Vec::new();
    for event in missed.into_iter().rev() {
        if let Some(id) = event.device {
            gone.push(id);
        }
        news.push(News::new(
            "event",
            Some(event.id),
            &types::Event::from(event),
        )?);
    }
    let boots = reader.booted_since(since.at)?;
    let mut change = Change {
        // Whatever is shown of a device may have changed without its row.
        devices: [
            reader.devices_changed_since(since.at)?,
            reader.configs_made_since(since.at, BACKLOG + 1)?,
            reader.tokens_issued_since(since.at)?,
            boots.clone(),
        ]
        .concat(),
        boots,
        kernel_logs: reader.logged_since(since.at)?,
        // When these changed last is not kept. Who shows them reads them once more than needed.
        settings: true,
        ..Change::default()
    };
    change.devices.extend(gone);
    change.devices.sort_unstable();
    change.devices.dedup();
    if change.things() > BACKLOG {
        return Ok(vec![hello(false)?, News::resync()]);
    }
    news.extend(news_of(reader, &change, None)?);
    Ok(news)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use model::{
        Actor, BootStage, Clock, ConfigToken, EventKind, Inventory, KernelLogLevel, KernelLogLine,
        MacAddr, ManualClock, Role, SeenBy, StageOutcome, StageRecord, Timestamp,
    };
    use store::{Lane, Store};

    use super::*;

    /// What one that heard of `after` last is told, each kind with the device that it names.
    async fn told(store: &Store, after: EventId) -> Vec<String> {
        let read = store.read(Lane::Admin, move |reader| Ok(backlog(reader, Some(after))));
        let word = |news: News| {
            let text = String::from_utf8(news.text.to_vec()).unwrap();
            let field = |name: &str| {
                let mut lines = text.lines();
                lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
            };
            let data: serde_json::Value = serde_json::from_str(&field("data: ").unwrap()).unwrap();
            let kind = field("event: ").unwrap();
            match data["device"].as_i64() {
                Some(device) if kind != "event" => format!("{kind} of {device}"),
                _ => kind,
            }
        };
        read.await.unwrap().unwrap().into_iter().map(word).collect()
    }

    #[tokio::test]
    async fn whoever_comes_back_is_told_of_all_that_may_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let of_store: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let store = Store::open(&folder.path().join("x.db"), of_store).unwrap();
        let boots = async |mac: &str| {
            let mac: MacAddr = mac.parse().unwrap();
            let booted = store.write(Lane::Admin, Actor::Device(mac), move |writer| {
                let device = writer
                    .sight(mac, &Inventory::default(), SeenBy::Script)?
                    .device;
                let stage = StageRecord {
                    stage: BootStage::Talos,
                    at: writer.now(),
                    duration_us: None,
                    bytes: None,
                    retries: None,
                    peer: None,
                    outcome: StageOutcome::Done,
                    detail: String::new(),
                };
                writer.record_stage(device.id, &stage)?;
                Ok::<_, store::Error>(device.id)
            });
            booted.await.unwrap()
        };
        let says = async |device: DeviceId| {
            let line = KernelLogLine {
                message: "up".to_owned(),
                at: None,
                level: KernelLogLevel::Info,
                facility: "kern".to_owned(),
                priority: "info".to_owned(),
                sequence: 1,
                clock_us: 1,
            };
            let kept = store.write(Lane::Admin, Actor::System, move |writer| {
                writer.keep_kernel_lines(device, std::slice::from_ref(&line))
            });
            kept.await.unwrap();
        };
        let one = boots("52:54:00:00:00:01").await;
        let two = boots("52:54:00:00:00:02").await;
        says(one).await;
        clock.advance(Duration::from_secs(60));
        let heard = store.write(Lane::Admin, Actor::System, |writer| {
            writer.event(None, EventKind::SignedOut)
        });
        let heard = heard.await.unwrap();
        assert_eq!(told(&store, heard).await, ["hello", "settings"]);
        // No event tells of a line of a log.
        clock.advance(Duration::from_secs(60));
        says(two).await;
        let log = format!("kernel_log of {two}");
        assert_eq!(told(&store, heard).await, ["hello", &log, "settings"]);
        // Nor of a config that follows a change of the cluster, nor of a token.
        let made = store.write(Lane::Admin, Actor::System, move |writer| {
            let device = writer.device(one)?.unwrap();
            writer.save_config(&device, Role::Worker, b"x")
        });
        made.await.unwrap();
        assert_eq!(
            told(&store, heard).await,
            ["hello", "device", &log, "settings"]
        );
        let issued = store.write(Lane::Admin, Actor::System, move |writer| {
            writer.issue_token(two, &ConfigToken::from_random([7; ConfigToken::BYTES]))
        });
        issued.await.unwrap();
        assert_eq!(
            told(&store, heard).await,
            ["hello", "device", "device", &log, "settings"]
        );
        let heard = store.write(Lane::Admin, Actor::System, |writer| {
            writer.event(None, EventKind::SignedOut)
        });
        let heard = heard.await.unwrap();
        clock.advance(Duration::from_secs(60));
        boots("52:54:00:00:00:01").await;
        let boot = format!("boot of {one}");
        let news = told(&store, heard).await;
        assert!(
            news.contains(&"device".to_owned()) && news.contains(&boot),
            "{news:?}"
        );
    }
}
