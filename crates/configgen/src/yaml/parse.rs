//! From text to document trees: parser events in, aliases and merge keys expanded within a budget.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::mapping::{Entry, Mapping};
use super::node::{Extent, Node, Position, Scalar, Style, Value};

/// Longest text that is read, bytes.
const MAX_BYTES: usize = 8 << 20;
/// Deepest nesting; machine configs stay below 20.
pub(crate) const MAX_DEPTH: usize = 96;
/// Most nodes of all documents, expanded aliases counted each time.
pub(crate) const MAX_NODES: usize = 250_000;
/// Most bytes of all scalars, expanded aliases counted each time.
const MAX_EXPANDED: usize = 2 * MAX_BYTES;

/// One document of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its value.
    pub root: Node,
    /// Line on which it starts, from 1; 0 if it was made here.
    pub line: usize,
}

impl Document {
    /// A document made here.
    pub fn new(root: Node) -> Self {
        Self { root, line: 0 }
    }
}

/// Text that is not YAML, or that this reader refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct ParseError {
    /// Where.
    pub at: Position,
    /// What is wrong; never quotes a value, which may be a secret.
    pub reason: String,
}

/// Reads all documents of a text; empty ones are left out.
///
/// # Errors
/// The first place that is not YAML, has a key twice, a key that is not a scalar, an unknown anchor, or exceeds the limits
/// of size, depth and expansion.
pub fn parse(text: &str) -> Result<Vec<Document>, ParseError> {
    if text.len() > MAX_BYTES {
        let reason = format!(
            "the text has {} bytes, more than the {MAX_BYTES} that are read",
            text.len()
        );
        return Err(ParseError {
            at: Position::NONE,
            reason,
        });
    }
    if let Some(place) = text.find('\0') {
        let line = text[..place].matches('\n').count() + 1;
        return Err(ParseError {
            at: Position { line, column: 1 },
            reason: "a zero byte is not YAML".to_owned(),
        });
    }
    Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        spent: Extent::default(),
    }
    .stream()
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Finished anchored nodes of this document, with their sizes.
    anchors: HashMap<usize, (Node, Extent)>,
    spent: Extent,
}

impl<'a> Builder<'a> {
    fn stream(mut self) -> Result<Vec<Document>, ParseError> {
        let mut documents = Vec::new();
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    let (first, at) = self.next()?;
                    let root = self.node(first, at, 0)?;
                    let line = if root.at.line > 0 {
                        root.at.line
                    } else {
                        span.start.line()
                    };
                    let is_empty = root.tag.is_none() && root.scalar().is_some_and(is_empty_plain);
                    if !is_empty {
                        documents.push(Document { root, line });
                    }
                }
                Event::StreamEnd => return Ok(documents),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), ParseError> {
        match self.parser.next_event() {
            Some(result) => result.map_err(|error| scan_error(&error)),
            None => Err(ParseError {
                at: Position::NONE,
                reason: "the text ends too early".to_owned(),
            }),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, ParseError> {
        let at = position(span);
        if depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.spend(Extent { nodes: 1, bytes: 0 }, at)?;
        let (anchor, tag, value) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            Event::Scalar(text, style, anchor, tag) => (
                anchor,
                tag,
                Value::Scalar(Scalar {
                    text: text.into_owned(),
                    style: own_style(style),
                }),
            ),
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                (anchor, tag, Value::Sequence(items))
            }
            Event::MappingStart(anchor, tag) => (anchor, tag, Value::Mapping(self.mapping(depth)?)),
            _ => return Err(error(at, "a value is missing".to_owned())),
        };
        let node = Node {
            value,
            tag: tag.map(|tag| printed_tag(&tag)),
            at,
        };
        if anchor > 0 {
            // What is kept for aliases is a copy as well.
            let extent = node.extent();
            self.spend(extent, at)?;
            self.anchors.insert(anchor, (node.clone(), extent));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: Position, depth: usize) -> Result<Node, ParseError> {
        let Some((_, extent)) = self.anchors.get(&anchor) else {
            return Err(error(
                at,
                "this alias stands inside its own anchor, or names one of another document"
                    .to_owned(),
            ));
        };
        self.spend(*extent, at)?;
        let (mut node, _) = self.anchors[&anchor].clone();
        if depth + node.depth() > MAX_DEPTH {
            return Err(too_deep(at));
        }
        node.at = at;
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Mapping, ParseError> {
        let mut entries = Vec::new();
        let mut merges = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let at = key.at;
            let scalar = key_scalar(key)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if scalar.style == Style::Plain && scalar.text == "<<" {
                merges.push((entries.len(), value));
                continue;
            }
            if !seen.insert(scalar.text.clone()) {
                return Err(error(
                    at,
                    format!("the key `{}` stands here for the second time", scalar.text),
                ));
            }
            entries.push(Entry {
                key: scalar,
                at,
                value,
            });
        }
        for (place, value) in merges.into_iter().rev() {
            let merged = merged_entries(value, &mut seen)?;
            entries.splice(place..place, merged);
        }
        Ok(Mapping::from_entries(entries))
    }

    fn spend(&mut self, extent: Extent, at: Position) -> Result<(), ParseError> {
        self.spent = self.spent.and(extent);
        if self.spent.nodes > MAX_NODES {
            return Err(error(
                at,
                format!("more than {MAX_NODES} values, aliases expanded"),
            ));
        }
        if self.spent.bytes > MAX_EXPANDED {
            return Err(error(
                at,
                format!("more than {MAX_EXPANDED} bytes, aliases expanded"),
            ));
        }
        Ok(())
    }
}

/// The entries that `<<` adds: those whose keys are not set yet; of several mappings the first that has a key wins.
fn merged_entries(value: Node, seen: &mut HashSet<String>) -> Result<Vec<Entry>, ParseError> {
    let at = value.at;
    let sources = match value.value {
        Value::Mapping(mapping) => vec![mapping],
        Value::Sequence(items) => items
            .into_iter()
            .map(|item| match item.value {
                Value::Mapping(mapping) => Ok(mapping),
                Value::Scalar(_) | Value::Sequence(_) => {
                    Err(error(item.at, "`<<` takes mappings only".to_owned()))
                }
            })
            .collect::<Result<_, _>>()?,
        Value::Scalar(_) => {
            return Err(error(
                at,
                "`<<` takes a mapping or a list of mappings".to_owned(),
            ));
        }
    };
    let mut added = Vec::new();
    for source in &sources {
        for entry in source {
            if seen.insert(entry.key.text.clone()) {
                added.push(entry.clone());
            }
        }
    }
    Ok(added)
}

fn key_scalar(key: Node) -> Result<Scalar, ParseError> {
    let at = key.at;
    let Value::Scalar(scalar) = key.value else {
        return Err(error(
            at,
            "a key must be a plain word or a string, not a list or a mapping".to_owned(),
        ));
    };
    match key.tag.as_deref() {
        None if is_empty_plain(&scalar) => Err(error(at, "a key is empty".to_owned())),
        None => Ok(scalar),
        Some("!!str" | "!") => Ok(Scalar {
            style: Style::Double,
            text: scalar.text,
        }),
        Some(tag) => Err(error(at, format!("a key cannot have the tag `{tag}`"))),
    }
}

fn is_empty_plain(scalar: &Scalar) -> bool {
    scalar.style == Style::Plain && scalar.text.is_empty()
}

fn own_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn printed_tag(tag: &Tag) -> String {
    if tag.is_yaml_core_schema() {
        format!("!!{}", tag.suffix)
    } else if tag.handle == "!" || tag.handle.is_empty() {
        format!("!{}", tag.suffix.trim_start_matches('!'))
    } else {
        format!("!<{}{}>", tag.handle, tag.suffix)
    }
}

fn position(span: Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

fn scan_error(error: &ScanError) -> ParseError {
    let marker = error.marker();
    ParseError {
        at: Position {
            line: marker.line(),
            column: marker.col() + 1,
        },
        reason: error.info().to_owned(),
    }
}

fn too_deep(at: Position) -> ParseError {
    error(at, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn error(at: Position, reason: String) -> ParseError {
    ParseError { at, reason }
}
