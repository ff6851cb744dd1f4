//! Ordered mappings with scalar keys.

use super::node::{Node, Position, Scalar};

/// An ordered mapping with unique scalar keys.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as written.
    pub key: Scalar,
    /// Where the key was read.
    pub at: Position,
    /// The value.
    pub value: Node,
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(one, two)| one.key.text == two.key.text && one.value == two.value)
    }
}

impl Mapping {
    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// The entries in order, to change; keys must stay unique.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Entry> {
        self.entries.iter_mut()
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.text == key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries
            .iter_mut()
            .find(|entry| entry.key.text == key)
            .map(|entry| &mut entry.value)
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Sets a key: in its place if it is there, else at the end.
    pub fn set(&mut self, key: impl Into<String>, value: Node) {
        self.set_in_order(key, value, &[]);
    }

    /// Sets a key: in its place if it is there, else before the first key that comes later in `order`.
    pub fn set_in_order(&mut self, key: impl Into<String>, value: Node, order: &[&str]) {
        let key = key.into();
        if let Some(old) = self.get_mut(&key) {
            *old = value;
            return;
        }
        let place = self.place(&key, order);
        self.entries.insert(
            place,
            Entry {
                key: Scalar::string(key),
                at: Position::NONE,
                value,
            },
        );
    }

    /// The mapping below a key, made (in order) if it is absent or null; `None` if something else is there.
    pub fn mapping_at(&mut self, key: &str, order: &[&str]) -> Option<&mut Self> {
        if self.get(key).is_none_or(Node::is_null) {
            self.set_in_order(key, Node::map::<String>([]), order);
        }
        self.get_mut(key)?.mapping_mut()
    }

    /// The sequence below a key, made (in order) if it is absent or null; `None` if something else is there.
    pub fn sequence_at(&mut self, key: &str, order: &[&str]) -> Option<&mut Vec<Node>> {
        if self.get(key).is_none_or(Node::is_null) {
            self.set_in_order(key, Node::seq([]), order);
        }
        self.get_mut(key)?.items_mut()
    }

    /// Adds an entry as it is; false, and nothing done, if the key is there.
    pub fn push(&mut self, entry: Entry) -> bool {
        let new = !self.contains(&entry.key.text);
        if new {
            self.entries.push(entry);
        }
        new
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let place = self
            .entries
            .iter()
            .position(|entry| entry.key.text == key)?;
        Some(self.entries.remove(place).value)
    }

    /// Built by the parser, which has checked that the keys are unique.
    pub(super) fn from_entries(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    fn place(&self, key: &str, order: &[&str]) -> usize {
        let Some(rank) = order.iter().position(|name| *name == key) else {
            return self.entries.len();
        };
        let later = &order[rank + 1..];
        self.entries
            .iter()
            .position(|entry| later.contains(&entry.key.text.as_str()))
            .unwrap_or(self.entries.len())
    }
}

impl<'a> IntoIterator for &'a Mapping {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
