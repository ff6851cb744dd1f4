//! The bytes of an answer: from memory at once, from a file piece by piece, as fast as the client takes them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::line::Line;
use super::receipt::Receipt;

/// What is left of an answer's content, and who is told when it has gone.
pub(super) struct Outgoing {
    source: Source,
    left: u64,
    receipt: Option<Receipt>,
    line: Arc<Line>,
    ended: bool,
}

enum Source {
    Memory(Bytes),
    File(Reader),
}

impl Outgoing {
    /// Content that is in memory.
    pub(super) fn memory(bytes: Bytes, line: Arc<Line>, receipt: Option<Receipt>) -> Self {
        Self {
            left: bytes.len() as u64,
            source: Source::Memory(bytes),
            receipt,
            line,
            ended: false,
        }
    }

    /// No content.
    pub(super) fn none(line: Arc<Line>) -> Self {
        Self::memory(Bytes::new(), line, None)
    }

    /// `len` bytes of a file, from `first` on.
    pub(super) fn file(
        file: Arc<File>,
        first: u64,
        len: u64,
        readers: &Arc<AtomicUsize>,
        line: Arc<Line>,
        receipt: Option<Receipt>,
    ) -> Self {
        Self {
            source: Source::File(Reader::new(file, first, Arc::clone(readers))),
            left: len,
            receipt,
            line,
            ended: false,
        }
    }

    /// Tells the line, once, that all of it was handed on.
    fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.line.ended(self.receipt.take());
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match &mut this.source {
            Source::Memory(bytes) => std::mem::take(bytes),
            Source::File(reader) => match ready!(reader.poll_piece(cx, this.left)) {
                Ok(piece) => piece,
                Err(err) => return Poll::Ready(Some(Err(err))),
            },
        };
        let len = piece.len() as u64;
        this.left -= len;
        if let Some(receipt) = &mut this.receipt {
            receipt.add(len);
        }
        if this.left == 0 {
            this.end();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Outgoing {
    /// An answer without content is never polled, so it ends here; one that broke off drops its receipt unclosed.
    fn drop(&mut self) {
        if self.left == 0 {
            self.end();
        }
    }
}

/// Memory that all readers may hold together, as far as each can live with [`Reader::LEAST`].
const BUDGET: usize = 64 << 20;

/// Reads a file in pieces on the threads for blocking work; one piece at a time, and the next one only when it is asked for.
struct Reader {
    file: Arc<File>,
    at: u64,
    under_way: Option<JoinHandle<io::Result<Bytes>>>,
    readers: Arc<AtomicUsize>,
}

impl Reader {
    /// Large pieces cost half the processor time of 64 KiB ones.
    const MOST: usize = 1 << 20;
    const LEAST: usize = 64 << 10;

    fn new(file: Arc<File>, at: u64, readers: Arc<AtomicUsize>) -> Self {
        readers.fetch_add(1, Ordering::Relaxed);
        Self {
            file,
            at,
            under_way: None,
            readers,
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>, left: u64) -> Poll<io::Result<Bytes>> {
        let under_way = self.under_way.get_or_insert_with(|| {
            let len = piece_len(self.readers.load(Ordering::Relaxed), left);
            let (file, at) = (Arc::clone(&self.file), self.at);
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; len];
                file.read_exact_at(&mut piece, at)?;
                Ok(Bytes::from(piece))
            })
        });
        let read = ready!(Pin::new(under_way).poll(cx));
        self.under_way = None;
        let piece = read.map_err(io::Error::other)??;
        self.at += piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How much to read at once, so that a fleet that boots at the same time stays within the budget.
fn piece_len(readers: usize, left: u64) -> usize {
    let share = (BUDGET / readers.max(1)).clamp(Reader::LEAST, Reader::MOST);
    usize::try_from(left).map_or(share, |left| left.min(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_readers_take_small_pieces() {
        assert_eq!(piece_len(1, u64::MAX), 1 << 20);
        assert_eq!(piece_len(64, u64::MAX), 1 << 20);
        assert_eq!(piece_len(128, u64::MAX), 512 << 10);
        assert_eq!(piece_len(100_000, u64::MAX), 64 << 10);
        assert_eq!(piece_len(1, 7), 7);
    }
}
