//! Checks of a config before it is saved or served: what a Talos would refuse on a metal machine, and what it would warn of.
//!
//! A valid file is never refused: where the rules of a Talos are not known, nothing is said, and for a Talos newer than the
//! newest known contract what is unknown is only warned of.

mod conflicts;
mod documents;
mod machine;
mod shape;

#[cfg(test)]
mod tests;

use std::fmt;

use model::TalosVersion;

use crate::yaml::{Node, Path, Position};
use crate::{Contract, DocumentId, Error, MachineConfig};

/// One thing that was found in a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether Talos would refuse the config.
    pub severity: Severity,
    /// The document it is in.
    pub document: DocumentId,
    /// Where in the document.
    pub path: Path,
    /// Where in the source; [`Position::NONE`] for values that were not read.
    pub at: Position,
    /// What is wrong; quotes keys, never values that may be secret.
    pub message: String,
    /// What to do about it, if that is known.
    pub suggestion: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Talos takes the config.
    Warning,
    /// Talos refuses the config.
    Error,
}

impl Finding {
    /// Whether Talos would refuse the config.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.document)?;
        if !self.path.is_root() {
            write!(f, ", {}", self.path)?;
        }
        if self.at.line > 0 {
            write!(f, ", line {}", self.at.line)?;
        }
        write!(f, ": {}", self.message)?;
        self.suggestion
            .as_ref()
            .map_or(Ok(()), |suggestion| write!(f, "; {suggestion}"))
    }
}

/// Everything a Talos of a version would say of a config on a metal machine, errors first.
///
/// # Errors
/// The version is older than every known contract.
pub fn validate(config: &MachineConfig, version: &TalosVersion) -> Result<Vec<Finding>, Error> {
    let contract = Contract::of(version)?;
    let mut findings = Findings::default();
    for (id, document) in config.ids().zip(config.documents()) {
        findings
            .list
            .extend(shape_for(&id, &document.root, version, contract));
        shape::expressions(&id, &document.root, &mut findings);
    }
    machine::check(config, contract, &mut findings);
    documents::check(config, contract, &mut findings);
    conflicts::check(config, contract, &mut findings);
    findings
        .list
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings.list)
}

/// What is wrong with the kind, keys and types of a document; for a Talos newer than every known contract only warnings.
pub(crate) fn shape_for(
    id: &DocumentId,
    root: &Node,
    version: &TalosVersion,
    contract: Contract,
) -> Vec<Finding> {
    let mut findings = shape::shape(id, root, contract);
    if Contract::note(version).is_some() {
        for finding in &mut findings {
            finding.severity = Severity::Warning;
        }
    }
    findings
}

/// Reads and validates a file; text that cannot be read is its own error.
///
/// # Errors
/// The text is no config, or the version is older than every known contract.
pub fn validate_file(
    file: &str,
    text: &str,
    version: &TalosVersion,
) -> Result<Vec<Finding>, Error> {
    validate(&MachineConfig::parse(file, text)?, version)
}

/// What has been found so far.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    fn error(&mut self, place: &Place<'_>, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Error, place, message.into())
    }

    fn warning(&mut self, place: &Place<'_>, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Warning, place, message.into())
    }

    fn add(&mut self, severity: Severity, place: &Place<'_>, message: String) -> &mut Finding {
        self.list.push(Finding {
            severity,
            document: place.document.clone(),
            path: place.path.clone(),
            at: place.node.map_or(Position::NONE, |node| node.at),
            message,
            suggestion: None,
        });
        self.list.last_mut().expect("just pushed")
    }
}

impl Finding {
    fn suggest(&mut self, suggestion: impl Into<String>) {
        self.suggestion = Some(suggestion.into());
    }
}

/// A place in a document, there or not.
#[derive(Clone)]
struct Place<'a> {
    document: &'a DocumentId,
    path: Path,
    node: Option<&'a Node>,
}

impl<'a> Place<'a> {
    fn root(document: &'a DocumentId, root: &'a Node) -> Self {
        Self {
            document,
            path: Path::default(),
            node: Some(root),
        }
    }

    /// The place below some keys.
    fn at(&self, keys: &[&str]) -> Self {
        let path = keys
            .iter()
            .fold(self.path.clone(), |path, key| path.key(key));
        Self {
            document: self.document,
            path,
            node: self
                .node
                .and_then(|node| node.get(keys))
                .filter(|node| !node.is_null()),
        }
    }

    /// The places of a list's items; none if it is no list.
    fn items(&self) -> Vec<Self> {
        let items = self.node.and_then(Node::items).unwrap_or_default();
        let place = |(index, node)| Self {
            document: self.document,
            path: self.path.index(index),
            node: Some(node),
        };
        items.iter().enumerate().map(place).collect()
    }

    /// The places of a mapping's values, with their keys.
    fn entries(&self) -> Vec<(&'a str, Self)> {
        let mapping = self.node.and_then(Node::mapping);
        let entries = mapping.into_iter().flatten();
        entries
            .map(|entry| {
                let key = entry.key.text.as_str();
                (
                    key,
                    Self {
                        document: self.document,
                        path: self.path.key(key),
                        node: Some(&entry.value),
                    },
                )
            })
            .collect()
    }

    fn is_there(&self) -> bool {
        self.node.is_some()
    }

    /// The text, if it is one and not empty.
    fn text(&self) -> Option<&'a str> {
        self.node
            .and_then(Node::as_str)
            .filter(|text| !text.is_empty())
    }

    fn is_true(&self) -> bool {
        self.node.and_then(Node::as_bool) == Some(true)
    }

    fn is_false(&self) -> bool {
        self.node.and_then(Node::as_bool) == Some(false)
    }
}
