//! What happens, as it happens, to any number of listeners.
//!
//! One task follows the store and writes the news of each round once; listeners share it in a ring. A listener that does not keep up
//! falls out of the ring and is let go: it comes back with the last event it has, and gets what it missed. Nothing waits for a listener.

mod news;
mod places;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use model::EventId;
use store::{Change, Lane, Store};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::auth::{Caller, Credential, Gate};
use news::{BACKLOG, News, Round, backlog, news_of};
use places::{Place, Places};

/// Rounds of news that a listener may be behind: 1.6 s of a flood, and much more of a common day.
const RING: usize = 32;
/// News of one round is gathered for so long, which bounds the reads that a flood of boots makes.
const ROUND: Duration = Duration::from_millis(50);
/// A line that says nothing, so that a dead connection is noticed on both ends.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Carries news from the store to listeners. Clones share it.
#[derive(Clone)]
pub struct Live {
    store: Store,
    news: broadcast::Sender<Arc<Round>>,
    places: Places,
    stop: CancellationToken,
}

impl Live {
    /// News of `store`; streams end when `stop` is cancelled.
    pub fn new(store: Store, stop: CancellationToken) -> Self {
        Self {
            store,
            news: broadcast::channel(RING).0,
            places: Places::default(),
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
            if change.things() > BACKLOG {
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

    /// The news from now on, and those after the event that the listener had last. Ends when the credential does.
    pub(crate) async fn listen(
        &self,
        after: Option<EventId>,
        gate: Gate,
        caller: &Caller,
        credential: Credential,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let place = self.places.take(caller, &credential)?;
        let mut ends = self.store.ends();
        // The credential was looked at before; it may have ended since.
        ends.mark_changed();
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
            ends,
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
    /// Says when credentials ended, of which this one may be.
    ends: watch::Receiver<u64>,
    _place: Place,
}

impl Listener {
    /// The next messages; `None` at the end of the stream. Nothing is told any more of what happens once the credential has ended.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(missed) = self.missed.pop_front() {
            return self.may_hear().await.then_some(missed.text);
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                _ = self.heartbeat.tick() => {
                    self.ends.mark_changed();
                    return self.may_hear().await.then(|| Bytes::from_static(b":\n\n"));
                }
                changed = self.ends.changed() => {
                    // Where the store has closed, nothing ends any more.
                    if changed.is_err() {
                        return None;
                    }
                    self.ends.mark_changed();
                    if !self.may_hear().await {
                        return None;
                    }
                }
                round = self.news.recv() => {
                    // One that lagged behind the ring is let go, and comes back.
                    let text = round.ok()?.after(self.told);
                    if !text.is_empty() {
                        return self.may_hear().await.then_some(text);
                    }
                }
            }
        }
    }

    /// Whether the credential is good; it is looked at only if one has ended since the last look.
    async fn may_hear(&mut self) -> bool {
        // First marked, then read: what ends in between is looked at again.
        let is_sure = !self.ends.has_changed().unwrap_or(true);
        self.ends.mark_unchanged();
        is_sure || self.gate.still_holds(&self.credential).await
    }
}
