//! Expressions that select disks and links, in the Common Expression Language: enough of it to find mistakes.

/// The fields of `disk` (`pkg/machinery/cel/celenv`).
const DISK_FIELDS: [&str; 18] = [
    "size",
    "pretty_size",
    "io_size",
    "sector_size",
    "readonly",
    "model",
    "serial",
    "modalias",
    "wwid",
    "uuid",
    "bus_path",
    "sub_system",
    "transport",
    "rotational",
    "cdrom",
    "dev_path",
    "symlinks",
    "secondary_disks",
];
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// A string literal.
pub(crate) fn string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The disk with a path.
pub(crate) fn disk_at(path: &str) -> String {
    format!("disk.dev_path == {}", string(path))
}

/// What is wrong with an expression, if anything can be said to be.
pub(crate) fn problem(expression: &str) -> Option<String> {
    let tokens = match lex(expression) {
        Ok(tokens) => tokens,
        Err(reason) => return Some(reason),
    };
    let mut parser = Parser {
        tokens: &tokens,
        place: 0,
        depth: 0,
    };
    match parser.expression() {
        Err(reason) => Some(reason),
        Ok(()) if parser.place < tokens.len() => {
            Some(format!("`{}` is one too many", tokens[parser.place].text))
        }
        Ok(()) => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Name,
    Literal,
    Sign,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

fn lex(text: &str) -> Result<Vec<Token<'_>>, String> {
    const LONG: [&str; 6] = ["&&", "||", "==", "!=", "<=", ">="];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (kind, length) = if let Some(length) = literal_string(rest)? {
            (Kind::Literal, length)
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            (Kind::Literal, number_length(rest))
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            (Kind::Name, end)
        } else if LONG.iter().any(|sign| rest.starts_with(sign)) {
            (Kind::Sign, 2)
        } else if "!<>+-*/%()[]{}.,?:".contains(first) {
            (Kind::Sign, 1)
        } else {
            return Err(format!("`{}` has no meaning here", first.escape_default()));
        };
        tokens.push(Token {
            kind,
            text: &rest[..length],
        });
        rest = rest[length..].trim_start();
    }
    if tokens.is_empty() {
        Err("the expression is empty".to_owned())
    } else {
        Ok(tokens)
    }
}

/// The length of the string literal a text begins with, prefixes `r` and `b` included.
fn literal_string(text: &str) -> Result<Option<usize>, String> {
    let prefix = text
        .find(|c: char| !"rRbB".contains(c))
        .unwrap_or(text.len());
    let body = &text[prefix..];
    let Some(quote) = body.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Ok(None);
    };
    if prefix > 2 {
        return Ok(None);
    }
    let is_raw = text[..prefix].contains(['r', 'R']);
    let triple = quote.to_string().repeat(3);
    let close = if body.starts_with(&triple) {
        triple
    } else {
        quote.to_string()
    };
    let mut place = prefix + close.len();
    while place < text.len() {
        if text[place..].starts_with(&close) {
            return Ok(Some(place + close.len()));
        }
        let character = text[place..].chars().next().map_or(1, char::len_utf8);
        place += character;
        if !is_raw && text[place - character..].starts_with('\\') {
            place += text
                .get(place..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8);
        }
    }
    Err("a text in quotes is not closed".to_owned())
}

fn number_length(text: &str) -> usize {
    let mut previous = ' ';
    for (place, character) in text.char_indices() {
        let is_sign_of_power = matches!(character, '+' | '-')
            && matches!(previous, 'e' | 'E')
            && !text.starts_with("0x");
        if !character.is_ascii_alphanumeric() && character != '.' && !is_sign_of_power {
            return place;
        }
        previous = character;
    }
    text.len()
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    place: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens
            .get(self.place)
            .filter(|token| token.kind != Kind::Literal)
            .map(|token| token.text)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = self.peek() == Some(sign);
        self.place += usize::from(found);
        found
    }

    fn wants(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(format!("a `{sign}` is missing"))
        }
    }

    fn expression(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the expression is nested too deeply".to_owned());
        }
        self.operands()?;
        if self.takes("?") {
            self.expression()?;
            self.wants(":")?;
            self.expression()?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Operands between binary operators; what binds tighter does not matter for finding mistakes.
    fn operands(&mut self) -> Result<(), String> {
        loop {
            while self.takes("!") || self.takes("-") {}
            self.member()?;
            const BINARY: [&str; 14] = [
                "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "in",
            ];
            if !BINARY.iter().any(|operator| self.takes(operator)) {
                return Ok(());
            }
        }
    }

    fn member(&mut self) -> Result<(), String> {
        let Some(token) = self.tokens.get(self.place) else {
            return Err("it ends where a value is expected".to_owned());
        };
        self.place += 1;
        match (token.kind, token.text) {
            (Kind::Literal, _) => {}
            (Kind::Name, "disk") => self.field_of_disk()?,
            (Kind::Name, _) => {
                if self.takes("(") {
                    self.list(")")?;
                }
            }
            (Kind::Sign, "(") => {
                self.expression()?;
                self.wants(")")?;
            }
            (Kind::Sign, "[") => self.list("]")?,
            (Kind::Sign, "{") => self.list("}")?,
            (Kind::Sign, sign) => return Err(format!("`{sign}` stands where a value is expected")),
        }
        loop {
            if self.takes(".") {
                self.name()?;
                if self.takes("(") {
                    self.list(")")?;
                }
            } else if self.takes("[") {
                self.expression()?;
                self.wants("]")?;
            } else {
                return Ok(());
            }
        }
    }

    fn field_of_disk(&mut self) -> Result<(), String> {
        if !self.takes(".") {
            return Ok(());
        }
        let field = self.name()?;
        if DISK_FIELDS.contains(&field) {
            return Ok(());
        }
        Err(format!(
            "a disk has no `{field}`; it has {}",
            DISK_FIELDS.join(", ")
        ))
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let token = self
            .tokens
            .get(self.place)
            .filter(|token| token.kind == Kind::Name);
        self.place += 1;
        token
            .map(|token| token.text)
            .ok_or_else(|| "a name is missing after `.`".to_owned())
    }

    /// Comma-separated values, with `key: value` in mappings, until the closing sign.
    fn list(&mut self, close: &str) -> Result<(), String> {
        while !self.takes(close) {
            self.expression()?;
            if close == "}" {
                self.wants(":")?;
                self.expression()?;
            }
            if !self.takes(",") {
                return self.wants(close);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_expressions_have_no_problem() {
        for good in [
            "system_disk",
            "!system_disk",
            "disk.transport == \"nvme\" && !disk.rotational",
            "disk.size > 100u * GB && disk.size < 1u*TB",
            "glob(\"/pci*\", disk.bus_path) || disk.serial in ['a', \"b\"]",
            "mac(link.permanent_addr) == \"52:54:00:aa:bb:01\"",
            "disk.model.startsWith(r'x\\y') ? true : (1.5e-3 >= -2)",
            "volume.partition_label == 'x' && disk.symlinks.exists(s, s == \"/dev/x\")",
            "{\"a\": 1, 'b': [2,]}[\"a\"] == 0x1F",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
        assert_eq!(problem(&disk_at("/dev/\"\\")), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (wrong, part) in [
            ("", "empty"),
            ("disk.bogus == 1", "a disk has no `bogus`"),
            ("disk.size >", "ends where"),
            ("(disk.size", "`)` is missing"),
            ("disk.size == 1 2", "one too many"),
            ("disk.model == \"x", "not closed"),
            ("disk.size = 1", "`=` has no meaning"),
            ("&& true", "stands where a value"),
            ("disk.", "a name is missing"),
        ] {
            let found = problem(wrong).unwrap_or_default();
            assert!(found.contains(part), "{wrong}: {found}");
        }
        assert!(problem(&"(".repeat(500)).is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_crash(text in "[a-z_.()\\[\\]{}!&|=<>\"'\\\\0-9 ,?:u+*é-]{0,40}") {
            let _verdict = problem(&text);
        }

        #[test]
        fn any_string_is_one_literal(text in "\\PC{0,20}") {
            prop_assert_eq!(problem(&format!("disk.model == {}", string(&text))), None);
        }
    }
}
