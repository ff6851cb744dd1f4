//! How much one address may send, kept in a table that no flood can grow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use model::Timestamp;

use super::dampen::RateLimit;

/// A limit for each address: it may send a burst, and from then on one more at each refill.
#[derive(Debug)]
pub struct Allowances {
    limit: RateLimit,
    half: usize,
    /// Two generations: when the young one is full it becomes the old one, and what is in that and silent is forgotten.
    young: HashMap<IpAddr, Account>,
    old: HashMap<IpAddr, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    /// When all that was sent is made up for.
    even: Timestamp,
    /// When it was last looked at.
    seen: Timestamp,
}

impl Allowances {
    /// Keeps about `capacity` addresses in mind.
    pub fn new(limit: RateLimit, capacity: usize) -> Self {
        Self {
            limit,
            half: (capacity / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// Whether `peer` may send one more at `now`; if so, it is charged for it.
    pub fn admit(&mut self, peer: IpAddr, now: Timestamp) -> bool {
        let RateLimit { burst, refill } = self.limit;
        let ahead = refill.saturating_mul(burst.saturating_sub(1));
        let account = self.account(peer, now);
        if account.even.since(now) > ahead {
            return false;
        }
        account.even = account.even.plus(refill);
        true
    }

    /// Charges `peer` for `count` that it has sent, and tells how long it has to be kept waiting before it sends more.
    pub fn charge(&mut self, peer: IpAddr, count: u32, now: Timestamp) -> Duration {
        let RateLimit { burst, refill } = self.limit;
        let account = self.account(peer, now);
        account.even = account.even.plus(refill.saturating_mul(count));
        account
            .even
            .since(now)
            .saturating_sub(refill.saturating_mul(burst))
    }

    /// The account of `peer`, where time that has passed is made up for.
    fn account(&mut self, peer: IpAddr, now: Timestamp) -> &mut Account {
        let kept = self.old.remove(&peer);
        if !self.young.contains_key(&peer) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let fresh = Account {
            even: now,
            seen: now,
        };
        let account = self
            .young
            .entry(peer)
            .or_insert_with(|| kept.unwrap_or(fresh));
        if now < account.seen {
            // The host's clock was set back: what is owed stays as much.
            account.even = now.plus(account.even.since(account.seen));
        }
        account.seen = now;
        account.even = account.even.max(now);
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    fn allowances() -> Allowances {
        let limit = RateLimit {
            burst: 3,
            refill: Duration::from_millis(100),
        };
        Allowances::new(limit, 100)
    }

    #[test]
    fn a_burst_passes_and_then_one_per_refill() {
        let mut allowances = allowances();
        for (millis, expected) in [
            (0, true),
            (0, true),
            (0, true),
            (0, false),
            (99, false),
            (100, true),
            (101, false),
            (200, true),
            (60_000, true),
            (60_000, true),
            (60_000, true),
            (60_000, false),
            // The host's clock is set back.
            (0, false),
            (99, false),
            (100, true),
        ] {
            assert_eq!(allowances.admit(PEER, at(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn who_sent_too_much_waits_for_it() {
        let mut allowances = allowances();
        for (count, millis, wait) in [
            (3, 0, 0),
            (1, 0, 100),
            (1, 100, 100),
            (0, 250, 0),
            (5, 60_000, 200),
            (1000, 60_000, 100_200),
            (0, 0, 100_200),
        ] {
            let waits = allowances.charge(PEER, count, at(millis));
            assert_eq!(waits, Duration::from_millis(wait), "{count} at {millis}");
        }
    }

    #[test]
    fn a_flood_of_addresses_grows_nothing_and_starves_nobody() {
        let mut allowances = allowances();
        for number in 0..10_000_u32 {
            assert!(allowances.admit(IpAddr::from(number.to_be_bytes()), at(0)));
            assert!(allowances.young.len() + allowances.old.len() <= 100);
        }
        assert!(allowances.admit(PEER, at(0)));
    }

    #[test]
    fn one_loud_address_is_cut_off_amid_others() {
        let mut allowances = allowances();
        let mut admitted = 0;
        for number in 0..40_u32 {
            allowances.admit(IpAddr::from(number.to_be_bytes()), at(0));
            admitted += u32::from(allowances.admit(PEER, at(0)));
        }
        assert_eq!(admitted, 3);
    }
}
