//! A machine config: a stream of documents as Talos reads it.

use std::collections::HashSet;
use std::fmt;

use crate::Error;
use crate::yaml::{self, Document, Mapping, Node, Position, Value};

/// What tells the documents of one config apart (`pkg/machinery/config/configpatcher`): no two may share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentId {
    /// The document without a kind that holds `machine` and `cluster`.
    V1Alpha1,
    /// A document with a kind.
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
        /// Its `name`; empty for kinds of which there is one.
        name: String,
    },
}

impl DocumentId {
    /// The id of a document of a kind, with a name or an empty one.
    pub fn of_kind(kind: &str, name: &str) -> Self {
        Self::Kind {
            api_version: "v1alpha1".to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The id a document has.
    ///
    /// # Errors
    /// The document is no mapping, or has a kind without an apiVersion, or one of them is no text.
    pub fn of(document: &Document) -> Result<Self, (Position, String)> {
        let Value::Mapping(mapping) = &document.root.value else {
            return Err((
                document.root.at,
                "a document must be a mapping (`key: value` lines)".to_owned(),
            ));
        };
        let field = |key: &str| match mapping.get(key) {
            None => Ok(String::new()),
            Some(node) if node.is_null() => Ok(String::new()),
            Some(node) => node
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| (node.at, format!("`{key}` must be text"))),
        };
        let (kind, api_version) = (field("kind")?, field("apiVersion")?);
        match (kind.is_empty(), api_version.is_empty()) {
            (true, true) => Ok(Self::V1Alpha1),
            (true, false) => Err((
                document.root.at,
                "a document with an `apiVersion` needs a `kind`".to_owned(),
            )),
            (false, true) => Err((
                document.root.at,
                "a document with a `kind` needs `apiVersion: v1alpha1`".to_owned(),
            )),
            (false, false) => Ok(Self::Kind {
                api_version,
                kind,
                name: field("name")?,
            }),
        }
    }

    /// The kind, if it has one.
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::V1Alpha1 => None,
            Self::Kind { kind, .. } => Some(kind),
        }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1Alpha1 => f.write_str("document v1alpha1"),
            Self::Kind { kind, name, .. } if name.is_empty() => write!(f, "document {kind}"),
            Self::Kind { kind, name, .. } => write!(f, "document {kind} `{name}`"),
        }
    }
}

/// The documents of one config, in order, no two with the same id.
#[derive(Clone, PartialEq)]
pub struct MachineConfig {
    file: String,
    documents: Vec<Document>,
}

impl MachineConfig {
    /// Reads a config; `file` is what errors call it.
    ///
    /// # Errors
    /// The text is not YAML, holds no document, a document without identity, or two with the same.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let documents = yaml::parse(text).map_err(|source| Error::Syntax {
            file: file.to_owned(),
            source,
        })?;
        Self::from_documents(file, documents)
    }

    /// Takes documents as a config.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_documents(file: &str, documents: Vec<Document>) -> Result<Self, Error> {
        if documents.is_empty() {
            return Err(Error::File {
                file: file.to_owned(),
                reason: "there is no document in it".to_owned(),
            });
        }
        let mut seen = HashSet::new();
        for (position, document) in documents.iter().enumerate() {
            let id = DocumentId::of(document).map_err(|(at, reason)| Error::File {
                file: file.to_owned(),
                reason: format!("document {}, line {}: {reason}", position + 1, at.line),
            })?;
            if !seen.insert(id.clone()) {
                let reason = "stands in this file for the second time".to_owned();
                return Err(Error::document(file, &id, document.root.at, reason));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            documents,
        })
    }

    /// What errors call it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The documents in order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The ids in order.
    pub fn ids(&self) -> impl Iterator<Item = DocumentId> + '_ {
        self.documents
            .iter()
            .map(|document| DocumentId::of(document).expect("checked when it came in"))
    }

    /// The document with an id.
    pub fn document(&self, id: &DocumentId) -> Option<&Node> {
        let place = self.place(id)?;
        Some(&self.documents[place].root)
    }

    /// The document with an id, to change; its identity must stay.
    pub fn document_mut(&mut self, id: &DocumentId) -> Option<&mut Node> {
        let place = self.place(id)?;
        Some(&mut self.documents[place].root)
    }

    /// The document of a kind of which there is one.
    pub fn kind(&self, kind: &str) -> Option<&Node> {
        self.document(&DocumentId::of_kind(kind, ""))
    }

    /// All documents of a kind.
    pub fn kinds<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (DocumentId, &'a Node)> + 'a {
        self.ids()
            .zip(&self.documents)
            .filter(move |(id, _)| id.kind() == Some(kind))
            .map(|(id, it)| (id, &it.root))
    }

    /// The document without a kind.
    pub fn v1alpha1(&self) -> Option<&Node> {
        self.document(&DocumentId::V1Alpha1)
    }

    /// Adds a document at the end.
    ///
    /// # Errors
    /// It has no identity, or one that is taken.
    pub fn push(&mut self, root: Node) -> Result<(), Error> {
        let document = Document::new(root);
        let id = DocumentId::of(&document).map_err(|(_, reason)| Error::File {
            file: self.file.clone(),
            reason,
        })?;
        if self.document(&id).is_some() {
            return Err(Error::document(
                &self.file,
                &id,
                Position::NONE,
                "is there already",
            ));
        }
        self.documents.push(document);
        Ok(())
    }

    /// Takes a document out.
    pub fn remove(&mut self, id: &DocumentId) -> Option<Node> {
        let place = self.place(id)?;
        Some(self.documents.remove(place).root)
    }

    /// The config as text, in Talos's own layout.
    pub fn print(&self) -> String {
        yaml::print(&self.documents)
    }

    /// The mapping below a chain of keys of a document, made where it is absent.
    ///
    /// # Errors
    /// Something else than a mapping stands in the way.
    pub(crate) fn mapping_at(
        &mut self,
        id: &DocumentId,
        keys: &[(&str, &[&str])],
    ) -> Result<&mut Mapping, Error> {
        let file = self.file.clone();
        let place = self.place(id).expect("the caller has seen the document");
        let mut mapping = self.documents[place]
            .root
            .mapping_mut()
            .expect("checked when it came in");
        for (key, order) in keys {
            let at = mapping.entry(key).map_or(Position::NONE, |entry| entry.at);
            mapping = mapping.mapping_at(key, order).ok_or_else(|| {
                Error::document(&file, id, at, format!("`{key}` must be a mapping"))
            })?;
        }
        Ok(mapping)
    }

    fn place(&self, id: &DocumentId) -> Option<usize> {
        self.ids().position(|other| other == *id)
    }
}

/// Shows ids only: the values of a config are secrets.
impl fmt::Debug for MachineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineConfig")
            .field("file", &self.file)
            .field("documents", &self.ids().collect::<Vec<_>>())
            .finish()
    }
}
