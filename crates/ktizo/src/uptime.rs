//! Time that nobody sets.

use model::{Clock, Timestamp};
use nix::time::{ClockId, clock_gettime};

/// The time since this host was started, sleep included (`CLOCK_BOOTTIME`). A daemon that is started again goes on in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uptime;

impl Clock for Uptime {
    /// The moment of the call, counted from the start of the host.
    fn now(&self) -> Timestamp {
        // The kernel has had this clock since 2.6.39, so that it does not fail.
        let at = clock_gettime(ClockId::CLOCK_BOOTTIME).ok();
        let micros = at.map(|at| at.tv_sec() * 1_000_000 + at.tv_nsec() / 1000);
        Timestamp::from_micros(micros.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on() {
        let first = Uptime.now();
        assert!(first > Timestamp::from_micros(0));
        assert!(Uptime.now() >= first);
    }
}
