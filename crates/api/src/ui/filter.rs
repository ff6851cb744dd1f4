//! The filters of the templates: what a template has as data, written for people.

use std::collections::BTreeMap;

use tera::{Kwargs, Tera};

/// Makes them known to `tera`, in which templates name them.
pub(super) fn register(tera: &mut Tera) {
    tera.register_filter("moment", |at: &str, _: Kwargs, _: &tera::State<'_>| {
        moment(at)
    });
    tera.register_filter("size", |bytes: u64, _: Kwargs, _: &tera::State<'_>| {
        size(bytes)
    });
    tera.register_filter("took", |micros: u64, _: Kwargs, _: &tera::State<'_>| {
        took(micros)
    });
    tera.register_filter("words", |word: &str, _: Kwargs, _: &tera::State<'_>| {
        word.replace('_', " ")
    });
    tera.register_filter("actor", |actor: &str, _: Kwargs, _: &tera::State<'_>| {
        actor.trim_start_matches("person:").to_owned()
    });
    tera.register_filter("query", |text: &str, _: Kwargs, _: &tera::State<'_>| {
        form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
    });
    tera.register_filter("lines", |diff: &str, _: Kwargs, _: &tera::State<'_>| {
        lines(diff)
    });
    tera.register_filter("spans", |text: &str, _: Kwargs, _: &tera::State<'_>| {
        spans(text)
    });
}

/// `2026-11-23 07:00:00 UTC` of an RFC 3339 moment in UTC.
fn moment(at: &str) -> String {
    let text: String = at.chars().take(19).collect();
    text.replace('T', " ") + " UTC"
}

/// A message in its parts, of which every second one is code: messages quote with backticks, as on the command line.
fn spans(text: &str) -> tera::Value {
    let parts: Vec<&str> = match text.matches('`').count() % 2 {
        0 => text.split('`').collect(),
        _ => vec![text],
    };
    let span = |(at, text)| serde_json::json!({"is_code": at % 2 == 1, "text": text});
    let spans: Vec<_> = parts.into_iter().enumerate().map(span).collect();
    tera::Value::from_serializable(&spans)
}

/// The lines of a unified diff, each with its first letter: what tells an added line from one that was taken away.
fn lines(diff: &str) -> tera::Value {
    let line = |text: &str| {
        let sign: String = text.chars().take(1).collect();
        BTreeMap::from([("sign", sign), ("text", text.to_owned())])
    };
    tera::Value::from_serializable(&diff.lines().map(line).collect::<Vec<_>>())
}

/// A length for people, rounded as on the command line: `712 B`, `21.45 MiB`.
fn size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.2} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

/// A duration for people, of microseconds: `3 ms`, `4.2 s`, `2 min 5 s`.
fn took(micros: u64) -> String {
    match micros {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => {
            format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000)
        }
        60_000_000..3_600_000_000 => format!(
            "{} min {} s",
            micros / 60_000_000,
            micros % 60_000_000 / 1_000_000
        ),
        _ => format!(
            "{} h {} min",
            micros / 3_600_000_000,
            micros % 3_600_000_000 / 60_000_000
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(moment("2026-11-23T07:00:00.25Z"), "2026-11-23 07:00:00 UTC");
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.50 KiB"),
            (64 << 20, "64.00 MiB"),
            (11_733_566, "11.19 MiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (micros, text) in [
            (0, "0 s"),
            (7, "7 µs"),
            (2_500, "2 ms"),
            (4_250_000, "4.2 s"),
            (125_000_000, "2 min 5 s"),
            (7_260_000_000, "2 h 1 min"),
        ] {
            assert_eq!(took(micros), text);
        }
    }

    #[test]
    fn what_a_message_quotes_is_code() {
        for (text, expected) in [
            ("plain", &[("plain", false)][..]),
            (
                "see `ktizo status` first",
                &[("see ", false), ("ktizo status", true), (" first", false)],
            ),
            ("a lone ` stays", &[("a lone ` stays", false)]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(text, is_code)| serde_json::json!({"is_code": is_code, "text": text}))
                .collect();
            let spans = serde_json::to_value(spans(text)).unwrap();
            assert_eq!(spans, serde_json::json!(expected), "{text}");
        }
    }
}
