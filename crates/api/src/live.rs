//! What happens, as it happens, to any number of listeners.
//!
//! One task follows the store and writes the news of each round once; listeners share it in a ring. A listener that does not keep up
//! falls out of the ring and is let go: it comes back with the last event it has, and gets what it missed. Nothing waits for a listener.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use model::{Actor, Boot, BootId, DeviceId, EventId, KernelLineId, UserId};
use serde::Serialize;
use store::{Change, EventFilter, Lane, Reader, Store};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, Credential, Gate};
use crate::{Error, device, types};

/// Rounds of news that a listener may be behind: 1.6 s of a flood, and much more of a common day.
const RING: usize = 32;
/// Listeners at once.
const LISTENERS: usize = 384;
/// Listeners of one account with all its tokens at once, so that no person has all places.
const OF_ONE: usize = 32;
/// The same of root or another user of the host, by the socket, and of the token of the state folder: whatever their scripts do, three
/// persons find a place.
const OF_HOST: usize = LISTENERS - 3 * OF_ONE;
/// News of one round is gathered for so long, which bounds the reads that a flood of boots makes.
const ROUND: Duration = Duration::from_millis(50);
/// A line that says nothing, so that a dead connection is noticed on both ends.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The most events, and devices with their boots and logs, that are told one by one in a round.
const BACKLOG: u64 = 500;

/// Carries news from the store to listeners. Clones share it.
#[derive(Clone)]
pub struct Live {
    store: Store,
    news: broadcast::Sender<Arc<Round>>,
    places: Arc<Semaphore>,
    held: Held,
    stop: CancellationToken,
}

/// Whose listeners are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// A user of the host, by the socket, or the token of the state folder.
    Host(Actor),
    /// An account: its pages and all the API tokens that it made.
    Account(UserId),
    /// An API token that no account made.
    Token(Actor),
}

impl Holder {
    fn of(caller: &Caller, credential: &Credential) -> Self {
        let actor = caller.actor.clone();
        match (credential, caller.account) {
            (Credential::Standing, _) => Self::Host(actor),
            (_, Some(account)) => Self::Account(account),
            (Credential::Token(_) | Credential::Session(_), None) => Self::Token(actor),
        }
    }

    const fn most(&self) -> usize {
        match self {
            Self::Host(_) => OF_HOST,
            Self::Account(_) | Self::Token(_) => OF_ONE,
        }
    }
}

/// How many listeners each has.
#[derive(Clone, Debug, Default)]
struct Held(Arc<Mutex<HashMap<Holder, usize>>>);

/// A place that is its holder's for as long as it lives.
struct Place {
    held: Held,
    holder: Holder,
    _place: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

/// One message, written once for all listeners (WHATWG HTML, section 9.2.6).
#[derive(Clone, Debug)]
struct News {
    event: Option<EventId>,
    text: Bytes,
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
    fn resync() -> Self {
        Self {
            event: None,
            text: Bytes::from_static(b"event: resync\ndata: {}\n\n"),
        }
    }
}

/// What is told at once: a piece for each listener and round costs less than one for each listener and message.
#[derive(Debug)]
struct Round {
    news: Vec<News>,
    /// All of it, in its order.
    text: Bytes,
}

impl Round {
    fn new(news: Vec<News>) -> Self {
        let text = text_of(&news);
        Self { news, text }
    }

    /// What of it is new to who was told all events up to `told`.
    fn after(&self, told: Option<EventId>) -> Bytes {
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

impl Live {
    /// News of `store`; streams end when `stop` is cancelled.
    pub fn new(store: Store, stop: CancellationToken) -> Self {
        Self {
            store,
            news: broadcast::channel(RING).0,
            places: Arc::new(Semaphore::new(LISTENERS)),
            held: Held::default(),
            stop,
        }
    }

    /// Follows the store until the stop. Without this running, listeners hear nothing but heartbeats.
    pub async fn follow(self) {
        let mut changes = self.store.subscribe();
        let mut last = self.last_event().await;
        loop {
            let mut lost = false;
            let mut change = tokio::select! {
                () = self.stop.cancelled() => return,
                next = changes.recv() => match next {
                    Ok(change) => change,
                    Err(RecvError::Lagged(_)) => {
                        lost = true;
                        Change::default()
                    }
                    Err(RecvError::Closed) => {
                        self.stop.cancelled().await;
                        return;
                    }
                },
            };
            tokio::time::sleep(ROUND).await;
            loop {
                match changes.try_recv() {
                    Ok(later) => change.merge(later),
                    Err(TryRecvError::Lagged(_)) => lost = true,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if self.news.receiver_count() == 0 {
                last = change.last_event.or(last);
                continue;
            }
            let things = change.devices.len() + change.boots.len() + change.kernel_logs.len();
            if things as u64 > BACKLOG {
                // Told one by one they would push everybody out of the ring, who would all come back and ask for the same.
                change.devices.clear();
                change.boots.clear();
                change.kernel_logs.clear();
                lost = true;
            }
            let after = last;
            let read = self
                .store
                .read(Lane::Admin, move |reader| {
                    Ok(news_of(reader, &change, after))
                })
                .await
                .map_err(Error::from)
                .and_then(|read| read);
            let mut news = match read {
                Ok(mut news) => {
                    last = news.iter().filter_map(|news| news.event).max().or(last);
                    let told = news.iter().filter(|news| news.event.is_some()).count();
                    if told as u64 >= BACKLOG {
                        // More happened at once than is told one by one. With the last of it alone, nobody would ask for the rest.
                        news.retain(|news| news.event.is_none());
                        lost = true;
                    }
                    news
                }
                Err(err) => {
                    tracing::warn!(%err, "news could not be read; listeners read anew");
                    lost = true;
                    Vec::new()
                }
            };
            if lost {
                news.push(News::resync());
            }
            if !news.is_empty() {
                // Nobody listens any more, else it arrives.
                let _ = self.news.send(Arc::new(Round::new(news)));
            }
        }
    }

    async fn last_event(&self) -> Option<EventId> {
        let read = self.store.read(Lane::Admin, |reader| reader.last_event());
        read.await.ok().flatten()
    }

    fn take_place(&self, holder: Holder) -> Result<Place, Error> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::Crowded)?;
        let most = holder.most();
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(holder.clone()).or_default();
        if *count >= most {
            return Err(Error::TooManyListeners { most });
        }
        *count += 1;
        Ok(Place {
            held: self.held.clone(),
            holder,
            _place: place,
        })
    }

    /// The news from now on, and those after the event that the listener had last. Ends when the credential does.
    pub(crate) async fn listen(
        &self,
        after: Option<EventId>,
        gate: Gate,
        caller: &Caller,
        credential: Credential,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let place = self.take_place(Holder::of(caller, &credential))?;
        // First subscribed, then read: what happens in between comes twice rather than never, and is told apart by its number.
        let news = self.news.subscribe();
        let (last, missed) = self
            .store
            .read(Lane::Admin, move |reader| {
                Ok((reader.last_event()?, backlog(reader, after)))
            })
            .await?;
        let missed = missed?;
        // Where a backup was put back, who comes back may have heard more than there is.
        let heard = after.min(last);
        let told = missed.iter().filter_map(|news| news.event).max().max(heard);
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let listener = Listener {
            news,
            missed: missed.into(),
            told,
            heartbeat,
            stop: self.stop.clone(),
            gate,
            credential,
            _place: place,
        };
        Ok(stream::unfold(listener, async |mut listener| {
            let next = listener.next().await?;
            Some((Ok(next), listener))
        }))
    }
}

/// One listener.
struct Listener {
    news: broadcast::Receiver<Arc<Round>>,
    missed: VecDeque<News>,
    told: Option<EventId>,
    heartbeat: tokio::time::Interval,
    stop: CancellationToken,
    gate: Gate,
    credential: Credential,
    _place: Place,
}

impl Listener {
    /// The next messages; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(missed) = self.missed.pop_front() {
            return Some(missed.text);
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                _ = self.heartbeat.tick() => {
                    if !self.gate.still_holds(&self.credential).await {
                        return None;
                    }
                    return Some(Bytes::from_static(b":\n\n"));
                }
                round = self.news.recv() => {
                    // One that lagged behind the ring is let go, and comes back.
                    let text = round.ok()?.after(self.told);
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
            }
        }
    }
}

/// What a change means for listeners: its events in their order, then the devices and boots as they are now.
fn news_of(
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

/// What a listener has missed since the event it had last.
fn backlog(reader: &Reader<'_>, after: Option<EventId>) -> Result<Vec<News>, Error> {
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
    let mut change = Change {
        devices: reader.devices_changed_since(since.at)?,
        boots: reader.booted_since(since.at)?,
        ..Change::default()
    };
    gone.retain(|id| !change.devices.contains(id));
    change.devices.extend(gone);
    change.devices.sort_unstable();
    change.devices.dedup();
    if change.devices.len() as u64 > BACKLOG {
        return Ok(vec![hello(false)?, News::resync()]);
    }
    news.extend(news_of(reader, &change, None)?);
    Ok(news)
}
