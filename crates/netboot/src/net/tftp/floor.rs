//! The transfers under way: the admission's books, and how to reach each transfer's task.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::core::tftp::{Admission, Admitted, Limits, SessionId, Turned};
use crate::wire::tftp::Request;

/// Who is in. Its lock is held for a few look-ups at a time and never across a wait.
#[derive(Debug)]
pub(super) struct Floor(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    admission: Admission,
    lines: HashMap<SessionId, Line>,
}

/// What a transfer's task listens to besides its client.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The client has sent its request again.
    pub(super) again: Arc<Notify>,
    /// The session has lost its place.
    pub(super) leave: CancellationToken,
}

/// The place of one transfer, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    books: Arc<Mutex<Books>>,
    id: SessionId,
    peer: SocketAddrV4,
    pub(super) line: Line,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It opens a session.
    Begin(Seat),
    /// It was handed to the session it repeats.
    Again,
    /// It is left unanswered.
    Turned(Turned),
}

impl Floor {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Books {
            admission: Admission::new(limits),
            lines: HashMap::new(),
        })))
    }

    pub(super) fn may_ask(&self, address: Ipv4Addr, now: Duration) -> bool {
        lock(&self.0).admission.may_ask(address, now)
    }

    pub(super) fn admit(&self, peer: SocketAddrV4, request: &Request, now: Duration) -> Verdict {
        let mut books = lock(&self.0);
        match books.admission.admit(peer, request, now) {
            Admitted::Begin(id, leaving) => {
                for id in leaving {
                    books.dismiss(id);
                }
                let line = Line::default();
                books.lines.insert(id, line.clone());
                drop(books);
                Verdict::Begin(Seat {
                    books: Arc::clone(&self.0),
                    id,
                    peer,
                    line,
                })
            }
            Admitted::Again(id) => {
                if let Some(line) = books.lines.get(&id) {
                    line.again.notify_one();
                }
                Verdict::Again
            }
            Admitted::Turned(why) => Verdict::Turned(why),
        }
    }

    /// Takes the place of the oldest session that was never answered; whether there was one.
    pub(super) fn make_room(&self) -> bool {
        let mut books = lock(&self.0);
        let oldest = books.admission.make_room();
        if let Some(id) = oldest {
            books.dismiss(id);
        }
        oldest.is_some()
    }

    /// Takes the places of all sessions that were never answered.
    pub(super) fn dismiss_unanswered(&self) {
        while self.make_room() {}
    }

    pub(super) fn windowsize(&self, address: Ipv4Addr, most: u16) -> u16 {
        lock(&self.0).admission.windowsize(address, most)
    }
}

impl Books {
    fn dismiss(&mut self, id: SessionId) {
        if let Some(line) = self.lines.remove(&id) {
            line.leave.cancel();
        }
    }
}

impl Seat {
    /// Takes note that the client has answered: from now on the session makes room for nobody.
    pub(super) fn answered(&self) {
        lock(&self.books).admission.answered(self.id);
    }

    /// Takes note of how the client took its windows.
    pub(super) fn learn(&self, windowsize: u16, sent: u64, again: u32) {
        let address = *self.peer.ip();
        lock(&self.books)
            .admission
            .learn(address, windowsize, sent, again);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut books = lock(&self.books);
        books.admission.ended(self.peer, self.id);
        books.lines.remove(&self.id);
    }
}

/// The books are whole after every call, also after one that panicked.
fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many descriptors this process may have open; `None` if that cannot be read.
pub(super) fn descriptors() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
