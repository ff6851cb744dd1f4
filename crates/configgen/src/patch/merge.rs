//! Laying a patch over a document, type by type (`pkg/machinery/config/merge`).

use crate::DocumentId;
use crate::schema::{Field, Structure, Type, schema};
use crate::yaml::{Entry, Mapping, Node, Resolved, Value};

/// Lays `right` over the document `left` with the same identity.
pub(super) fn document(id: &DocumentId, left: &mut Node, right: &Node) -> Result<(), String> {
    match schema().body(id) {
        Some(body) => structure(body, left, right),
        None => free(left, right, false),
    }
}

fn structure(known: &Structure, left: &mut Node, right: &Node) -> Result<(), String> {
    let (Some(under), Some(over)) = (left.mapping_mut(), right.mapping()) else {
        return overwrite(left, right);
    };
    for field in known.fields() {
        let new = over.get(field.name);
        match (under.get_mut(field.name), new) {
            (Some(old), Some(new)) => {
                one(field, old, new).map_err(|reason| format!("{}: {reason}", field.name))?;
            }
            (Some(old), None) => {
                let is_gone = field.always || clear(&field.kind, old);
                if is_gone {
                    under.remove(field.name);
                }
            }
            (None, _) => {}
        }
    }
    // Keys that were not there, known or not, come in as they are.
    for entry in over {
        match under.get_mut(&entry.key.text) {
            None => add(known, under, entry),
            Some(old) if known.field(&entry.key.text).is_none() => free(old, &entry.value, false)?,
            Some(_) => {}
        }
    }
    Ok(())
}

/// A new key stands where Talos's own structure has it.
fn add(known: &Structure, under: &mut Mapping, entry: &Entry) {
    let order: Vec<&str> = known.fields().iter().map(|field| field.name).collect();
    under.set_in_order(entry.key.text.clone(), entry.value.clone(), &order);
}

/// What a patch without a value does to a present one: nothing, but for keys that are taken over always, at any depth.
/// Answers whether nothing is left.
fn clear(kind: &Type, old: &mut Node) -> bool {
    let (Type::Structure(name), Some(mapping)) = (kind, old.mapping_mut()) else {
        return false;
    };
    let before = mapping.len();
    for field in schema().structure(name).fields() {
        let is_gone = match mapping.get_mut(field.name) {
            Some(value) => field.always || clear(&field.kind, value),
            None => false,
        };
        if is_gone {
            mapping.remove(field.name);
        }
    }
    mapping.is_empty() && before > 0
}

fn one(field: &Field, left: &mut Node, right: &Node) -> Result<(), String> {
    if right.is_null() && !field.always {
        return Ok(());
    }
    if field.replace || field.always || field.pointer || left.is_null() {
        *left = right.clone();
        return Ok(());
    }
    typed(&field.kind, left, right)
}

fn typed(kind: &Type, left: &mut Node, right: &Node) -> Result<(), String> {
    if right.is_null() {
        return Ok(());
    }
    if left.is_null() {
        *left = right.clone();
        return Ok(());
    }
    match kind {
        Type::Bool | Type::Strings | Type::Cel => overwrite(left, right),
        Type::Str | Type::Int | Type::Duration | Type::Size => {
            if is_zero(right) {
                Ok(())
            } else {
                overwrite(left, right)
            }
        }
        Type::Any => free(left, right, true),
        Type::Structure(name) => structure(schema().structure(name), left, right),
        Type::Map(value) => map(value, left, right),
        Type::List(item, keys) => list(item, keys, left, right),
    }
}

fn map(value: &Type, left: &mut Node, right: &Node) -> Result<(), String> {
    let (Some(under), Some(over)) = (left.mapping_mut(), right.mapping()) else {
        return overwrite(left, right);
    };
    for entry in over {
        match under.get_mut(&entry.key.text) {
            Some(old) => typed(value, old, &entry.value)
                .map_err(|reason| format!("{}: {reason}", entry.key.text))?,
            None => {
                under.push(entry.clone());
            }
        }
    }
    Ok(())
}

fn list(item: &Type, keys: &[&str], left: &mut Node, right: &Node) -> Result<(), String> {
    let (Some(under), Some(over)) = (left.items_mut(), right.items()) else {
        return overwrite(left, right);
    };
    for new in over {
        // The first key that the new item has decides which old item is meant.
        let key = keys
            .iter()
            .find(|key| new.get(&[key]).is_some_and(|value| !is_zero(value)));
        let twin = key.and_then(|key| {
            under
                .iter_mut()
                .find(|old| old.get(&[key]) == new.get(&[key]))
        });
        match twin {
            Some(old) => typed(item, old, new)?,
            None => under.push(new.clone()),
        }
    }
    Ok(())
}

/// Free-form values: mappings merge, lists append, and scalars must be of the same type.
fn free(left: &mut Node, right: &Node, strict: bool) -> Result<(), String> {
    if right.is_null() {
        return Ok(());
    }
    if left.is_null() {
        *left = right.clone();
        return Ok(());
    }
    let (was, is) = (left.resolved(), right.resolved());
    match (&mut left.value, &right.value) {
        (Value::Mapping(under), Value::Mapping(over)) => {
            for entry in over {
                match under.get_mut(&entry.key.text) {
                    Some(old) => {
                        free(old, &entry.value, strict)
                            .map_err(|reason| format!("{}: {reason}", entry.key.text))?;
                    }
                    None => {
                        under.push(entry.clone());
                    }
                }
            }
            Ok(())
        }
        (Value::Sequence(under), Value::Sequence(over)) => {
            under.extend(over.iter().cloned());
            Ok(())
        }
        (Value::Scalar(_), Value::Scalar(_)) => {
            if strict && was.map(kind_of) != is.map(kind_of) {
                return Err(
                    "the patch has a value of another type, which Talos refuses to merge"
                        .to_owned(),
                );
            }
            if is_zero(right) && !matches!(is, Some(Resolved::Bool(_))) {
                Ok(())
            } else {
                overwrite(left, right)
            }
        }
        _ => Err("the patch has a value of another shape, which Talos refuses to merge".to_owned()),
    }
}

fn kind_of(resolved: Resolved) -> Resolved {
    match resolved {
        Resolved::Bool(_) => Resolved::Bool(true),
        other => other,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all ways to merge")]
fn overwrite(left: &mut Node, right: &Node) -> Result<(), String> {
    *left = right.clone();
    Ok(())
}

/// Go's zero value of a text or number, which does not override.
fn is_zero(node: &Node) -> bool {
    match node.scalar() {
        Some(scalar) => match node.resolved() {
            Some(Resolved::Str) => scalar.text.is_empty(),
            Some(Resolved::Int | Resolved::Float) => scalar
                .text
                .trim_start_matches(['+', '-'])
                .chars()
                .all(|digit| matches!(digit, '0' | '.' | '_' | 'x' | 'o')),
            Some(Resolved::Null) => true,
            _ => false,
        },
        None => false,
    }
}
