//! `$patch: delete`, which takes a document, a key or a list item out.

use crate::schema::{Structure, Type, schema};
use crate::yaml::{Document, Node, Path, Step, Value};
use crate::{Contract, DocumentId};

/// One thing to take out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    /// Where in the document; the root is the document itself.
    path: Path,
    /// For a list item: the key and value it is known by.
    item: Option<(String, String)>,
}

/// Takes all deletions out of a patch document; answers them and what is left to merge.
pub(super) fn extract(root: &mut Node) -> Result<(Vec<Deletion>, Option<Node>), String> {
    let mut deletions = Vec::new();
    let is_gone = collect(root, &Path::default(), false, &mut deletions)?;
    let rest = (!is_gone && !is_header_only(root, &deletions)).then(|| root.clone());
    Ok((deletions, rest))
}

/// A document of which nothing is left to merge once its deletions are out.
fn is_header_only(root: &Node, deletions: &[Deletion]) -> bool {
    !deletions.is_empty()
        && root.mapping().is_some_and(|mapping| {
            mapping.iter().all(|entry| {
                matches!(
                    entry.key.text.as_str(),
                    "version" | "apiVersion" | "kind" | "name"
                )
            })
        })
}

/// Whether the node is to vanish from its parent: it is a deletion, or nothing but deletions was in it.
fn collect(
    node: &mut Node,
    path: &Path,
    in_list: bool,
    found: &mut Vec<Deletion>,
) -> Result<bool, String> {
    match &mut node.value {
        Value::Scalar(_) => Ok(false),
        Value::Mapping(mapping) => {
            if mapping.get("$patch").and_then(Node::as_str) == Some("delete") {
                let item = if in_list {
                    Some(item_key(mapping)?)
                } else {
                    None
                };
                if item.is_none()
                    && path
                        .steps()
                        .iter()
                        .any(|step| matches!(step, Step::Index(_)))
                {
                    return Err(format!(
                        "{path}: Talos cannot delete a key inside of a list item"
                    ));
                }
                found.push(Deletion {
                    path: path.clone(),
                    item,
                });
                return Ok(true);
            }
            let keys: Vec<String> = mapping.iter().map(|entry| entry.key.text.clone()).collect();
            let before = mapping.len();
            for key in keys {
                let inner = mapping.get_mut(&key).expect("the key was just listed");
                if collect(inner, &path.key(&key), false, found)? {
                    mapping.remove(&key);
                }
            }
            Ok(mapping.is_empty() && before > 0)
        }
        Value::Sequence(items) => {
            let before = items.len();
            let mut kept = Vec::with_capacity(before);
            for (position, mut item) in std::mem::take(items).into_iter().enumerate() {
                if !collect(&mut item, &path.index(position), true, found)? {
                    kept.push(item);
                }
            }
            *items = kept;
            Ok(items.is_empty() && before > 0)
        }
    }
}

fn item_key(mapping: &crate::yaml::Mapping) -> Result<(String, String), String> {
    let entry = mapping.iter().find(|entry| entry.key.text != "$patch");
    let entry = entry.ok_or("a list item to delete needs a key and value it is known by")?;
    let value = entry
        .value
        .scalar()
        .map(|scalar| scalar.text.clone())
        .unwrap_or_default();
    Ok((entry.key.text.clone(), value))
}

impl Deletion {
    /// Takes it out of a config's documents.
    pub(super) fn apply(
        &self,
        id: &DocumentId,
        documents: &mut Vec<Document>,
        contract: Contract,
    ) -> Result<(), String> {
        let place = documents
            .iter()
            .position(|document| DocumentId::of(document).as_ref() == Ok(id));
        let Some(place) = place else {
            if contract.ignores_missing_deletions() {
                return Ok(());
            }
            return Err(format!(
                "there is no {id} to delete, and Talos {contract} breaks the config over that"
            ));
        };
        if self.path.is_root() {
            if *id == DocumentId::V1Alpha1 {
                return Err("the document v1alpha1 cannot be deleted".to_owned());
            }
            documents.remove(place);
            return Ok(());
        }
        let body = schema().body(id);
        take(
            &mut documents[place].root,
            self.path.steps(),
            self.item.as_ref(),
            body.map(Kind::Structure),
        )
        .map_err(|reason| format!("cannot delete {} of {id}: {reason}", self.path))
    }
}

/// What is known of the node the walk has reached.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Structure(&'a Structure),
    Typed(&'a Type),
}

impl<'a> Kind<'a> {
    fn structure(self) -> Option<&'a Structure> {
        match self {
            Self::Structure(structure) => Some(structure),
            Self::Typed(Type::Structure(name)) => Some(schema().structure(name)),
            Self::Typed(_) => None,
        }
    }

    fn below(self, key: &str) -> Option<Self> {
        match self {
            Self::Typed(Type::Map(value)) => Some(Kind::Typed(value)),
            Self::Typed(Type::Any) => Some(self),
            _ => self
                .structure()?
                .field(key)
                .map(|field| Kind::Typed(&field.kind)),
        }
    }
}

fn take(
    node: &mut Node,
    steps: &[Step],
    item: Option<&(String, String)>,
    kind: Option<Kind<'_>>,
) -> Result<(), String> {
    let missing = || Err("it is not there".to_owned());
    let Some((step, rest)) = steps.split_first() else {
        return missing();
    };
    match step {
        Step::Key(key) => {
            let is_field = kind
                .and_then(Kind::structure)
                .is_some_and(|structure| structure.field(key).is_some());
            let Some(mapping) = node.mapping_mut() else {
                return missing();
            };
            if rest.is_empty() {
                // A key that the structure knows may be absent; one of a free mapping may not.
                return if mapping.remove(key).is_some() || is_field {
                    Ok(())
                } else {
                    missing()
                };
            }
            match mapping.get_mut(key) {
                Some(inner) => take(inner, rest, item, kind.and_then(|kind| kind.below(key))),
                None => missing(),
            }
        }
        Step::Index(_) => {
            let Some((key, value)) = item.filter(|_| rest.is_empty()) else {
                return Err("Talos finds list items only at the end of a path".to_owned());
            };
            if let Some(Kind::Typed(Type::Any)) = kind {
                return Err("Talos deletes items only from lists whose form it knows".to_owned());
            }
            let Some(items) = node.items_mut() else {
                return missing();
            };
            match items
                .iter()
                .position(|item| item.text(&[key]) == Some(value))
            {
                Some(place) => {
                    items.remove(place);
                    Ok(())
                }
                None => missing(),
            }
        }
    }
}
