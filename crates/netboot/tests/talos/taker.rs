//! A taker that keeps what it is given, and a server for it.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::{KernelLogLine, SystemClock, TalosEvent};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use netboot::net::event_sink::{EventSinkCounters, EventSinkLimits, EventSinkServer};
use netboot::net::taker::{EventTaker, NotTaken, Sender};

/// How long anything may take in a test.
pub(crate) const SOON: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) kept: Mutex<Vec<(Sender, TalosEvent)>>,
    /// What it answers first, before it takes what comes.
    pub(crate) answers: Mutex<VecDeque<NotTaken>>,
    /// How long it takes.
    pub(crate) pause: Duration,
    /// How many it was given, whether it has taken them or not.
    pub(crate) begun: AtomicU64,
}

impl Keeper {
    pub(crate) fn ids(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|(_, event)| event.id.clone()).collect()
    }
}

#[async_trait]
impl EventTaker for Keeper {
    async fn event(&self, sender: Sender, event: TalosEvent) -> Result<(), NotTaken> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.pause).await;
        if let Some(refusal) = self.answers.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        self.kept.lock().unwrap().push((sender, event));
        Ok(())
    }

    async fn kernel_lines(&self, _: Sender, _: Vec<KernelLogLine>) {}
}

pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) counters: Arc<EventSinkCounters>,
    pub(crate) stop: CancellationToken,
    server: JoinSet<()>,
}

impl Bench {
    pub(crate) async fn new(limits: EventSinkLimits, keeper: Keeper) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = EventSinkServer::bind(any, Arc::new(SystemClock))
            .await
            .unwrap()
            .with_limits(limits);
        let keeper = Arc::new(keeper);
        let stop = CancellationToken::new();
        let (address, counters) = (server.local_addr(), server.counters());
        let mut running = JoinSet::new();
        running.spawn(server.serve(Arc::clone(&keeper) as Arc<dyn EventTaker>, stop.clone()));
        Self {
            address,
            keeper,
            counters,
            stop,
            server: running,
        }
    }

    /// Waits for the server's end.
    pub(crate) async fn ended(&mut self) {
        let ended = timeout(SOON, self.server.join_next()).await;
        ended.expect("it ends").expect("it ran").unwrap();
    }
}
