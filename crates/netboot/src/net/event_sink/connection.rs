//! One machine's connection, and all that runs for it, in one task.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Desk;
use super::counters::count;
use crate::net::places::Place;

/// A connection.
pub(super) struct Connection {
    pub(super) desk: Arc<Desk>,
    pub(super) place: Arc<Place>,
    pub(super) peer: IpAddr,
    pub(super) stop: CancellationToken,
}

/// The most header bytes of one call.
const HEADER_BYTES: u32 = 16 * 1024;
/// What a machine may send of one call, and of all, before it is read.
const WINDOW: u32 = 64 * 1024;
/// The answers that may wait to be sent, in bytes; each has a few.
const SEND_BYTES: usize = 16 * 1024;
/// How long a machine without a call may take to agree to the connection's end.
const FAREWELL: Duration = Duration::from_secs(1);

impl Connection {
    pub(super) async fn run(self, stream: TcpStream) {
        let peer = self.peer;
        if let Err(err) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %err, "no TCP_NODELAY");
        }
        let limits = &self.desk.limits;
        let (calls, mut new_calls) = mpsc::unbounded_channel();
        let service = service_fn(|request| {
            self.place.heard(Instant::now());
            let desk = Arc::clone(&self.desk);
            async move { Ok::<_, Infallible>(desk.answer(request, peer).await) }
        });
        let connection = http2::Builder::new(Calls(calls))
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.calls)
            .max_header_list_size(HEADER_BYTES)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(SEND_BYTES)
            .keep_alive_interval(limits.ping)
            .keep_alive_timeout(limits.ping / 2)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut under_way = FuturesUnordered::new();
        let mut patience = limits.opening;
        let mut changed = Instant::now();
        let mut draining = false;
        loop {
            tokio::select! {
                closed = connection.as_mut() => {
                    if let Err(err) = closed {
                        count(&self.desk.counters.broken);
                        tracing::debug!(%peer, %err, "event connection broke off");
                    }
                    return;
                }
                Some(call) = new_calls.recv() => {
                    under_way.push(call);
                    (changed, patience) = (Instant::now(), limits.stalled);
                }
                Some(()) = under_way.next() => {
                    let idle = if draining { FAREWELL } else { limits.idle };
                    let waits = if under_way.is_empty() { idle } else { limits.stalled };
                    (changed, patience) = (Instant::now(), waits);
                }
                () = tokio::time::sleep_until(changed + patience) => {
                    if !draining {
                        count(&self.desk.counters.silent);
                        tracing::debug!(%peer, "event connection closed, for nothing came on it");
                    }
                    return;
                }
                () = self.place.lost() => return,
                () = self.stop.cancelled(), if !draining => {
                    draining = true;
                    if under_way.is_empty() {
                        (changed, patience) = (Instant::now(), FAREWELL);
                    }
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands the calls of a connection to its task, so that they end with it.
#[derive(Clone)]
struct Calls(mpsc::UnboundedSender<Call>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Calls {
    fn execute(&self, call: F) {
        // The channel is open as long as the connection, which alone calls this, is polled.
        self.0.send(Box::pin(call)).ok();
    }
}
