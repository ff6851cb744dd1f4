//! Patches: changes that operators write, merged into configs as Talos merges them (`pkg/machinery/config/configpatcher`).
//!
//! A strategic merge patch is one or several documents that are laid over the documents with the same identity. A JSON patch
//! (RFC 6902) is a list of operations; Talos takes it only for a config of one document.

mod delete;
mod json;
mod merge;
mod origin;

#[cfg(test)]
mod tests;

pub use origin::{Explanation, Layer, Layered};

use std::collections::HashSet;

use model::TalosVersion;

use crate::mask::masked_value;
use crate::validate::{self, Finding};
use crate::yaml::{self, Document, Extent, Node, Value};
use crate::{Contract, DocumentId, Error, MachineConfig};

/// A patch that could be read; whether it fits is only known when it is applied.
#[derive(Clone)]
pub struct Patch {
    name: String,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Strategic(Vec<Document>),
    Json(Vec<json::Operation>),
}

impl Patch {
    /// Reads a patch, YAML or JSON; `name` is what errors and explanations call it.
    ///
    /// # Errors
    /// It is not YAML, or neither documents nor a list of operations.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let documents = yaml::parse(text).map_err(|source| Error::Syntax {
            file: name.to_owned(),
            source,
        })?;
        let content = match documents.as_slice() {
            [] => {
                return Err(Error::File {
                    file: name.to_owned(),
                    reason: "there is no document in it".to_owned(),
                });
            }
            [
                Document {
                    root:
                        Node {
                            value: Value::Sequence(operations),
                            ..
                        },
                    ..
                },
            ] => Content::Json(json::operations(name, operations)?),
            _ => Content::Strategic(documents),
        };
        Ok(Self {
            name: name.to_owned(),
            content,
        })
    }

    /// What errors and explanations call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a JSON patch, which only fits configs of one document.
    pub fn is_json(&self) -> bool {
        matches!(self.content, Content::Json(_))
    }

    /// Whether a secret may be in it: a value that is masked where people are shown configs, or any value of a JSON patch.
    pub fn may_hold_secrets(&self) -> bool {
        match &self.content {
            Content::Strategic(documents) => documents
                .iter()
                .any(|document| masked_value("", &document.root) != document.root),
            Content::Json(_) => true,
        }
    }

    /// Its text as people are shown configs: secrets masked, and every value of a JSON patch.
    pub fn masked_text(&self) -> String {
        match &self.content {
            Content::Strategic(documents) => {
                let masked = |document: &Document| Document::new(masked_value("", &document.root));
                let documents: Vec<Document> = documents.iter().map(masked).collect();
                yaml::print(&documents)
            }
            Content::Json(operations) => operations.iter().map(json::Operation::masked).collect(),
        }
    }

    /// What a Talos would not even read in it: unknown kinds and keys, wrong types. Of a Talos newer than every known contract
    /// these are only warnings.
    ///
    /// # Errors
    /// The version is older than every known contract.
    pub fn check(&self, version: &TalosVersion) -> Result<Vec<Finding>, Error> {
        let contract = Contract::of(version)?;
        let Content::Strategic(documents) = &self.content else {
            return Ok(Vec::new());
        };
        let mut findings = Vec::new();
        for document in documents {
            let mut rest = document.root.clone();
            // Deletions are taken out before Talos looks at the keys.
            if let Ok((_, Some(rest))) = delete::extract(&mut rest)
                && let Ok(id) = DocumentId::of(&Document::new(rest.clone()))
            {
                findings.extend(validate::shape_for(&id, &rest, version, contract));
            }
        }
        Ok(findings)
    }

    /// The config with this patch laid over it, as a Talos of the version would do it.
    ///
    /// # Errors
    /// The patch has keys that Talos does not know, deletes what is not there, names one document twice (before v1.14), merges
    /// values that do not fit, or is a JSON patch for a config of several documents.
    pub fn apply(
        &self,
        config: &MachineConfig,
        version: &TalosVersion,
    ) -> Result<MachineConfig, Error> {
        let contract = Contract::of(version)?;
        if let Some(finding) = self.check(version)?.into_iter().find(Finding::is_error) {
            return Err(Error::Patch {
                patch: self.name.clone(),
                reason: finding.to_string(),
            });
        }
        match &self.content {
            Content::Strategic(documents) => self.merge(config, documents, contract),
            Content::Json(operations) => self.operate(config, operations),
        }
    }

    fn merge(
        &self,
        config: &MachineConfig,
        patches: &[Document],
        contract: Contract,
    ) -> Result<MachineConfig, Error> {
        let refused = |line: usize, reason: String| Error::Patch {
            patch: self.name.clone(),
            reason: if line > 0 {
                format!("line {line}: {reason}")
            } else {
                reason
            },
        };
        let mut documents: Vec<Document> = config.documents().to_vec();
        let mut seen = HashSet::new();
        for patch in patches {
            let id = DocumentId::of(patch).map_err(|(at, reason)| refused(at.line, reason))?;
            if !seen.insert(id.clone()) && !contract.allows_repeated_patches() {
                return Err(refused(
                    patch.line,
                    format!(
                        "{id} stands in it for the second time, which Talos takes from v1.14 on"
                    ),
                ));
            }
            let mut root = patch.root.clone();
            let (deletions, rest) =
                delete::extract(&mut root).map_err(|reason| refused(patch.line, reason))?;
            for deletion in &deletions {
                deletion
                    .apply(&id, &mut documents, contract)
                    .map_err(|reason| refused(patch.line, reason))?;
            }
            let Some(rest) = rest else { continue };
            let place = documents
                .iter()
                .position(|document| DocumentId::of(document).as_ref() == Ok(&id));
            match place {
                Some(place) => {
                    merge::document(&id, &mut documents[place].root, &rest)
                        .map_err(|reason| refused(patch.line, reason))?;
                }
                None if id == DocumentId::V1Alpha1 => documents.insert(0, Document::new(rest)),
                None => documents.push(Document::new(rest)),
            }
        }
        MachineConfig::from_documents(config.file(), documents)
    }

    fn operate(
        &self,
        config: &MachineConfig,
        operations: &[json::Operation],
    ) -> Result<MachineConfig, Error> {
        let refused = |reason: String| Error::Patch {
            patch: self.name.clone(),
            reason,
        };
        let [document] = config.documents() else {
            let count = config.documents().len();
            return Err(refused(format!(
                "a JSON patch (RFC 6902) is for a config of one document, this one has {count}; write it as documents to merge"
            )));
        };
        let (mut root, mut carried) = (document.root.clone(), Extent::default());
        for (position, operation) in operations.iter().enumerate() {
            operation
                .apply(&mut root, &mut carried)
                .map_err(|reason| refused(format!("operation {}: {reason}", position + 1)))?;
        }
        MachineConfig::from_documents(
            config.file(),
            vec![Document {
                root,
                line: document.line,
            }],
        )
    }
}

/// Shows the name only: patches hold secrets.
impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch")
            .field("name", &self.name)
            .field("is_json", &self.is_json())
            .finish()
    }
}
