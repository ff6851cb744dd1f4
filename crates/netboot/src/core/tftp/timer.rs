//! How long to wait before sending again: from the round trips measured, as RFC 6298 does for TCP.

use std::time::Duration;

/// The shortest wait. RFC 6298 asks for a second, which would be the whole cost of a lost packet on a LAN. Three times the 10 ms in
/// which UEFI firmware looks for packets (EDK2, `MNP_SYS_POLL_INTERVAL`), so that a client which is late by one look, or by two, is
/// not sent anything twice.
const SHORTEST: Duration = Duration::from_millis(30);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3);
/// What is added to the round trip at the least (RFC 6298 section 2: the granularity).
const GRANULE: Duration = Duration::from_millis(10);
/// The wait while nothing is measured.
const UNMEASURED: Duration = Duration::from_millis(500);

/// The retransmission timer of one transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    /// Smoothed round trip and its variation (SRTT, RTTVAR).
    measured: Option<(Duration, Duration)>,
    /// The quickest round trip.
    quickest: Duration,
    wait: Duration,
    longest: Duration,
}

impl Timer {
    /// A timer that has measured nothing, and never waits longer than `longest` if that is given.
    pub(super) fn new(longest: Option<Duration>) -> Self {
        let longest = longest.unwrap_or(LONGEST).min(LONGEST);
        Self {
            measured: None,
            quickest: Duration::ZERO,
            wait: UNMEASURED.min(longest),
            longest,
        }
    }

    /// Takes the round trip of something that was sent just once (Karn's rule, RFC 6298 section 3).
    pub(super) fn measure(&mut self, trip: Duration) {
        // RFC 6298 section 2: alpha 1/8, beta 1/4, K 4.
        let (smooth, variation) = match self.measured {
            None => (trip, trip / 2),
            Some((smooth, variation)) => (
                smooth * 7 / 8 + trip / 8,
                variation * 3 / 4 + smooth.abs_diff(trip) / 4,
            ),
        };
        self.quickest = match self.measured {
            None => trip,
            Some(_) => self.quickest.min(trip),
        };
        self.measured = Some((smooth, variation));
        self.settle();
    }

    /// Doubles the wait after it ran out in vain (RFC 6298 section 5.5).
    pub(super) fn back_off(&mut self) {
        self.wait = (self.wait * 2).min(self.longest);
    }

    /// Takes back what [`Self::back_off`] did, for the client has gone on. While nothing is measured the longer wait is kept, for
    /// it may be the round trip itself that is long (RFC 6298 section 5.7).
    pub(super) fn settle(&mut self) {
        if self.measured.is_some() {
            self.hurry();
        }
    }

    /// Takes back what [`Self::back_off`] did, for the client is there and waits.
    pub(super) fn hurry(&mut self) {
        let wait = self.measured.map_or(UNMEASURED, |(smooth, variation)| {
            smooth + (variation * 4).max(GRANULE)
        });
        self.wait = wait.max(SHORTEST).min(self.longest);
    }

    /// How long to wait for an answer to what was sent last.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// The quickest round trip so far; zero while nothing is measured.
    pub(super) fn quickest(&self) -> Duration {
        self.quickest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_for_the_round_trip_and_doubles_in_vain() {
        let mut timer = Timer::new(None);
        assert_eq!(timer.wait(), 500 * MS);
        timer.back_off();
        assert_eq!(timer.wait(), 1000 * MS);
        for _ in 0..50 {
            timer.measure(MS);
        }
        assert_eq!(timer.wait(), 30 * MS);
        assert_eq!(timer.quickest(), MS);
        for expected in [60, 120, 240, 480, 960, 1920, 3000, 3000] {
            timer.back_off();
            assert_eq!(timer.wait(), expected * MS);
        }
        timer.settle();
        assert_eq!(timer.wait(), 30 * MS);
    }

    #[test]
    fn a_slow_client_is_given_its_time() {
        let mut timer = Timer::new(None);
        for _ in 0..50 {
            timer.measure(200 * MS);
        }
        assert!(
            timer.wait() >= 200 * MS && timer.wait() < 220 * MS,
            "{timer:?}"
        );
        timer.measure(600 * MS);
        assert!(timer.wait() >= 600 * MS, "{timer:?}");
    }

    #[test]
    fn an_agreed_timeout_is_never_exceeded() {
        let mut timer = Timer::new(Some(Duration::from_secs(1)));
        for _ in 0..8 {
            timer.back_off();
        }
        assert_eq!(timer.wait(), Duration::from_secs(1));
    }
}
