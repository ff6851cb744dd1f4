//! What a plain scalar means: the resolver of Go's yaml v4, which Talos reads with, and that of YAML 1.1.

use super::node::Style;

/// The type a plain scalar resolves to under Go's yaml v4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Empty, `~`, `null`.
    Null,
    /// `true` and `false`, in three cases each.
    Bool(bool),
    /// Any integer, with `_`, in bases 2, 8, 10, 16.
    Int,
    /// A decimal fraction or power, infinity, not-a-number, or an integer beyond 64 bits.
    Float,
    /// A date, or date and time.
    Timestamp,
    /// `<<`
    Merge,
    /// Everything else.
    Str,
}

/// Resolves a plain scalar as Go's yaml v4 does.
pub fn go(text: &str) -> Resolved {
    if let Some(word) = go_word(text) {
        return word;
    }
    match text.as_bytes()[0] {
        b'.' if is_go_float(text) => Resolved::Float,
        b'0'..=b'9' | b'+' | b'-' => {
            if is_go_timestamp(text) {
                return Resolved::Timestamp;
            }
            let digits = text.replace('_', "");
            if is_go_int(&digits) {
                Resolved::Int
            } else if is_go_float(&digits) {
                Resolved::Float
            } else {
                Resolved::Str
            }
        }
        _ => Resolved::Str,
    }
}

fn go_word(text: &str) -> Option<Resolved> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => Resolved::Float,
        "<<" => Resolved::Merge,
        _ => return None,
    })
}

/// Go's `ParseInt`/`ParseUint` with base 0 after `_` was taken out: it must fit 64 bits, else it is a float or a string.
fn is_go_int(text: &str) -> bool {
    let (negative, body) = split_sign(text);
    let lower = body.to_ascii_lowercase();
    let (digits, base) = if let Some(hex) = lower.strip_prefix("0x") {
        (hex, 16)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (binary, 2)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (octal, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return false;
    }
    match u64::from_str_radix(digits, base) {
        // A sign is only known to ParseInt, which ends at 2^63.
        Ok(number) if negative => number <= 1 << 63,
        Ok(number) => !text.starts_with('+') || number < 1 << 63,
        Err(_) => false,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_go_float(text: &str) -> bool {
    let (_, body) = split_sign(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(place) => (&body[..place], Some(&body[place + 1..])),
        None => (body, None),
    };
    let mantissa_is_number = match mantissa.split_once('.') {
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && (fraction.is_empty() || is_digits(fraction)),
        None => is_digits(mantissa),
    };
    mantissa_is_number && exponent.is_none_or(|power| is_digits(split_sign(power).1))
}

/// A year, and then only what dates and times are made of. A little wider than the formats Go tries.
fn is_go_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let date_end = bytes
        .iter()
        .position(|byte| matches!(byte, b'T' | b't' | b' '))
        .unwrap_or(bytes.len());
    let parts: Vec<&str> = text[..date_end].split('-').collect();
    parts.len() == 3
        && parts[1..]
            .iter()
            .all(|part| is_digits(part) && part.len() <= 2)
        && bytes[date_end..].iter().all(|byte| {
            byte.is_ascii_digit()
                || matches!(byte, b'T' | b't' | b'Z' | b' ' | b':' | b'.' | b'-' | b'+')
        })
}

/// The words that YAML 1.1 knows as booleans and 1.2 does not; Go reads them so into boolean fields.
pub fn old_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Whether YAML 1.1 takes a plain scalar for anything but a string.
pub fn retyped_by_yaml_1_1(text: &str) -> bool {
    matches!(
        text,
        "" | "~"
            | "null"
            | "Null"
            | "NULL"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "<<"
            | "="
    ) || old_bool(text).is_some()
        || is_old_number(text)
        || is_go_timestamp(text)
}

/// Integers and floats of YAML 1.1: with `_` anywhere, octal by a leading 0, and sexagesimal (`12:30:45`).
fn is_old_number(text: &str) -> bool {
    let (_, body) = split_sign(text);
    if matches!(body, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let digits = body.replace('_', "");
    if !body.starts_with(|first: char| first.is_ascii_digit() || first == '.') || digits.is_empty()
    {
        return false;
    }
    let lower = digits.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return hex.chars().all(|digit| digit.is_ascii_hexdigit());
    }
    if let Some(binary) = lower.strip_prefix("0b") {
        return binary.chars().all(|digit| matches!(digit, '0' | '1'));
    }
    is_go_float(&digits) || is_sexagesimal(&digits)
}

fn is_sexagesimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    parts.next().is_some_and(is_digits)
        && whole.contains(':')
        && parts.all(|part| is_digits(part) && part.len() <= 2)
        && (fraction.is_empty() || is_digits(fraction))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The style in which a string stays that string under both rule sets, the one Talos itself would choose.
pub fn string_style(text: &str) -> Style {
    if text.contains('\n') && is_literal_safe(text) {
        Style::Literal
    } else if !is_printable_line(text) || text.contains('\t') || go(text) != Resolved::Str {
        Style::Double
    } else if retyped_by_yaml_1_1(text) || !is_plain_safe(text) {
        Style::Single
    } else {
        Style::Plain
    }
}

/// Whether bare text, in block context and on one line, is read back as the same text.
pub fn is_plain_safe(text: &str) -> bool {
    let mut characters = text.chars().peekable();
    let Some(first) = characters.next() else {
        return false;
    };
    let bad_first = match first {
        '-' | '?' | ':' => characters.peek().is_none_or(|next| *next == ' '),
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
        | '@' | '`' => true,
        _ => false,
    };
    !bad_first
        && is_printable_line(text)
        && !text.contains('\t')
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.contains(": ")
        && !text.contains(" #")
}

/// Whether the text can be a literal block and be read back as the same text.
pub fn is_literal_safe(text: &str) -> bool {
    let content = text.trim_end_matches('\n');
    !content.is_empty()
        && !content.ends_with([' ', '\t'])
        && content.split('\n').all(is_printable_line)
        && !content.split('\n').next().is_some_and(str::is_empty)
}

/// Whether the text is one line of characters that need no escape in any YAML version.
pub fn is_printable_line(text: &str) -> bool {
    text.chars().all(is_printable)
}

/// Printable in YAML 1.1 and 1.2 alike, no line break, no byte order mark. A tab is.
pub fn is_printable(character: char) -> bool {
    matches!(character, '\t' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}
