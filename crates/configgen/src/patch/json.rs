//! JSON patches (RFC 6902) with JSON pointers (RFC 6901).

use crate::Error;
use crate::yaml::{Extent, MAX_DEPTH, MAX_NODES, Node, Value};

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    verb: Verb,
    path: Pointer,
}

#[derive(Clone, Debug)]
enum Verb {
    Add(Node),
    Remove,
    Replace(Node),
    Move(Pointer),
    Copy(Pointer),
    Test(Node),
}

/// Longest pointer, so that no patch can nest values without end.
const MAX_STEPS: usize = 64;
/// Most that the copies and moves of one patch carry: without a limit, a dozen lines that copy a value into itself fill the memory.
const MAX_CARRIED: Extent = Extent {
    nodes: MAX_NODES,
    bytes: 16 << 20,
};

/// The steps of a pointer, escapes undone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pointer(Vec<String>);

/// Reads the list of operations.
pub(super) fn operations(name: &str, items: &[Node]) -> Result<Vec<Operation>, Error> {
    let mut operations = Vec::with_capacity(items.len());
    for item in items {
        let operation = Operation::read(item).map_err(|reason| Error::Patch {
            patch: name.to_owned(),
            reason: format!("line {}: {reason}", item.at.line),
        })?;
        operations.push(operation);
    }
    Ok(operations)
}

impl Operation {
    fn read(node: &Node) -> Result<Self, String> {
        let text = |key: &str| {
            node.text(&[key])
                .ok_or_else(|| format!("an operation needs `{key}`"))
        };
        let value = || {
            node.get(&["value"])
                .cloned()
                .ok_or_else(|| "this operation needs a `value`".to_owned())
        };
        let verb = match text("op")? {
            "add" => Verb::Add(value()?),
            "remove" => Verb::Remove,
            "replace" => Verb::Replace(value()?),
            "move" => Verb::Move(Pointer::read(text("from")?)?),
            "copy" => Verb::Copy(Pointer::read(text("from")?)?),
            "test" => Verb::Test(value()?),
            _ => return Err("`op` must be add, remove, replace, move, copy or test".to_owned()),
        };
        Ok(Self {
            verb,
            path: Pointer::read(text("path")?)?,
        })
    }

    /// What it does, in a line, without its value.
    pub(super) fn masked(&self) -> String {
        let path = self.path.text();
        match &self.verb {
            Verb::Add(_) => format!("add {path}: (secret)\n"),
            Verb::Remove => format!("remove {path}\n"),
            Verb::Replace(_) => format!("replace {path}: (secret)\n"),
            Verb::Move(from) => format!("move {} to {path}\n", from.text()),
            Verb::Copy(from) => format!("copy {} to {path}\n", from.text()),
            Verb::Test(_) => format!("test {path}: (secret)\n"),
        }
    }

    /// Does it; `carried` is what the operations before have copied and moved.
    pub(super) fn apply(&self, root: &mut Node, carried: &mut Extent) -> Result<(), String> {
        match &self.verb {
            Verb::Add(value) => self.path.add(root, value.clone()),
            Verb::Remove => self.path.remove(root).map(drop),
            Verb::Replace(value) => {
                let place = self.path.find(root).ok_or_else(|| self.path.missing())?;
                self.path.holds(value)?;
                *place = value.clone();
                Ok(())
            }
            Verb::Move(from) => {
                let value = from.remove(root)?;
                carry(carried, &value)?;
                self.path.add(root, value)
            }
            Verb::Copy(from) => {
                let value = from.find(root).ok_or_else(|| from.missing())?;
                carry(carried, value)?;
                let value = value.clone();
                self.path.add(root, value)
            }
            Verb::Test(value) => match self.path.find(root) {
                Some(found) if *found == *value => Ok(()),
                Some(_) => Err(format!(
                    "the test of {} failed: another value is there",
                    self.path.text()
                )),
                None => Err(self.path.missing()),
            },
        }
    }
}

fn carry(carried: &mut Extent, value: &Node) -> Result<(), String> {
    *carried = carried.and(value.extent());
    if carried.nodes > MAX_CARRIED.nodes || carried.bytes > MAX_CARRIED.bytes {
        return Err("the patch copies and moves more than any config holds".to_owned());
    }
    Ok(())
}

impl Pointer {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let steps = text
            .strip_prefix('/')
            .ok_or("a path is a JSON pointer and begins with `/`")?;
        let steps: Vec<String> = steps
            .split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        if steps.len() > MAX_STEPS {
            return Err(format!("a path has more than {MAX_STEPS} steps"));
        }
        Ok(Self(steps))
    }

    fn text(&self) -> String {
        self.0
            .iter()
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
            .collect()
    }

    fn missing(&self) -> String {
        format!("there is nothing at {}", self.text())
    }

    /// Refuses a value that would nest too deeply here.
    fn holds(&self, value: &Node) -> Result<(), String> {
        if self.0.len() + value.depth() > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        Ok(())
    }

    fn find<'a>(&self, root: &'a mut Node) -> Option<&'a mut Node> {
        walk(root, &self.0)
    }

    fn add(&self, root: &mut Node, value: Node) -> Result<(), String> {
        self.holds(&value)?;
        let Some((last, above)) = self.0.split_last() else {
            *root = value;
            return Ok(());
        };
        let parent = walk(root, above).ok_or_else(|| self.missing())?;
        match &mut parent.value {
            Value::Mapping(mapping) => {
                mapping.set(last.clone(), value);
                Ok(())
            }
            Value::Sequence(items) => {
                let place = if last == "-" {
                    Some(items.len())
                } else {
                    index(last)
                };
                let place = place
                    .filter(|place| *place <= items.len())
                    .ok_or_else(|| self.missing())?;
                items.insert(place, value);
                Ok(())
            }
            Value::Scalar(_) => Err(self.missing()),
        }
    }

    fn remove(&self, root: &mut Node) -> Result<Node, String> {
        let (last, above) = self
            .0
            .split_last()
            .ok_or("the whole document cannot be removed")?;
        let removed = match walk(root, above).map(|parent| &mut parent.value) {
            Some(Value::Mapping(mapping)) => mapping.remove(last),
            Some(Value::Sequence(items)) => index(last)
                .filter(|place| *place < items.len())
                .map(|place| items.remove(place)),
            _ => None,
        };
        removed.ok_or_else(|| self.missing())
    }
}

fn walk<'a>(root: &'a mut Node, steps: &[String]) -> Option<&'a mut Node> {
    steps
        .iter()
        .try_fold(root, |node, step| match &mut node.value {
            Value::Mapping(mapping) => mapping.get_mut(step),
            Value::Sequence(items) => items.get_mut(index(step)?),
            Value::Scalar(_) => None,
        })
}

/// An index without sign and leading zeros (RFC 6901 section 4).
fn index(text: &str) -> Option<usize> {
    let is_canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if is_canonical {
        text.parse().ok()
    } else {
        None
    }
}
