//! What Talos sends as its kernel log (`talos.logging.kernel`): one JSON object per line or datagram.

use std::borrow::Cow;

use model::{KernelLogLevel, KernelLogLine};
use serde::Deserialize;

/// The longest line that is read, in bytes. The kernel's own records are at most 8 KiB; escapes make them longer.
pub const LONGEST_LINE: usize = 32 * 1024;

/// Why a line was refused.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is longer than [`LONGEST_LINE`].
    #[error("the line has {0} bytes, more than {LONGEST_LINE}")]
    TooLong(usize),
    /// It is not the JSON object that Talos sends.
    #[error("the line is not a JSON object of a kernel log: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// The object, as far as it matters here; other keys are passed over, and of those named only the text has to be there.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    msg: Cow<'a, str>,
    #[serde(default)]
    clock: i64,
    #[serde(borrow, default)]
    facility: Cow<'a, str>,
    #[serde(borrow, default)]
    priority: Cow<'a, str>,
    #[serde(default)]
    seq: u64,
    #[serde(borrow, default, rename = "talos-level")]
    level: Cow<'a, str>,
    #[serde(borrow, default, rename = "talos-time")]
    time: Cow<'a, str>,
}

/// Reads one line; a line feed at its end is passed over.
pub fn parse(line: &[u8]) -> Result<KernelLogLine, Malformed> {
    if line.len() > LONGEST_LINE {
        return Err(Malformed::TooLong(line.len()));
    }
    let wire: Wire<'_> = serde_json::from_slice(line)?;
    Ok(KernelLogLine {
        message: wire.msg.trim_end_matches('\n').to_owned(),
        at: wire.time.parse().ok(),
        level: wire.level.parse().unwrap_or(KernelLogLevel::Info),
        facility: wire.facility.into_owned(),
        priority: wire.priority.into_owned(),
        sequence: wire.seq,
        clock_us: wire.clock,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_read_key_by_key() {
        let line = br#"{"clock":6252819,"extra":{"a":[1]},"facility":"user","msg":"[talos] a \"b\" \u0026 c\n K=v\n","priority":"warning","seq":4294967301,"talos-level":"warn","talos-time":"2026-03-11T09:14:04.571083917Z"}"#;
        let expected = KernelLogLine {
            message: "[talos] a \"b\" & c\n K=v".to_owned(),
            at: Some("2026-03-11T09:14:04.571083Z".parse().unwrap()),
            level: KernelLogLevel::Warn,
            facility: "user".to_owned(),
            priority: "warning".to_owned(),
            sequence: 4_294_967_301,
            clock_us: 6_252_819,
        };
        assert_eq!(parse(line).unwrap(), expected);
        assert_eq!(parse(&[line, &b"\n"[..]].concat()).unwrap(), expected);
        assert_eq!(expected.talos_text(), Some("a \"b\" & c\n K=v"));
    }

    #[test]
    fn only_the_text_has_to_be_there() {
        let line = parse(br#"{"msg":"","talos-time":"yesterday","talos-level":"loud"}"#).unwrap();
        assert_eq!(
            (line.at, line.level, line.sequence),
            (None, KernelLogLevel::Info, 0)
        );
        for refused in [
            &b""[..],
            b"null",
            b"[]",
            b"{}",
            br#"{"msg":1}"#,
            br#"{"msg":"a","seq":-1}"#,
            br#"{"msg":"a""#,
            b"{\"msg\":\"\xff\"}",
            br#"{"msg":"a"} {"msg":"b"}"#,
        ] {
            assert!(parse(refused).is_err(), "{}", refused.escape_ascii());
        }
        let long = format!(r#"{{"msg":"{}"}}"#, "a".repeat(LONGEST_LINE));
        assert!(matches!(parse(long.as_bytes()), Err(Malformed::TooLong(_))));
    }

    #[test]
    fn no_nesting_is_too_deep() {
        let line = format!(r#"{{"x":{}"#, "[".repeat(20_000));
        assert!(parse(line.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_text_comes_through(text in any::<String>(), sequence: u64, clock: i64) {
            let line = serde_json::json!({"msg": text, "seq": sequence, "clock": clock});
            let read = parse(line.to_string().as_bytes()).unwrap();
            prop_assert_eq!(read.message, text.trim_end_matches('\n'));
            prop_assert_eq!((read.sequence, read.clock_us), (sequence, clock));
        }
    }
}
