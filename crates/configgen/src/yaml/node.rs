//! The document tree: nodes with their style, tag and place in the source.

use std::fmt;

use super::mapping::Mapping;
use super::path::{Path, Step};
use super::resolve::{self, Resolved};

/// One value of a document, with its tag and where it was read.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// Explicit tag as it is printed (`!!binary`, `!thing`), if the source had one.
    pub tag: Option<String>,
    /// Where it was read; [`Position::NONE`] for values made here.
    pub at: Position,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text with a style; what it means is [`Node::resolved`].
    Scalar(Scalar),
    /// Ordered items.
    Sequence(Vec<Node>),
    /// Ordered entries with scalar keys.
    Mapping(Mapping),
}

/// The text of a scalar and how it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The content, escapes undone; for plain scalars this is the spelling itself.
    pub text: String,
    /// How it is written.
    pub style: Style,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bare; the only style whose text may mean something else than a string.
    Plain,
    /// `'text'`
    Single,
    /// `"text"`
    Double,
    /// `|` block
    Literal,
    /// `>` block
    Folded,
}

/// Line and column in the source, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position {
    /// Line from 1; 0 for values that were not read.
    pub line: usize,
    /// Column from 1, in characters; 0 for values that were not read.
    pub column: usize,
}

impl Position {
    /// The place of a value that was made, not read.
    pub const NONE: Self = Self { line: 0, column: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Shows no text, for it may be a secret.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.style, self.text.len())
    }
}

impl Scalar {
    /// A string, quoted when Go's YAML or YAML 1.1 would read the bare text as anything else.
    pub fn string(text: impl Into<String>) -> Self {
        let text = text.into();
        let style = resolve::string_style(&text);
        Self { text, style }
    }

    fn plain(text: String) -> Self {
        Self {
            text,
            style: Style::Plain,
        }
    }
}

impl Node {
    fn made(value: Value) -> Self {
        Self {
            value,
            tag: None,
            at: Position::NONE,
        }
    }

    /// A string value, quoted when needed; multi-line text becomes a literal block.
    pub fn str(text: impl Into<String>) -> Self {
        Self::made(Value::Scalar(Scalar::string(text)))
    }

    /// An integer value.
    pub fn int(number: impl Into<i128>) -> Self {
        Self::made(Value::Scalar(Scalar::plain(number.into().to_string())))
    }

    /// A boolean value.
    pub fn bool(truth: bool) -> Self {
        Self::made(Value::Scalar(Scalar::plain(truth.to_string())))
    }

    /// The null value.
    pub fn null() -> Self {
        Self::made(Value::Scalar(Scalar::plain("null".to_owned())))
    }

    /// A sequence.
    pub fn seq(items: impl IntoIterator<Item = Self>) -> Self {
        Self::made(Value::Sequence(items.into_iter().collect()))
    }

    /// A mapping; a key that comes twice keeps the last value.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let mut mapping = Mapping::default();
        for (key, value) in entries {
            mapping.set(key, value);
        }
        Self::made(Value::Mapping(mapping))
    }

    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The items, if it is a sequence.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar(_) | Value::Mapping(_) => None,
        }
    }

    /// The items to change, if it is a sequence.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar(_) | Value::Mapping(_) => None,
        }
    }

    /// The mapping, if it is one.
    pub fn mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The mapping to change, if it is one.
    pub fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        match &mut self.value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// What Go's YAML takes a scalar for; `None` for collections.
    pub fn resolved(&self) -> Option<Resolved> {
        let scalar = self.scalar()?;
        Some(match (self.tag.as_deref(), scalar.style) {
            (None, Style::Plain) => resolve::go(&scalar.text),
            (Some("!!int"), _) => Resolved::Int,
            (Some("!!float"), _) => Resolved::Float,
            (Some("!!null"), _) => Resolved::Null,
            (Some("!!bool"), _) => {
                Resolved::Bool(matches!(scalar.text.as_str(), "true" | "True" | "TRUE"))
            }
            (Some("!!timestamp"), _) => Resolved::Timestamp,
            _ => Resolved::Str,
        })
    }

    /// Whether it is null: written so, or left empty.
    pub fn is_null(&self) -> bool {
        self.resolved() == Some(Resolved::Null)
    }

    /// What a Go string field would receive: the raw spelling of any scalar but null.
    pub fn as_str(&self) -> Option<&str> {
        if self.is_null() {
            None
        } else {
            self.scalar().map(|scalar| scalar.text.as_str())
        }
    }

    /// What a Go boolean field would receive: true and false, and the plain YAML 1.1 words.
    pub fn as_bool(&self) -> Option<bool> {
        match self.resolved()? {
            Resolved::Bool(truth) => Some(truth),
            Resolved::Str => {
                let scalar = self.scalar()?;
                if scalar.style == Style::Plain {
                    resolve::old_bool(&scalar.text)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// The value below a chain of keys.
    pub fn get(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter()
            .try_fold(self, |node, key| node.mapping()?.get(key))
    }

    /// The value below a chain of keys, to change.
    pub fn get_mut(&mut self, keys: &[&str]) -> Option<&mut Self> {
        keys.iter()
            .try_fold(self, |node, key| node.mapping_mut()?.get_mut(key))
    }

    /// The text below a chain of keys, if it is a scalar and not null.
    pub fn text(&self, keys: &[&str]) -> Option<&str> {
        self.get(keys)?.as_str()
    }

    /// The value at a path.
    pub fn lookup(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.mapping()?.get(key),
            Step::Index(index) => node.items()?.get(*index),
        })
    }

    /// How much this tree is, itself included.
    pub(crate) fn extent(&self) -> Extent {
        let own = |bytes| Extent { nodes: 1, bytes };
        match &self.value {
            Value::Scalar(scalar) => own(scalar.text.len()),
            Value::Sequence(items) => items.iter().map(Self::extent).fold(own(0), Extent::and),
            Value::Mapping(mapping) => mapping
                .iter()
                .map(|entry| own(entry.key.text.len()).and(entry.value.extent()))
                .fold(own(0), Extent::and),
        }
    }

    /// How deep this tree is: 0 for a scalar.
    pub(crate) fn depth(&self) -> usize {
        match &self.value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => items.iter().map(Self::depth).max().map_or(0, |it| it + 1),
            Value::Mapping(mapping) => mapping
                .iter()
                .map(|entry| entry.value.depth())
                .max()
                .map_or(0, |it| it + 1),
        }
    }
}

/// How much a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Its nodes, keys counted too.
    pub(crate) nodes: usize,
    /// The text of its scalars and keys, in bytes.
    pub(crate) bytes: usize,
}

impl Extent {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(other.nodes),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Same values in the same order: tags, texts and kinds are compared, styles only where they change the meaning.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        if self.tag != other.tag {
            return false;
        }
        match (&self.value, &other.value) {
            (Value::Scalar(one), Value::Scalar(two)) => {
                one.text == two.text && self.resolved() == other.resolved()
            }
            (Value::Sequence(one), Value::Sequence(two)) => one == two,
            (Value::Mapping(one), Value::Mapping(two)) => one == two,
            _ => false,
        }
    }
}
