//! Whether a server takes what comes to its port.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// What comes is taken, but for what fails.
    Serving(Option<Failing>),
    /// Nobody takes it any more.
    Ended,
}

/// The system does not hand out what comes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failing {
    /// What it said last.
    why: String,
    first: Instant,
    last: Instant,
}

/// Failures no further apart are of one trouble. A server rests for much less before it tries again.
const NEAR: Duration = Duration::from_secs(2);
/// A trouble that lasts for so long keeps machines waiting. What is over sooner costs a machine no more than a lost datagram.
const LASTING: Duration = Duration::from_secs(3);

impl Failing {
    /// Whether it goes on at `now`, and is no matter of a moment.
    fn lasts(&self, now: Instant) -> bool {
        now.duration_since(self.last) < NEAR && self.last.duration_since(self.first) >= LASTING
    }
}

/// Held by a server while it serves: however it ends, its port is not served from then on.
#[derive(Debug)]
pub struct Serving(Listening);

impl Listening {
    /// The server begins to take what comes.
    #[must_use]
    pub fn begin(&self) -> Serving {
        *self.phase() = Phase::Serving(None);
        Serving(self.clone())
    }

    /// Why nothing that comes is taken at `now`; `None` while it is, before the server began, and while it only failed for a moment.
    pub fn trouble(&self, now: Instant) -> Option<String> {
        match &*self.phase() {
            Phase::Bound => None,
            Phase::Serving(failing) => {
                let failing = failing.as_ref().filter(|failing| failing.lasts(now));
                failing.map(|failing| failing.why.clone())
            }
            Phase::Ended => Some("its server has ended".to_owned()),
        }
    }

    /// Whether what comes is taken at `now`.
    pub fn is_served(&self, now: Instant) -> bool {
        matches!(*self.phase(), Phase::Serving(_)) && self.trouble(now).is_none()
    }

    /// How often the system has failed to hand out what came.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serving {
    /// The system failed to hand out what came, at `now`. The server should rest for a moment, and try again.
    pub fn failed(&self, why: &impl Display, now: Instant) {
        self.0.0.failures.fetch_add(1, Ordering::Relaxed);
        let mut phase = self.0.phase();
        let first = match &*phase {
            Phase::Serving(Some(before)) if now.duration_since(before.last) < NEAR => before.first,
            _ => now,
        };
        *phase = Phase::Serving(Some(Failing {
            why: why.to_string(),
            first,
            last: now,
        }));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The door to the machine's clock is the runtime's, which this crate has not.
    #[expect(
        clippy::disallowed_methods,
        reason = "any moment does as the beginning"
    )]
    fn beginning() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_port_is_served_from_the_beginning_to_the_end() {
        let now = beginning();
        let listening = Listening::default();
        let look = || (listening.is_served(now), listening.trouble(now));
        assert_eq!(look(), (false, None));
        let serving = listening.clone().begin();
        assert_eq!(look(), (true, None));
        // Also where its task breaks.
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _serving = serving;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(broken.is_err());
        let ended = Some("its server has ended".to_owned());
        assert_eq!(look(), (false, ended));
    }

    #[test]
    fn a_failure_of_a_moment_is_no_trouble_and_one_that_lasts_is() {
        let beginning = beginning();
        let at = |millis| beginning + Duration::from_millis(millis);
        let listening = Listening::default();
        let serving = listening.begin();
        let fails = |from: u64, until: u64| {
            for millis in (from..until).step_by(50) {
                serving.failed(&"no file descriptor is left", at(millis));
            }
        };
        let served = |millis| {
            let trouble = listening.trouble(at(millis));
            assert_eq!(listening.is_served(at(millis)), trouble.is_none());
            trouble.is_none()
        };
        // For as long as one hiccup, or a hiccup every three seconds, lasts.
        fails(0, 2900);
        assert!(served(2860) && served(2900));
        for hiccup in [6000, 9000, 12_000, 15_000] {
            fails(hiccup, hiccup + 50);
            assert!(served(hiccup) && served(hiccup + 60));
        }
        // Without a break between one try and the next.
        fails(20_000, 23_100);
        assert!(
            [23_050, 23_060, 23_100, 25_000]
                .iter()
                .all(|at| !served(*at))
        );
        let why = Some("no file descriptor is left".to_owned());
        assert_eq!(listening.trouble(at(23_100)), why);
        // Over, whether or not anybody comes.
        assert!(served(25_100));
        assert_eq!(listening.failures(), 58 + 4 + 62);
    }
}
