//! PEM text (RFC 7468), read as leniently as Go's `encoding/pem` does and written as it writes.

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// The first block of a text: its label and content. Text around it is skipped.
pub(crate) fn decode(text: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(
        body.bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect(),
    );
    Some((label, Zeroizing::new(BASE64.decode(&digits).ok()?)))
}

/// One block, in lines of 64, with a newline at the end.
pub(crate) fn encode(label: &str, content: &[u8]) -> String {
    let digits = Zeroizing::new(BASE64.encode(content));
    let mut text = String::with_capacity(digits.len() * 66 / 64 + 2 * label.len() + 40);
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for start in (0..digits.len()).step_by(64) {
        text.push_str(&digits[start..digits.len().min(start + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
