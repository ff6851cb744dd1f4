//! One machine's log over TCP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::counters::{add, count};
use crate::core::lines::LineCutter;
use crate::net::places::Place;
use crate::wire::kernel_log::LONGEST_LINE;

/// A connection on which lines come.
pub(super) struct LineStream {
    pub(super) desk: Arc<Desk>,
    pub(super) place: Place,
    pub(super) peer: IpAddr,
    pub(super) stop: CancellationToken,
}

/// What is read at once.
const CHUNK: usize = 16 * 1024;
/// A machine that is gone is noticed after a minute of silence and four questions.
const ASK_AFTER: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(15);
/// How long to wait for more, once no more is wanted, of what may be on its way already.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(20);
/// And how long in all.
const FAREWELL: Duration = Duration::from_secs(1);

impl LineStream {
    /// Reads until the end, or until `stop` is cancelled and what has arrived is read.
    pub(super) async fn run(self, mut stream: TcpStream) {
        let peer = self.peer;
        let keepalive = TcpKeepalive::new()
            .with_time(ASK_AFTER)
            .with_interval(ASK_EVERY)
            .with_retries(4);
        if let Err(err) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            tracing::debug!(%peer, %err, "no TCP keepalive");
        }
        let mut cutter = LineCutter::new(LONGEST_LINE);
        let mut buffer = vec![0; CHUNK];
        let mut silent = true;
        let mut end = None;
        loop {
            // Talos connects when it has a line to send.
            let patience = match end {
                Some(end) if Instant::now() >= end => return,
                Some(end) => LAST_WORDS.min(end - Instant::now()),
                None if silent => self.desk.limits.opening,
                None => Duration::MAX,
            };
            let received = tokio::select! {
                biased;
                () = self.place.lost() => return,
                () = self.stop.cancelled(), if end.is_none() => {
                    end = Some(Instant::now() + FAREWELL);
                    continue;
                }
                received = timeout(patience, stream.read(&mut buffer)) => received,
            };
            let length = match received {
                Ok(Ok(0)) => return,
                Ok(Ok(length)) => length,
                Ok(Err(err)) => {
                    tracing::debug!(%peer, %err, "kernel log connection broke off");
                    return;
                }
                Err(_) => {
                    if end.is_none() {
                        count(&self.desk.counters.silent);
                    }
                    return;
                }
            };
            silent = false;
            self.place.heard(Instant::now());
            self.take(&buffer[..length], &mut cutter).await;
        }
    }

    async fn take(&self, bytes: &[u8], cutter: &mut LineCutter) {
        let mut lines = Vec::new();
        let mut number = 0;
        let too_long = cutter.push(bytes, |line| {
            number += 1;
            self.desk.read(line, &mut lines);
        });
        add(&self.desk.counters.too_long, too_long);
        self.desk.hand_on(self.peer, true, lines).await;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.place.lost() => {}
            () = self.desk.hold_back(self.peer, number) => {}
        }
    }
}
