//! Moments, and where they come from.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ParseError;
use crate::error::serde_as_text;

/// A moment in UTC, to the microsecond. Prints as RFC 3339 with milliseconds; what lies outside the years that has, as their first or
/// last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z, between which RFC 3339 has a text for a moment.
const CALENDAR: RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

impl Timestamp {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// For people, inside a sentence: `2026-11-23 06:30 UTC`.
    pub fn minute(self) -> String {
        self.cut(16)
    }

    /// For people, in a table: `2026-11-23 06:30:01 UTC`.
    pub fn second(self) -> String {
        self.cut(19)
    }

    /// The first characters of its RFC 3339 text, as people write them.
    fn cut(self, length: usize) -> String {
        let text: String = self.to_string().chars().take(length).collect();
        text.replace('T', " ") + " UTC"
    }

    /// Whether it lies between `from` and before `until`. A clock that was set back by more than an hour since `from` tells nothing of
    /// how long ago that was, so that then it does not.
    pub fn is_within(self, from: Self, until: Self) -> bool {
        self < until && !self.is_set_back_since(from)
    }

    /// Whether the clock that shows this was set back by more than an hour since it showed `from`.
    pub fn is_set_back_since(self, from: Self) -> bool {
        const SLIP: Duration = Duration::from_secs(3600);
        self.plus(SLIP) < from
    }

    /// Whether it comes at or after `from`, and less than `span` later. Where the clock was set back behind `from`, it does not.
    pub fn is_soon_after(self, from: Self, span: Duration) -> bool {
        self >= from && self.since(from) < span
    }

    /// The moment `span` later.
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The moment `span` earlier.
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.clamp(*CALENDAR.start(), *CALENDAR.end());
        let nanos = i128::from(shown - shown.rem_euclid(1000)) * 1000;
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok());
        f.pad(&text.ok_or(fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |_| ParseError::new(text, "a time such as 2026-01-31T12:00:00Z");
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)?;
        i64::try_from(at.unix_timestamp_nanos() / 1000)
            .ok()
            .filter(|micros| CALENDAR.contains(micros))
            .map(Self)
            .ok_or_else(|| ParseError::new(text, "a time between the years 0 and 9999"))
    }
}

serde_as_text!(Timestamp);

/// Tells the time; the one door to the machine's clock.
pub trait Clock: Send + Sync + 'static {
    /// The moment of the call.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the door that all others are sent to"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the hands on by `span`.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(
            i64::try_from(span.as_micros()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }

    /// Moves the hands back by `span`, as somebody who sets a clock does.
    pub fn set_back(&self, span: Duration) {
        self.0.fetch_sub(
            i64::try_from(span.as_micros()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_is_not_soon_after() {
        let (from, span) = (Timestamp(5_000_000), Duration::from_secs(1));
        let soon = |micros| Timestamp(micros).is_soon_after(from, span);
        assert_eq!(
            [4_999_999, 5_000_000, 5_999_999, 6_000_000].map(soon),
            [false, true, true, false]
        );
    }

    #[test]
    fn prints_and_parses_rfc_3339() {
        let at: Timestamp = "2026-11-23T06:30:01.25Z".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-23T06:30:01.25Z");
        assert_eq!(
            "2026-11-23T07:30:01.25+01:00".parse::<Timestamp>().unwrap(),
            at
        );
        assert_eq!(
            at.plus(Duration::from_secs(60)).since(at),
            Duration::from_secs(60)
        );
        assert_eq!(at.since(at.plus(Duration::from_secs(60))), Duration::ZERO);
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for micros in [
            i64::MIN,
            *CALENDAR.start(),
            -1,
            0,
            *CALENDAR.end(),
            i64::MAX,
        ] {
            let text = Timestamp(micros).to_string();
            let read: Timestamp = text.parse().unwrap();
            assert_eq!(read.to_string(), text, "{micros}");
        }
        for beyond in ["0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"] {
            assert!(beyond.parse::<Timestamp>().is_err(), "{beyond}");
        }
    }

    #[test]
    fn is_short_for_people() {
        let at: Timestamp = "2026-11-23T06:30:01.25Z".parse().unwrap();
        assert_eq!(at.minute(), "2026-11-23 06:30 UTC");
        assert_eq!(at.second(), "2026-11-23 06:30:01 UTC");
    }
}
