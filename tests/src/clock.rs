//! The lab's one clock: real machines take real time.

use std::time::{Duration, Instant};

/// This moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab measures real machines: there is no other time to take"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks every few milliseconds until there is an answer or the limit is over.
pub fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
