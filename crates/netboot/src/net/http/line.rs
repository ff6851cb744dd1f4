//! One connection as the clock sees it: what it waits for, since when, and whether an answer has left in whole.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::limits::Limits;
use super::receipt::Receipt;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request head.
    Heading,
    /// The next request.
    Idle,
    /// The director.
    Answering,
    /// The client, to take more of the answer.
    Sending,
}

/// The state of one connection. All of it changes within the one task that drives the connection; others only look.
#[derive(Debug)]
pub(super) struct Line(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// The answer that hyper has taken over in whole, but that may still wait in its buffer.
    ended: Option<Option<Receipt>>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Heading,
            since: Instant::now(),
            ended: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it waits for, and since when.
    pub(super) fn waits(&self) -> (Phase, Instant) {
        let state = self.state();
        (state.phase, state.since)
    }

    /// When it has waited too long.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let (phase, since) = self.waits();
        since + limits.of(phase)
    }

    /// How long it has been without an answer under way; `None` while there is one.
    pub(super) fn vacant_for(&self, now: Instant) -> Option<Duration> {
        let (phase, since) = self.waits();
        matches!(phase, Phase::Heading | Phase::Idle).then(|| now.duration_since(since))
    }

    /// A whole request head has come.
    pub(super) fn asked(&self) {
        self.state().enter(Phase::Answering);
    }

    /// The last byte of an answer was handed to hyper.
    pub(super) fn ended(&self, receipt: Option<Receipt>) {
        self.state().ended = Some(receipt);
    }

    fn received(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::Heading);
        }
    }

    fn sent(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Answering | Phase::Sending) {
            state.enter(Phase::Sending);
        }
    }

    fn flushed(&self) {
        let mut state = self.state();
        if let Some(receipt) = state.ended.take() {
            state.enter(Phase::Idle);
            drop(state);
            receipt.into_iter().for_each(Receipt::close);
        }
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// The socket, which tells its line of each step.
pub(super) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.line.sent();
        }
        written
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.line.received();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes the socket once its own buffer is empty, so that an ended answer has now left this process.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.line.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
