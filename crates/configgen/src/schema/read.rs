//! Reading the tables.

use std::collections::HashMap;

use super::{DocumentKind, Field, Schema, Structure, Type};

/// Reads the tables; they are part of this program, so that a mistake in them is a bug.
pub(super) fn tables(texts: &[&'static str]) -> Schema {
    let mut structures: HashMap<&'static str, Structure> = HashMap::new();
    let mut documents: HashMap<&'static str, DocumentKind> = HashMap::new();
    let mut current: Option<(&'static str, bool)> = None;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let mut words = line.split_whitespace();
        match words.next() {
            None => {}
            Some(word) if word.starts_with('#') => {}
            Some("struct") => {
                let name = words.next().expect("a structure has a name");
                let old = structures.insert(name, Structure::default());
                assert!(old.is_none(), "{name} stands twice in the tables");
                current = Some((name, false));
            }
            Some("document") => {
                let kind = words.next().expect("a document has a kind");
                let rest: Vec<&str> = words.collect();
                let since = rest
                    .iter()
                    .find_map(|word| word.strip_prefix('+'))
                    .and_then(|number| number.parse().ok());
                let mut body = Structure::default();
                body.fields
                    .extend(["apiVersion", "kind"].map(|name| plain(name, Type::Str)));
                let document = DocumentKind {
                    since: since.expect("a document says since when"),
                    controlplane_only: rest.contains(&"controlplane"),
                    open: rest.contains(&"open"),
                    body,
                };
                documents.insert(kind, document);
                current = Some((kind, true));
            }
            Some(name) => {
                let field = field(name, words);
                let (owner, is_document) = current.expect("a key stands below its structure");
                if is_document {
                    documents
                        .get_mut(owner)
                        .expect("just put in")
                        .body
                        .fields
                        .push(field);
                } else {
                    structures
                        .get_mut(owner)
                        .expect("just put in")
                        .fields
                        .push(field);
                }
            }
        }
    }
    Schema {
        structures,
        documents,
    }
}

fn plain(name: &'static str, kind: Type) -> Field {
    Field {
        name,
        kind,
        replace: false,
        always: false,
        pointer: false,
        since: 0,
        old: None,
    }
}

fn field(name: &'static str, mut words: std::str::SplitWhitespace<'static>) -> Field {
    let text = words.next().expect("a key has a type");
    let (text, keys) = text.split_once('@').unwrap_or((text, ""));
    let replace = text.ends_with('=');
    let always = text.ends_with('!');
    let pointer = text.ends_with('*');
    let mut field = plain(name, kind(text.trim_end_matches(['=', '!', '*']), keys));
    field.replace = replace;
    field.always = always;
    field.pointer = pointer;
    while let Some(word) = words.next() {
        if let Some(number) = word.strip_prefix('+') {
            field.since = number.parse().expect("a minor version");
        } else if word == "old" {
            let minor = words
                .next()
                .and_then(|number| number.parse().ok())
                .expect("a minor version");
            let what = words.clone().collect::<Vec<_>>().join(" ");
            field.old = Some((minor, what.leak()));
            break;
        }
    }
    field
}

fn kind(text: &'static str, keys: &'static str) -> Type {
    let inside = |open: char, close: char| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
    };
    if let Some(item) = inside('[', ']') {
        let keys: Vec<&'static str> = keys.split(',').filter(|key| !key.is_empty()).collect();
        return Type::List(Box::new(kind(item, "")), keys.leak());
    }
    if let Some(value) = inside('{', '}') {
        return Type::Map(Box::new(kind(value, "")));
    }
    match text {
        "str" => Type::Str,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "dur" => Type::Duration,
        "size" => Type::Size,
        "cel" => Type::Cel,
        "any" => Type::Any,
        "strs" => Type::Strings,
        name => Type::Structure(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    fn named(kind: &Type, names: &mut Vec<&'static str>) {
        match kind {
            Type::Structure(name) => names.push(name),
            Type::List(inner, _) | Type::Map(inner) => named(inner, names),
            _ => {}
        }
    }

    #[test]
    fn every_structure_that_is_named_is_there() {
        let schema = schema();
        let bodies = schema
            .documents
            .values()
            .map(|document| &document.body)
            .chain(schema.structures.values());
        let mut names = Vec::new();
        for field in bodies.flat_map(Structure::fields) {
            named(&field.kind, &mut names);
        }
        let missing: Vec<_> = names
            .iter()
            .filter(|name| !schema.structures.contains_key(*name))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(schema.documents.len() > 80 && names.len() > 100);
    }
}
