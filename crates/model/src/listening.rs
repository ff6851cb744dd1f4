//! Whether a server takes what comes to its port.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a server takes what comes to its port, as the server itself tells. Clones share it: the server has one, whoever tells of it
/// another.
#[derive(Clone, Debug, Default)]
pub struct Listening(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: Mutex<Phase>,
    failures: AtomicU64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody takes what comes, yet.
    #[default]
    Bound,
    /// What comes is taken.
    Serving,
    /// The system does not hand out what comes, for this reason.
    Failing(String),
    /// Nobody takes it any more.
    Ended,
}

/// Held by a server while it serves: however it ends, its port is not served from then on.
#[derive(Debug)]
pub struct Serving(Listening);

impl Listening {
    /// The server begins to take what comes.
    #[must_use]
    pub fn begin(&self) -> Serving {
        self.turn(Phase::Serving);
        Serving(self.clone())
    }

    /// Why nothing that comes is taken; `None` while it is, and before the server began.
    pub fn trouble(&self) -> Option<String> {
        match &*self.phase() {
            Phase::Bound | Phase::Serving => None,
            Phase::Failing(why) => Some(why.clone()),
            Phase::Ended => Some("its server has ended".to_owned()),
        }
    }

    /// Whether what comes is taken.
    pub fn is_served(&self) -> bool {
        *self.phase() == Phase::Serving
    }

    /// How often the system has failed to hand out what came.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    fn turn(&self, to: Phase) {
        *self.phase() = to;
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serving {
    /// The system failed to hand out what came. The server should rest, and then say that it tries [`again`](Self::again).
    pub fn failed(&self, why: &impl Display) {
        self.0.0.failures.fetch_add(1, Ordering::Relaxed);
        self.0.turn(Phase::Failing(why.to_string()));
    }

    /// The server tries again.
    pub fn again(&self) {
        self.0.turn(Phase::Serving);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.turn(Phase::Ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_served_from_the_beginning_to_the_end_except_while_it_fails() {
        let listening = Listening::default();
        let look = || (listening.is_served(), listening.trouble());
        assert_eq!(look(), (false, None));
        let serving = listening.clone().begin();
        assert_eq!(look(), (true, None));
        serving.failed(&"no file descriptor is left");
        let why = Some("no file descriptor is left".to_owned());
        assert_eq!((look(), listening.failures()), ((false, why), 1));
        serving.again();
        assert_eq!(look(), (true, None));
        // Also where its task breaks.
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _serving = serving;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(broken.is_err() && !listening.is_served());
        assert_eq!(listening.trouble().unwrap(), "its server has ended");
    }
}
