//! How often one machine may ask, kept in a table that no flood can grow.

use std::time::Duration;

use model::{MacAddr, Timestamp};

use super::recent::Recent;

/// A limit on how often each machine is answered: a token bucket per hardware address.
#[derive(Debug)]
pub struct Dampener {
    limit: RateLimit,
    buckets: Recent<Bucket>,
}

/// How often one machine may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests it may send at once.
    pub burst: u32,
    /// How long until it may send one more.
    pub refill: Duration,
}

impl Default for RateLimit {
    /// Far above what firmware sends (a handful in a minute), far below what would load the store.
    fn default() -> Self {
        Self {
            burst: 20,
            refill: Duration::from_millis(250),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    refilled_at: Timestamp,
}

impl Dampener {
    /// Keeps at most `capacity` machines in mind. A machine that fell out of the table begins with a full bucket, so that a flood of
    /// made-up addresses never keeps an honest one waiting.
    pub fn new(limit: RateLimit, capacity: usize) -> Self {
        Self {
            limit,
            buckets: Recent::new(capacity),
        }
    }

    /// Whether a request of `mac` at `now` may be answered.
    pub fn admit(&mut self, mac: MacAddr, now: Timestamp) -> bool {
        let RateLimit { burst, refill } = self.limit;
        let bucket = self.buckets.entry(mac, || Bucket {
            tokens: burst,
            refilled_at: now,
        });
        if now < bucket.refilled_at {
            // The host's clock was set back.
            bucket.refilled_at = now;
        }
        let waited = now.since(bucket.refilled_at).as_micros();
        let gained = u32::try_from(waited / refill.as_micros().max(1)).unwrap_or(u32::MAX);
        if gained > 0 {
            bucket.tokens = bucket.tokens.saturating_add(gained).min(burst);
            bucket.refilled_at = if bucket.tokens == burst {
                now
            } else {
                bucket.refilled_at.plus(refill * gained)
            };
        }
        let admitted = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        admitted
    }

    /// How many machines are in mind.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no machine is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr::from_bytes([0x52, 0x54, a, b, c, d]).unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    fn dampener() -> Dampener {
        let limit = RateLimit {
            burst: 3,
            refill: Duration::from_millis(100),
        };
        Dampener::new(limit, 1000)
    }

    #[test]
    fn a_burst_passes_and_then_one_request_per_refill() {
        let mut dampener = dampener();
        for (millis, expected) in [
            (0, true),
            (0, true),
            (0, true),
            (0, false),
            (99, false),
            (101, true),
            (102, false),
            (199, false),
            (200, true),
            (201, false),
            // A long rest fills the bucket, and no further.
            (60_000, true),
            (60_000, true),
            (60_000, true),
            (60_000, false),
        ] {
            assert_eq!(dampener.admit(mac(1), at(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn a_clock_set_back_starves_nobody() {
        let mut dampener = dampener();
        for _ in 0..5 {
            dampener.admit(mac(1), at(3_600_000));
        }
        assert!(!dampener.admit(mac(1), at(0)));
        assert!(dampener.admit(mac(1), at(101)));
    }

    #[test]
    fn a_flood_of_made_up_machines_grows_nothing_and_starves_nobody() {
        let mut dampener = dampener();
        let honest = mac(u32::MAX);
        for number in 0..100_000 {
            assert!(dampener.admit(mac(number), at(0)));
            assert!(dampener.len() <= 1000);
            if number % 20_000 == 0 {
                assert!(dampener.admit(honest, at(0)));
            }
        }
    }

    #[test]
    fn one_loud_machine_is_cut_off_amid_a_flood_that_fits_the_table() {
        let mut dampener = dampener();
        let loud = mac(u32::MAX);
        let mut admitted = 0;
        for number in 0..400 {
            dampener.admit(mac(number), at(0));
            admitted += u32::from(dampener.admit(loud, at(0)));
        }
        assert_eq!(admitted, 3);
    }
}
