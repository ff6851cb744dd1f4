//! The `Range` request header (RFC 9110 section 14.2): one range of bytes, as loaders that resume a transfer ask for it.

/// What of a file a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All of it, with status 200.
    Whole,
    /// The bytes `first` to `last`, both counted from 0 and both included, with status 206.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// A range that begins after the end, with status 416.
    Unsatisfiable,
}

impl Range {
    /// Reads the header of a GET for a file of `len` bytes.
    ///
    /// Other units, several ranges and malformed ones are ignored, as section 14.2 allows: the answer is the whole file.
    pub fn read(header: &str, len: u64) -> Self {
        let Some(spec) = one_range_of_bytes(header) else {
            return Self::Whole;
        };
        let Some((first, last)) = spec.split_once('-') else {
            return Self::Whole;
        };
        match (position(first), position(last)) {
            (Position::Number(first), Position::Number(last)) if last < first => Self::Whole,
            (Position::Number(first), Position::Number(last)) => Self::part(first, last, len),
            (Position::Number(first), Position::Absent) => Self::part(first, u64::MAX, len),
            // The last `count` bytes.
            (Position::Absent, Position::Number(0)) => Self::Unsatisfiable,
            (Position::Absent, Position::Number(count)) => {
                Self::part(len.saturating_sub(count), u64::MAX, len)
            }
            _ => Self::Whole,
        }
    }

    fn part(first: u64, last: u64, len: u64) -> Self {
        if first < len {
            Self::Part {
                first,
                last: last.min(len - 1),
            }
        } else {
            Self::Unsatisfiable
        }
    }

    /// The `Content-Range` of the answer (section 14.4), which a whole file has none of.
    pub fn content_range(self, len: u64) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Part { first, last } => Some(format!("bytes {first}-{last}/{len}")),
            Self::Unsatisfiable => Some(format!("bytes */{len}")),
        }
    }
}

/// What follows `bytes=`, if it is one range; the unit is case-insensitive (section 14.1).
fn one_range_of_bytes(header: &str) -> Option<&str> {
    let (unit, ranges) = header.split_once('=')?;
    // An empty member of a list counts for nothing (section 5.6.1.2).
    let mut ranges = ranges
        .split(',')
        .map(|range| range.trim_matches([' ', '\t']))
        .filter(|range| !range.is_empty());
    let range = ranges.next()?;
    (unit.eq_ignore_ascii_case("bytes") && ranges.next().is_none()).then_some(range)
}

/// One end of a range as it is written.
enum Position {
    Absent,
    Number(u64),
    Malformed,
}

fn position(text: &str) -> Position {
    if text.is_empty() {
        Position::Absent
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        // A number too large for any file lies after the end of every file.
        Position::Number(text.parse().unwrap_or(u64::MAX))
    } else {
        Position::Malformed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_one_range_and_ignores_what_is_none() {
        use Range::{Part, Unsatisfiable, Whole};
        for (header, expected) in [
            ("bytes=0-0", Part { first: 0, last: 0 }),
            ("bytes=0-", Part { first: 0, last: 99 }),
            (
                "Bytes=10-19",
                Part {
                    first: 10,
                    last: 19,
                },
            ),
            (
                "bytes=10-1000",
                Part {
                    first: 10,
                    last: 99,
                },
            ),
            (
                "bytes=99-",
                Part {
                    first: 99,
                    last: 99,
                },
            ),
            (
                "bytes=-1",
                Part {
                    first: 99,
                    last: 99,
                },
            ),
            ("bytes=-1000", Part { first: 0, last: 99 }),
            ("bytes= 5-6 ,", Part { first: 5, last: 6 }),
            ("bytes=0-99999999999999999999", Part { first: 0, last: 99 }),
            ("bytes=100-", Unsatisfiable),
            ("bytes=99999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1", Whole),
            ("bytes=0-1,5-6", Whole),
            ("blocks=0-1", Whole),
            ("bytes=1-2-3", Whole),
        ] {
            assert_eq!(Range::read(header, 100), expected, "{header}");
        }
        assert_eq!(Range::read("bytes=0-", 0), Unsatisfiable);
        assert_eq!(Range::read("bytes=-5", 0), Unsatisfiable);
    }

    #[test]
    fn tells_where_a_part_lies() {
        let part = Range::read("bytes=-10", 100);
        assert_eq!(part.content_range(100).as_deref(), Some("bytes 90-99/100"));
        let none = Range::read("bytes=100-", 100);
        assert_eq!(none.content_range(100).as_deref(), Some("bytes */100"));
        assert_eq!(Range::Whole.content_range(100), None);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_of_its_file(header in "(bytes=)?[0-9,\\- ]{0,24}", len: u64) {
            if let Range::Part { first, last } = Range::read(&header, len) {
                prop_assert!(first <= last && last < len);
            }
        }
    }
}
