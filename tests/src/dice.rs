//! Numbers that look random and are the same for the same seed (xorshift64*, Vigna 2016), so that a failure can be had again.

use std::time::Duration;

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts at a seed.
    pub fn seeded(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// A time below `limit`, to the microsecond.
    pub fn time(&mut self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(micros.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_series_that_is_spread() {
        let series = |seed| {
            let mut dice = Dice::seeded(seed);
            (0..200).map(|_| dice.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(series(1), series(1));
        assert_ne!(series(1), series(2));
        for number in 0..10 {
            let times = series(7).iter().filter(|one| **one == number).count();
            assert!((5..=40).contains(&times), "{number} came {times} times");
        }
    }
}
