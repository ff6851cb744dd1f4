//! The fields of a form, with what was typed and what is wrong with it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Error;

/// One field.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Field {
    /// What stands in it.
    pub(super) value: String,
    /// What is wrong with it, in a sentence.
    pub(super) wrong: Option<String>,
    /// What somebody else put in it while the form was being filled.
    theirs: Option<String>,
}

impl Field {
    /// A field with nothing wrong.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over what they have at hand, by value or by reference"
    )]
    pub(super) fn of(value: impl ToString) -> Self {
        Self {
            value: value.to_string(),
            ..Self::default()
        }
    }

    /// A field that may be empty.
    pub(super) fn maybe(value: Option<impl ToString>) -> Self {
        value.map(Self::of).unwrap_or_default()
    }
}

/// The fields of a form by name.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Fields(BTreeMap<String, Field>);

impl Fields {
    /// The fields of a form.
    pub(super) fn new<const N: usize>(fields: [(&'static str, Field); N]) -> Self {
        let named = |(name, field): (&str, Field)| (name.to_owned(), field);
        Self(fields.map(named).into())
    }

    /// Takes in what was typed; a password is typed anew, for no page has one in it.
    pub(super) fn typed(&mut self, typed: &super::post::Post) {
        for (name, field) in &mut self.0 {
            if let Some(value) = typed.get(name).filter(|_| *name != "password") {
                value.clone_into(&mut field.value);
            }
        }
    }

    /// Takes in which boxes of those called `names` were ticked; a browser sends nothing of one that is not.
    pub(super) fn choose(&mut self, names: &[&'static str], typed: &super::post::Post) {
        for name in names {
            self.set(name, typed.get(name).unwrap_or("false"));
        }
    }

    /// Notes what stands in the fields, so that a form that comes back late tells what was typed from what was there.
    pub(super) fn remember(mut self) -> Self {
        let values: BTreeMap<&str, &str> = self
            .0
            .iter()
            .map(|(name, field)| (name.as_str(), field.value.as_str()))
            .collect();
        let was = serde_json::to_string(&values).unwrap_or_default();
        self.set("was", was);
        self
    }

    /// Lays what was typed into an older form over what is in force: a field that was typed into keeps that, any other shows what is
    /// in force, and each that somebody else changed says so. `boxes` are those fields of which a browser sends nothing if they are off.
    pub(super) fn merge(&mut self, typed: &super::post::Post, boxes: &[&str]) {
        let was = typed.get("was").unwrap_or_default();
        let was: BTreeMap<String, String> = serde_json::from_str(was).unwrap_or_default();
        for (name, field) in &mut self.0 {
            if name == "was" {
                continue;
            }
            // What the form did not have was added to it, empty.
            let was = was.get(name).map_or("", String::as_str);
            let off = boxes.contains(&name.as_str()).then_some("false");
            let Some(typed) = typed.get(name).or(off) else {
                continue;
            };
            let present = field.value.clone();
            if present != was && present != typed {
                field.theirs = Some(present);
            }
            if typed != was {
                typed.clone_into(&mut field.value);
            }
        }
    }

    /// Adds fields that it does not have.
    pub(super) fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.0.entry(name).or_default();
        }
    }

    /// Puts a value into a field.
    pub(super) fn set(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), Field::of(value));
    }

    /// Puts a refusal at its field; gives the sentence back if it is at none of these. An error that no form can mend is an error.
    pub(super) fn refuse(&mut self, err: Error) -> Result<Option<String>, Error> {
        let (name, sentence) = told(err)?;
        let field = name.as_deref().and_then(|name| self.0.get_mut(name));
        Ok(match field {
            Some(field) => {
                field.wrong = Some(sentence);
                None
            }
            None => Some(alone(name.as_deref(), sentence)),
        })
    }
}

/// A sentence that stands alone, away from the field it is about: with the field's name before it, unless it begins as a sentence.
pub(super) fn alone(field: Option<&str>, sentence: String) -> String {
    match field {
        Some(field) if sentence.starts_with(|c: char| c.is_lowercase() || c == '`') => {
            format!("{}: {sentence}", field.replace('_', " "))
        }
        _ => sentence,
    }
}

/// A refusal of one item of a list or map, such as `nameservers[1]` or `labels.rack`, is one of the field that holds it.
pub(super) fn of_list(err: Error) -> Error {
    match err {
        Error::Refused(mut refusal) => {
            refusal.field = refusal
                .field
                .map(|field| match field.split_once(['[', '.']) {
                    Some((list, _)) => list.to_owned(),
                    None => field,
                });
            Error::Refused(refusal)
        }
        other => other,
    }
}

/// A choice of a list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Choice {
    value: String,
    label: String,
}

impl Choice {
    /// A choice.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over what they have at hand, by value or by reference"
    )]
    pub(super) fn new(value: impl ToString, label: impl ToString) -> Self {
        Self {
            value: value.to_string(),
            label: label.to_string(),
        }
    }

    /// The choices that are called as they are written.
    pub(super) fn words<T: ToString>(words: impl IntoIterator<Item = T>) -> Vec<Self> {
        let choice = |word: T| Self::new(word.to_string(), word.to_string());
        words.into_iter().map(choice).collect()
    }
}

/// The field and the sentence of a refusal that whoever filled the form can mend.
pub(super) fn told(err: Error) -> Result<(Option<String>, String), Error> {
    match err {
        Error::Refused(refusal) => {
            let sentence = match refusal.hint {
                Some(hint) => format!("{} ({hint})", refusal.why),
                None => refusal.why,
            };
            Ok((refusal.field, sentence))
        }
        Error::Store(store::Error::Taken { field, .. }) => {
            Ok((Some(field.to_owned()), "is taken".to_owned()))
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::post::Post;

    #[test]
    fn a_refusal_is_at_its_field_or_names_it() {
        let mut form = Fields::new([("name", Field::default())]);
        let mut refuse = |field, why| form.refuse(Error::invalid(field, why)).unwrap();
        assert_eq!(refuse("name", "is taken"), None);
        let of_another = refuse("hold_limit", "is too long");
        assert_eq!(of_another.as_deref(), Some("hold limit: is too long"));
        let whole = refuse("order", "Choose one.");
        assert_eq!(whole.as_deref(), Some("Choose one."));
        assert_eq!(form.0["name"].wrong.as_deref(), Some("is taken"));
    }

    #[test]
    fn a_late_form_keeps_what_was_typed_and_takes_what_others_changed() {
        let form = |name: &str, notes: &str, role: &str| {
            let fields = [
                ("name", Field::of(name)),
                ("notes", Field::of(notes)),
                ("role", Field::of(role)),
                ("strict", Field::of(true)),
            ];
            Fields::new(fields).remember()
        };
        let seen = form("a", "", "worker");
        let was = form_urlencoded::byte_serialize(seen.0["was"].value.as_bytes());
        let was: String = was.collect();
        // Typed: other notes, the box off. In force since: another name and other notes.
        let post = format!("name=a&notes=mine&role=worker&was={was}");
        let mut now = form("b", "theirs", "worker");
        now.merge(&Post::parse(post.as_bytes()), &["strict"]);
        let shown = |name: &str| {
            let field = &now.0[name];
            (field.value.as_str(), field.theirs.as_deref())
        };
        assert_eq!(shown("name"), ("b", Some("b")));
        assert_eq!(shown("notes"), ("mine", Some("theirs")));
        assert_eq!(shown("role"), ("worker", None));
        assert_eq!(shown("strict"), ("false", None));
    }
}
