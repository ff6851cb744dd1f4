//! What is wrong with the YAML of the config file, in the words of who writes it and not of who reads it.

/// What the reader expects in its own words, and what it is called in the file.
const EXPECTED: &[(&str, &str)] = &[
    ("a sequence", "a list, such as `[eth0]`"),
    ("a string", "a text"),
    ("path string", "a path"),
    ("u16", "a number from 0 to 65535"),
    ("u32", "a whole number, 0 or more"),
    ("struct RawConfig", "keys with their values"),
    ("struct BootPorts", "keys below it, such as `http_port: 80`"),
    (
        "struct RawAdmin",
        "keys below it, such as `listen: 127.0.0.1:8000`",
    ),
    ("struct RawTls", "keys below it, `cert` and `key`, or `{}`"),
    (
        "struct RawLoaders",
        "keys below it, such as `bios: undionly.kpxe`",
    ),
];

/// What was found, likewise.
const FOUND: &[(&str, &str)] = &[
    ("sequence", "a list"),
    ("map", "keys with their values"),
    ("string", "the text"),
    ("integer", "the number"),
    ("floating point", "the number"),
    ("boolean", "the word"),
    ("unit value", "nothing"),
];

/// What is wrong with `text`, in plain words and with its place.
pub(super) fn of_error(err: &serde_yaml::Error, text: &str) -> String {
    let mut message = err.to_string();
    if message.contains("duplicate field `") {
        // The place it gives is that of the first key beside it.
        if let Err(twice) = configgen::yaml::parse(text) {
            let at = twice.at;
            return format!("{} at line {} column {}", twice.reason, at.line, at.column);
        }
    }
    // It leaves the place out where that is the first character.
    if let Some(place) = err.location().filter(|_| !message.contains(" at line ")) {
        message = format!(
            "{message} at line {} column {}",
            place.line(),
            place.column()
        );
    }
    plain(&message)
}

/// Puts a message of the YAML reader into plain words. Where it is stays as it was said.
fn plain(message: &str) -> String {
    let (key, said) = match message.split_once(": ") {
        Some((key, said)) if !key.contains(' ') => (format!("{key}: "), said),
        _ => (String::new(), message),
    };
    let (said, place) = match said.rsplit_once(" at line ") {
        Some((said, place)) => (said, format!(" at line {place}")),
        None => (said, String::new()),
    };
    let plain = mismatch(said)
        .or_else(|| unknown(said))
        .unwrap_or_else(|| match said {
            "invalid socket address syntax" => {
                "should be an address with its port, such as 127.0.0.1:8000".to_owned()
            }
            _ => said.to_owned(),
        });
    let hint = if message.contains("cannot start any token") {
        "; indent with blanks, never with tabs, and put quotes around text that begins with a sign"
    } else {
        ""
    };
    format!("{key}{plain}{place}{hint}")
}

/// `invalid type: integer `5`, expected struct BootPorts`.
fn mismatch(said: &str) -> Option<String> {
    let said = said
        .strip_prefix("invalid type: ")
        .or_else(|| said.strip_prefix("invalid value: "))?;
    let (found, expected) = said.rsplit_once(", expected ")?;
    let named = |table: &[(&str, &'static str)], word: &str| {
        let row = table.iter().find(|(known, _)| *known == word);
        row.map(|(_, name)| *name)
    };
    let expected = named(EXPECTED, expected).unwrap_or(expected);
    let found = FOUND.iter().find_map(|(kind, name)| {
        let value = found.strip_prefix(kind)?.replace('"', "`");
        Some(format!("{name}{value}"))
    });
    Some(format!("is {}, and should be {expected}", found?))
}

/// `unknown field `tftp`, expected one of `dhcp_port`, `pxe_port``.
fn unknown(said: &str) -> Option<String> {
    let (field, known) = said
        .strip_prefix("unknown field `")?
        .split_once("`, expected ")?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let near = configgen::nearest(field, known.iter().copied());
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    Some(format!("there is no key `{field}`; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_reader_is_put_into_plain_words() {
        for (said, expected) in [
            (
                "boot: invalid type: sequence, expected struct BootPorts at line 1 column 7",
                "boot: is a list, and should be keys below it, such as `http_port: 80` at line 1 column 7",
            ),
            (
                "interfaces: invalid type: string \"eth0\", expected a sequence at line 1 column 13",
                "interfaces: is the text `eth0`, and should be a list, such as `[eth0]` at line 1 column 13",
            ),
            (
                "boot.http_port: invalid value: integer `70000`, expected u16 at line 2 column 14",
                "boot.http_port: is the number `70000`, and should be a number from 0 to 65535 at line 2 column 14",
            ),
            (
                "boot: unknown field `tftp_prt`, expected one of `dhcp_port`, `tftp_port` at line 2 column 3",
                "boot: there is no key `tftp_prt`; did you mean `tftp_port`? at line 2 column 3",
            ),
            (
                "unknown field `nonsense`, expected `cert` or `key`",
                "there is no key `nonsense`; there are cert, key",
            ),
            (
                "did not find expected ',' or ']' at line 3 column 1",
                "did not find expected ',' or ']' at line 3 column 1",
            ),
        ] {
            assert_eq!(plain(said), expected);
        }
    }
}
