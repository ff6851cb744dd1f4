//! What keys each document knows, of which type, and how a patch merges them.
//!
//! The tables `v1alpha1.txt` and `documents.txt` are read once. They know more than any one Talos: a key is only refused when
//! no known Talos had it, or when the table says that it came later.

mod read;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::DocumentId;

/// All documents and structures.
pub(crate) struct Schema {
    structures: HashMap<&'static str, Structure>,
    documents: HashMap<&'static str, DocumentKind>,
}

/// A document with a kind.
pub(crate) struct DocumentKind {
    /// The minor version of the first Talos that knew it.
    pub(crate) since: u16,
    /// Workers refuse it.
    pub(crate) controlplane_only: bool,
    /// Its keys are not listed.
    pub(crate) open: bool,
    body: Structure,
}

/// A mapping with known keys.
#[derive(Default)]
pub(crate) struct Structure {
    fields: Vec<Field>,
}

/// One key of a structure.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    /// Replaced as a whole by a patch.
    pub(crate) replace: bool,
    /// Taken over from a patch even when absent there.
    pub(crate) always: bool,
    /// Whether a patch's zero overrides: a pointer in Talos's structure tells zero from absent.
    pub(crate) pointer: bool,
    /// The minor version of the first Talos that knew it; 0 if all did.
    pub(crate) since: u16,
    /// The minor version of the Talos that replaced it, and by what.
    pub(crate) old: Option<(u16, &'static str)>,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Str,
    Bool,
    Int,
    /// A Go duration such as `168h0m0s`.
    Duration,
    /// A size such as `10GiB`, or a share such as `80%`.
    Size,
    /// An expression over disks or links.
    Cel,
    /// Free form.
    Any,
    /// A text or a list of texts.
    Strings,
    /// A list; items that share one of the keys are merged.
    List(Box<Self>, &'static [&'static str]),
    /// A mapping with any keys.
    Map(Box<Self>),
    /// A mapping with known keys.
    Structure(&'static str),
}

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| read::tables(&[include_str!("v1alpha1.txt"), include_str!("documents.txt")]));

/// The tables.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

impl Schema {
    /// The kind of a document, if it is known.
    pub(crate) fn document(&self, kind: &str) -> Option<&DocumentKind> {
        self.documents.get(kind)
    }

    /// The kinds a Talos knows.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.documents.keys().copied()
    }

    /// The keys of a document; `None` if it or its keys are unknown.
    pub(crate) fn body(&self, id: &DocumentId) -> Option<&Structure> {
        match id.kind() {
            None => self.structures.get("Config"),
            Some(kind) => self
                .documents
                .get(kind)
                .filter(|known| !known.open)
                .map(|known| &known.body),
        }
    }

    /// A structure that the tables name.
    pub(crate) fn structure(&self, name: &str) -> &Structure {
        self.structures
            .get(name)
            .expect("the tables were read whole")
    }
}

impl Structure {
    /// The field of a key.
    pub(crate) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == key)
    }

    /// All fields.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }
}
