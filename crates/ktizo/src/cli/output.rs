//! How answers are printed.

use std::io::{self, Write as _};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use model::Timestamp;
use serde::Serialize;

use super::Failure;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// As the API gave it.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Output {
    /// Prints `value`; as a table, what `table` makes of it.
    pub fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self {
            Self::Table => table(value),
            Self::Json => serde_json::to_string_pretty(value)
                .map_err(|err| Failure::Local(err.to_string()))?,
            Self::Yaml => {
                serde_yaml::to_string(value).map_err(|err| Failure::Local(err.to_string()))?
            }
        };
        say(text.trim_end())
    }
}

/// Writes a line to standard output.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Unread),
        done => Ok(done?),
    }
}

/// A text of the network's without what a terminal takes for a command: machines say of themselves what they like.
pub(super) fn printable(text: &str) -> String {
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(plain).collect()
}

/// A table without lines, as `kubectl` prints it; `empty` is said where there are no rows.
pub(super) fn columns(head: &[&str], rows: Vec<Vec<String>>, empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(head.iter().map(|word| word.to_uppercase()));
    let shown = |row: Vec<String>| row.iter().map(|cell| printable(cell)).collect();
    table.add_rows(rows.into_iter().map(shown).collect::<Vec<Vec<String>>>());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Names and values in two columns; values that are empty are left out.
pub(super) fn fields(rows: &[(&str, String)]) -> String {
    let wide = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:wide$}  {}", printable(value));
    rows.iter()
        .filter(|(_, value)| !value.is_empty())
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The text of a value that may be absent.
pub(super) fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// The text of a value that may be absent, which a list of fields then leaves out.
pub(super) fn or_nothing<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

/// A moment in a table, or a dash.
pub(super) fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), Timestamp::second)
}

/// A moment in a list of fields, which leaves it out where there is none.
pub(super) fn when_known(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, Timestamp::second)
}

/// A number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_says_is_no_command_for_a_terminal() {
        let hostile = "failed\u{1b}]0;owned\u{7}\u{9b}2J\r";
        for shown in [
            columns(&["what"], vec![vec![hostile.to_owned()]], "nothing"),
            fields(&[("error", hostile.to_owned())]),
        ] {
            assert!(shown.contains("failed]0;owned2J"), "{shown:?}");
            assert!(
                !shown.contains(['\u{1b}', '\u{7}', '\u{9b}', '\r']),
                "{shown:?}"
            );
        }
    }
}
