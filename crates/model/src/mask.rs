//! Keeping secrets out of what machines say: a config's URL carries a token, and kernels print their command line.

use std::borrow::Cow;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Masks the query of every URL in `text`, and the value of every `token=`, also where it is percent-encoded.
pub fn mask_queries(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut taken = 0;
    let mut at = 0;
    while let Some(secret) = next_secret(text, at) {
        masked.push_str(&text[taken..secret.start]);
        masked.push_str(MASK);
        (taken, at) = (secret.end, secret.end);
    }
    if taken == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[taken..]);
    Cow::Owned(masked)
}

/// Where the next secret at or after `from` is.
fn next_secret(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut words = word_starts(text, from);
    words.find_map(|start| {
        let end = start + text[start..].find(ends_word).unwrap_or(text.len() - start);
        let word = &text[start..end];
        let query = word
            .find('?')
            .filter(|at| word[..*at].contains("://") || word[..*at].contains("talos.config="))
            .map(|at| at + 1);
        let token = ["token=", "token%3d", "token%3D"]
            .iter()
            .filter_map(|name| Some(word.find(name)? + name.len()))
            .min();
        let secret = match (query, token) {
            (Some(query), Some(token)) => query.min(token),
            (query, token) => query.or(token)?,
        };
        (secret < word.len()).then_some(start + secret..end)
    })
}

/// The beginnings of the words at or after `from`.
fn word_starts(text: &str, from: usize) -> impl Iterator<Item = usize> {
    let mut after_end = true;
    text[from..].char_indices().filter_map(move |(at, letter)| {
        let begins = after_end && !ends_word(letter);
        after_end = ends_word(letter);
        begins.then_some(from + at)
    })
}

/// What cannot be in a URL as a log shows it; brackets and commas can.
fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "\"'`<>".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_stays() {
        for (text, expected) in [
            ("", ""),
            ("ACPI: PRMT not present", "ACPI: PRMT not present"),
            ("why? because", "why? because"),
            (
                "Command line: talos.platform=metal talos.config=http://10.0.0.2/talos/configs/52-54-00-00-00-01.yaml?token=s3cret console=tty0",
                "Command line: talos.platform=metal talos.config=http://10.0.0.2/talos/configs/52-54-00-00-00-01.yaml?*** console=tty0",
            ),
            (
                "[talos] fetching machine config from: \"http://10.0.0.2/a.yaml?token=s3cret\"",
                "[talos] fetching machine config from: \"http://10.0.0.2/a.yaml?***\"",
            ),
            (
                "failed: Get \"http://10.0.0.2/a.yaml?h=${hostname}&token=s3cret\": dial tcp: refused (http://b/c?x=1)",
                "failed: Get \"http://10.0.0.2/a.yaml?***\": dial tcp: refused (http://b/c?***",
            ),
            (
                "talos.config=//10.0.0.2/a?k=v",
                "talos.config=//10.0.0.2/a?***",
            ),
            (
                "siderolink.api=grpc://1.2.3.4:50180?jointoken=w7uVuW3zbVKIYQuzEcyetAHeYMeo5q2L9RvkAVfCfSCD",
                "siderolink.api=grpc://1.2.3.4:50180?***",
            ),
            (
                "path=/a.yaml?x=1&token=abc rest",
                "path=/a.yaml?x=1&token=*** rest",
            ),
            ("token=abc", "token=***"),
            (
                "u=http%3A%2F%2Fa%3Ftoken%3Dabc",
                "u=http%3A%2F%2Fa%3Ftoken%3D***",
            ),
            ("http://a/b?", "http://a/b?"),
            ("ü http://ä/?ö=ü é", "ü http://ä/?*** é"),
            (
                "a http://a/?x=1, http://b/?y=2",
                "a http://a/?*** http://b/?***",
            ),
        ] {
            assert_eq!(mask_queries(text), expected, "{text}");
            assert_eq!(
                mask_queries(expected),
                expected,
                "masking again: {expected}"
            );
        }
    }
}
