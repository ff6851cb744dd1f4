//! How figures are told.

use std::time::Duration;

use ktizo_tests::ledger::say;

/// Prints what was measured, its figure, and the goal or what else is to be said.
pub(crate) fn row(what: &str, figure: &str, goal: &str) {
    say(format_args!("{what:44} {figure:34} {goal}"));
}

/// A time in milliseconds.
pub(crate) fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
}

/// Times of the same thing, done many times.
#[derive(Clone, Debug)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Of times in any order, at least one.
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that `percent` of them keep within.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The middle, and what 99 of 100 keep within.
    pub(crate) fn spread(&self) -> String {
        format!("p50 {}  p99 {}", millis(self.at(50)), millis(self.at(99)))
    }
}
