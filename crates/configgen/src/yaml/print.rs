//! From document trees to text, in the layout Talos itself writes: four spaces, block style, no line folding.

use std::fmt::Write as _;

use super::mapping::Mapping;
use super::node::{Node, Scalar, Style, Value};
use super::parse::Document;
use super::resolve;

/// Indentation of one level, columns.
const INDENT: usize = 4;
/// Longest key written before a `:`; readers must accept 1024 characters, longer ones take the explicit form.
const MAX_SIMPLE_KEY: usize = 512;

/// Prints documents, parted by `---`.
pub fn print<'a>(documents: impl IntoIterator<Item = &'a Document>) -> String {
    let mut printer = Printer::default();
    for (position, document) in documents.into_iter().enumerate() {
        if position > 0 {
            printer.out.push_str("---\n");
        }
        printer.root(&document.root);
    }
    printer.out
}

/// Prints one value as a document of its own.
pub fn print_node(node: &Node) -> String {
    let mut printer = Printer::default();
    printer.root(node);
    printer.out
}

#[derive(Default)]
struct Printer {
    out: String,
}

impl Printer {
    fn root(&mut self, node: &Node) {
        if let Some(tag) = &node.tag {
            self.out.push_str(tag);
            self.out.push(if is_block(node) { '\n' } else { ' ' });
        }
        match &node.value {
            Value::Mapping(mapping) if !mapping.is_empty() => self.mapping(mapping, 0),
            Value::Sequence(items) if !items.is_empty() => self.sequence(items, 0),
            Value::Mapping(_) => self.out.push_str("{}\n"),
            Value::Sequence(_) => self.out.push_str("[]\n"),
            // On one line: where the content of a block at the root begins, readers disagree.
            Value::Scalar(scalar) => {
                self.out.push_str(&one_line(scalar));
                self.out.push('\n');
            }
        }
    }

    /// Entries at a column; the cursor stands there already for the first one.
    fn mapping(&mut self, mapping: &Mapping, column: usize) {
        for (position, entry) in mapping.iter().enumerate() {
            if position > 0 {
                self.pad(column);
            }
            let key = one_line(&entry.key);
            let child = next_stop(column);
            if key.len() <= MAX_SIMPLE_KEY {
                let _infallible = write!(self.out, "{key}:");
            } else {
                let _infallible = writeln!(self.out, "? {key}");
                self.pad(column);
                self.out.push(':');
            }
            self.tag(&entry.value);
            match &entry.value.value {
                Value::Mapping(inner) if !inner.is_empty() => {
                    self.out.push('\n');
                    self.pad(child);
                    self.mapping(inner, child);
                }
                Value::Sequence(items) if !items.is_empty() => {
                    self.out.push('\n');
                    self.pad(child);
                    self.sequence(items, child);
                }
                _ => {
                    self.spaced_inline(&entry.value, child, child - column);
                    self.out.push('\n');
                }
            }
        }
    }

    /// Items at a column; the cursor stands there already for the first one.
    fn sequence(&mut self, items: &[Node], column: usize) {
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.pad(column);
            }
            self.out.push('-');
            self.tag(item);
            // Inside an item the columns go on right behind the dash.
            let child = column + 2;
            let below = is_block(item) && item.tag.is_some();
            match &item.value {
                Value::Mapping(inner) if !inner.is_empty() => {
                    self.begin_inside(below, child);
                    self.mapping(inner, child);
                }
                Value::Sequence(inner) if !inner.is_empty() => {
                    self.begin_inside(below, child);
                    self.sequence(inner, child);
                }
                _ => {
                    self.spaced_inline(item, child, 2);
                    self.out.push('\n');
                }
            }
        }
    }

    fn begin_inside(&mut self, below: bool, column: usize) {
        if below {
            self.out.push('\n');
            self.pad(column);
        } else {
            self.out.push(' ');
        }
    }

    fn tag(&mut self, node: &Node) {
        if let Some(tag) = &node.tag {
            let _infallible = write!(self.out, " {tag}");
        }
    }

    fn spaced_inline(&mut self, node: &Node, content_column: usize, relative: usize) {
        let is_left_empty = node
            .scalar()
            .is_some_and(|it| it.style == Style::Plain && it.text.is_empty());
        if !is_left_empty {
            self.out.push(' ');
            self.inline(node, content_column, relative);
        }
    }

    /// A scalar or an empty collection at the cursor, without the line's end.
    fn inline(&mut self, node: &Node, content_column: usize, relative: usize) {
        match &node.value {
            Value::Mapping(_) => self.out.push_str("{}"),
            Value::Sequence(_) => self.out.push_str("[]"),
            Value::Scalar(scalar) => match scalar.style {
                Style::Literal | Style::Folded if resolve::is_literal_safe(&scalar.text) => {
                    self.block(scalar, content_column, relative);
                }
                _ => self.out.push_str(&one_line(scalar)),
            },
        }
    }

    fn block(&mut self, scalar: &Scalar, column: usize, relative: usize) {
        let content = scalar.text.trim_end_matches('\n');
        let folded = scalar.style == Style::Folded && is_foldable(content);
        self.out.push(if folded { '>' } else { '|' });
        if content.starts_with([' ', '\t']) {
            let _infallible = write!(self.out, "{relative}");
        }
        match scalar.text.len() - content.len() {
            0 => self.out.push('-'),
            1 => {}
            _ => self.out.push('+'),
        }
        for line in content.split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.pad(column);
                self.out.push_str(line);
            }
            // A folded block needs a blank line for each break; the last line's is taken back below.
            if folded {
                self.out.push('\n');
            }
        }
        if folded {
            self.out.pop();
        }
        for _ in 1..scalar.text.len() - content.len() {
            self.out.push('\n');
        }
    }

    fn pad(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }
}

fn is_block(node: &Node) -> bool {
    match &node.value {
        Value::Mapping(mapping) => !mapping.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        Value::Scalar(_) => false,
    }
}

fn next_stop(column: usize) -> usize {
    (column / INDENT + 1) * INDENT
}

fn is_foldable(content: &str) -> bool {
    content.split('\n').all(|line| {
        !line.is_empty() && !line.starts_with([' ', '\t']) && !line.ends_with([' ', '\t'])
    })
}

/// A scalar on one line, in its own style if that can carry it.
fn one_line(scalar: &Scalar) -> String {
    let text = &scalar.text;
    match scalar.style {
        Style::Plain if resolve::is_plain_safe(text) => text.clone(),
        Style::Single if resolve::is_printable_line(text) => single_quoted(text),
        Style::Plain if resolve::is_printable_line(text) => single_quoted(text),
        _ => double_quoted(text),
    }
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            other if resolve::is_printable(other) => out.push(other),
            other if u32::from(other) <= 0xff => {
                let _infallible = write!(out, "\\x{:02X}", u32::from(other));
            }
            other if u32::from(other) <= 0xffff => {
                let _infallible = write!(out, "\\u{:04X}", u32::from(other));
            }
            other => {
                let _infallible = write!(out, "\\U{:08X}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}
