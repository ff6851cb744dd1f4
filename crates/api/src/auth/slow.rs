//! Slowing down those who guess.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

/// How many failures are forgiven.
const FREE: u32 = 5;
/// The longest wait. Longer ones would let a stranger lock a person out.
const LONGEST: Duration = Duration::from_secs(30);
/// After so long without a failure all is forgotten.
const MEMORY: Duration = Duration::from_secs(900);
/// The most accounts and addresses that are remembered.
const ROOM: usize = 4096;

/// Failures by account and by address, in a table that strangers cannot make grow.
#[derive(Debug, Default)]
pub(crate) struct SlowDown(HashMap<String, Failures>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl SlowDown {
    /// How long all of `keys` have to wait; `None` if they may try.
    pub(crate) fn wait(&self, keys: &[String], now: Timestamp) -> Option<Duration> {
        keys.iter()
            .filter_map(|key| {
                let failures = self.0.get(key)?;
                let until = failures.last.plus(delay(failures.count));
                let left = until.since(now);
                // A clock that was set back must not lock anybody out.
                (!left.is_zero() && left <= LONGEST).then_some(left)
            })
            .max()
    }

    /// Notes a failure.
    pub(crate) fn failed(&mut self, keys: &[String], now: Timestamp) {
        for key in keys {
            if !self.0.contains_key(key) && self.0.len() >= ROOM {
                self.make_room(now);
            }
            let failures = self.0.entry(key.clone()).or_insert(Failures {
                count: 0,
                last: now,
            });
            if now.since(failures.last) > MEMORY {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
    }

    /// Forgets the failures of the account that proved to be its owner's.
    pub(crate) fn forget(&mut self, account: &str) {
        self.0.remove(account);
    }

    /// Takes one failure back. An address keeps the others: an account of one's own must not wash off guesses at another's.
    pub(crate) fn take_back(&mut self, key: &str) {
        if let Some(failures) = self.0.get_mut(key) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// Drops what is old, or else the one that failed least and longest ago.
    fn make_room(&mut self, now: Timestamp) {
        self.0
            .retain(|_, failures| now.since(failures.last) <= MEMORY);
        if self.0.len() < ROOM {
            return;
        }
        let least = self
            .0
            .iter()
            .min_by_key(|(_, failures)| (failures.count, failures.last))
            .map(|(key, _)| key.clone());
        if let Some(key) = least {
            self.0.remove(&key);
        }
    }
}

/// 1, 2, 4 ... seconds after the free failures.
fn delay(count: u32) -> Duration {
    match count.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(beyond) => Duration::from_secs(1 << (beyond - 1).min(5)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn waits_grow_to_a_limit_and_end() {
        let mut slow = SlowDown::default();
        let keys = ["ada".to_owned(), "192.0.2.1".to_owned()];
        let waits: Vec<u64> = (0..12)
            .map(|_| {
                slow.failed(&keys, at(0));
                slow.wait(&keys[..1], at(0))
                    .map_or(0, |wait| wait.as_secs())
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(slow.wait(&["bob".to_owned()], at(0)), None);
        assert_eq!(slow.wait(&keys, at(30)), None);
        slow.take_back("192.0.2.1");
        slow.forget("ada");
        assert_eq!(slow.wait(&keys[..1], at(0)), None);
        assert!(
            slow.wait(&keys, at(0)).is_some(),
            "the address keeps its own"
        );
    }

    #[test]
    fn strangers_cannot_make_the_table_grow_or_forget_a_guesser() {
        let mut slow = SlowDown::default();
        let guesser = ["guesser".to_owned()];
        (0..9).for_each(|_| slow.failed(&guesser, at(0)));
        for number in 0..2 * ROOM {
            slow.failed(&[format!("name-{number}")], at(1));
        }
        assert_eq!(slow.0.len(), ROOM);
        assert!(slow.wait(&guesser, at(1)).is_some());
    }
}
