//! Layers of a config, and which of them set a value.

use model::TalosVersion;

use super::Patch;
use crate::mask::masked;
use crate::yaml::{Node, Path, Value, print_node};
use crate::{DocumentId, Error, MachineConfig};

/// Where a value comes from, lowest layer first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The base config of the role.
    Base,
    /// A patch, by its name.
    Patch(String),
    /// The settings of the device.
    Device,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base => f.write_str("base config"),
            Self::Patch(name) => write!(f, "patch {name}"),
            Self::Device => f.write_str("device settings"),
        }
    }
}

/// A config and how it came about, layer by layer.
#[derive(Clone, Debug)]
pub struct Layered {
    steps: Vec<(Layer, MachineConfig)>,
}

/// What is known of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The document it is in.
    pub document: DocumentId,
    /// Where in the document.
    pub path: Path,
    /// The value, secrets masked, as YAML; `None` if the last of `layers` took it away.
    pub value: Option<String>,
    /// The layers that changed it, the one that made it what it is last.
    pub layers: Vec<Layer>,
}

impl Layered {
    /// Begins with a base.
    pub fn new(base: MachineConfig) -> Self {
        Self {
            steps: vec![(Layer::Base, base)],
        }
    }

    /// Lays a patch on top.
    ///
    /// # Errors
    /// As [`Patch::apply`].
    pub fn patch(&mut self, patch: &Patch, version: &TalosVersion) -> Result<(), Error> {
        let config = patch.apply(self.config(), version)?;
        self.push(Layer::Patch(patch.name().to_owned()), config);
        Ok(())
    }

    /// Puts a layer on top whose config was made from [`Self::config`] by other means.
    pub fn push(&mut self, layer: Layer, config: MachineConfig) {
        self.steps.push((layer, config));
    }

    /// The config with all layers.
    pub fn config(&self) -> &MachineConfig {
        &self.steps.last().expect("it begins with a base").1
    }

    /// The config with all layers.
    pub fn into_config(mut self) -> MachineConfig {
        self.steps.pop().expect("it begins with a base").1
    }

    /// Which layers made a value what it is, in each document that has or had it.
    ///
    /// The path may begin with a document's kind, or kind and name (`VolumeConfig/EPHEMERAL`), and a `:`; else it is looked for
    /// in the document without a kind first, and in all others if it is not there.
    ///
    /// # Errors
    /// The path cannot be read.
    pub fn explain(&self, target: &str) -> Result<Vec<Explanation>, Error> {
        let mut ids: Vec<DocumentId> = Vec::new();
        for id in self
            .steps
            .iter()
            .flat_map(|(_, config)| config.ids().collect::<Vec<_>>())
        {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let (named, path) = of_document(target, &ids);
        let path: Path = path
            .trim()
            .parse()
            .map_err(|error: crate::yaml::PathError| Error::setting("path", error.to_string()))?;
        let is_named = named.is_some();
        let shown = masked(self.config(), None);
        let found: Vec<Explanation> = named
            .unwrap_or(ids)
            .into_iter()
            .filter_map(|id| self.explain_in(id, &path, &shown))
            .collect();
        let main: Vec<Explanation> = found
            .iter()
            .filter(|explanation| explanation.document == DocumentId::V1Alpha1)
            .cloned()
            .collect();
        Ok(if !is_named && !main.is_empty() {
            main
        } else {
            found
        })
    }

    /// `shown` is the config with all layers, secrets masked: what is one may depend on the keys above it.
    fn explain_in(
        &self,
        id: DocumentId,
        path: &Path,
        shown: &MachineConfig,
    ) -> Option<Explanation> {
        let mut layers = Vec::new();
        let mut current: Option<&Node> = None;
        for (layer, config) in &self.steps {
            let value = config.document(&id).and_then(|root| root.lookup(path));
            if value != current {
                layers.push(layer.clone());
            }
            current = value;
        }
        if layers.is_empty() {
            return None;
        }
        let value = shown.document(&id).and_then(|root| root.lookup(path));
        let value = value.map(print_node);
        Some(Explanation {
            document: id,
            path: path.clone(),
            value,
            layers,
        })
    }

    /// The layer of every scalar of the config, in order.
    pub fn origins(&self) -> Vec<(DocumentId, Path, Layer)> {
        let mut origins = Vec::new();
        for (id, document) in self.config().ids().zip(self.config().documents()) {
            let mut paths = Vec::new();
            leaves(&document.root, &Path::default(), &mut paths);
            for path in paths {
                let layer = self
                    .explain_in(id.clone(), &path, self.config())
                    .and_then(|explanation| explanation.layers.last().cloned());
                origins.push((
                    id.clone(),
                    path,
                    layer.expect("a value that is there has come from somewhere"),
                ));
            }
        }
        origins
    }
}

fn leaves(node: &Node, path: &Path, found: &mut Vec<Path>) {
    match &node.value {
        Value::Mapping(mapping) if !mapping.is_empty() => {
            for entry in mapping {
                leaves(&entry.value, &path.key(&entry.key.text), found);
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                leaves(item, &path.index(position), found);
            }
        }
        _ => found.push(path.clone()),
    }
}

/// The documents that a path begins with, `Kind:` or `Kind/name:`, and the rest of it. Names may hold dots and colons themselves, as those
/// of registries do: so the documents that there are say what is a name. Of a document that no layer has there is none.
fn of_document<'a>(target: &'a str, ids: &[DocumentId]) -> (Option<Vec<DocumentId>>, &'a str) {
    let mut found: Option<(Vec<DocumentId>, &str)> = None;
    for id in ids {
        let DocumentId::Kind { kind, name, .. } = id else {
            continue;
        };
        let Some(rest) = target.strip_prefix(kind.as_str()) else {
            continue;
        };
        let own = rest
            .strip_prefix('/')
            .and_then(|rest| rest.strip_prefix(name.as_str())?.strip_prefix(':'));
        let Some(path) = own.or_else(|| rest.strip_prefix(':')) else {
            continue;
        };
        match &mut found {
            // The longest name wins.
            Some((ids, shorter)) if shorter.len() == path.len() => ids.push(id.clone()),
            Some((_, shorter)) if shorter.len() < path.len() => {}
            _ => found = Some((vec![id.clone()], path)),
        }
    }
    match found {
        Some((ids, path)) => (Some(ids), path),
        None => match target.split_once(':') {
            Some((document, path)) if is_document_name(document) => (Some(Vec::new()), path),
            _ => (None, target),
        },
    }
}

fn is_document_name(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['[', '"', ' '])
        && text.starts_with(|first: char| first.is_ascii_uppercase())
}
