//! Makes any text harmless inside an iPXE script.

use std::io;

/// Writes `text` so that iPXE takes it as plain words of one line: no line end, no `${}` expansion, no quote, no comment, and no
/// `||`, `&&` or `;` that would begin another command. What is not printable ASCII becomes `?`, for firmware consoles print nothing
/// else reliably.
///
/// A single `&` joins the parts of a URL's query and is no operator to iPXE, so it stays; two or more in a row become one.
pub(super) fn escape(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let mut kept = Vec::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != '\r') {
        match c {
            ' '..='~'
                if !matches!(
                    c,
                    '$' | '#' | '"' | '\'' | '\\' | '|' | ';' | '`' | '{' | '}'
                ) =>
            {
                if !(c == '&' && kept.last() == Some(&b'&')) {
                    kept.push(c as u8);
                }
            }
            _ => kept.push(b'?'),
        }
    }
    out.write_all(&kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keeps_plain_words_and_urls() {
        for text in [
            "Dell Inc. PowerEdge R640",
            "http://10.0.0.2:8080/boot/52-54-00-00-00-01?a=1&b=2",
        ] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn breaks_every_way_out_of_a_line() {
        for (text, expected) in [
            ("a\nreboot", "a?reboot"),
            ("a\r\nreboot", "a?reboot"),
            ("a || reboot", "a ?? reboot"),
            ("a && reboot", "a & reboot"),
            ("a ; reboot", "a ? reboot"),
            ("${cls}", "??cls?"),
            ("# x", "? x"),
            ("\"a'\\", "?a??"),
            ("Gerät", "Ger?t"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
