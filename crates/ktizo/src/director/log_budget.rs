//! How many lines a flood may write to the log.

use std::sync::Mutex;
use std::time::Duration;

use model::Timestamp;

/// Allows so many lines a second, and counts what it left out.
#[derive(Debug, Default)]
pub(super) struct LogBudget {
    window: Mutex<Option<Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    lines: u32,
    left_out: u64,
}

/// A rack that is switched on writes less than this in a second.
const LINES: u32 = 200;
const SECOND: Duration = Duration::from_secs(1);

impl LogBudget {
    /// Whether a line may be written at `now`; says how many were left out before it, once.
    pub(super) fn allow(&self, now: Timestamp) -> Option<u64> {
        let mut window = self
            .window
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = Window {
            began: now,
            lines: 0,
            left_out: 0,
        };
        let current = window.get_or_insert(fresh);
        let mut before = 0;
        // A clock that was set back begins a new window too.
        if !now.is_soon_after(current.began, SECOND) {
            before = current.left_out;
            *current = fresh;
        }
        if current.lines < LINES {
            current.lines += 1;
            Some(before)
        } else {
            current.left_out += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_a_bounded_number_of_lines_and_says_what_it_left_out() {
        let budget = LogBudget::default();
        let now = Timestamp::from_micros(0);
        let written = (0..1000).filter(|_| budget.allow(now).is_some()).count();
        assert_eq!(written, 200);
        assert_eq!(budget.allow(now.plus(SECOND)), Some(800));
        assert_eq!(budget.allow(now.plus(SECOND)), Some(0));
        assert_eq!(budget.allow(now), Some(0), "a clock set back");
    }
}
