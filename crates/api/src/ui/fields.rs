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
            wrong: None,
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
pub(super) struct Fields(BTreeMap<&'static str, Field>);

impl Fields {
    /// The fields of a form.
    pub(super) fn new<const N: usize>(fields: [(&'static str, Field); N]) -> Self {
        Self(fields.into())
    }

    /// Takes in what was typed.
    pub(super) fn typed(&mut self, typed: &super::post::Post) {
        for (name, field) in &mut self.0 {
            if let Some(value) = typed.get(name) {
                value.clone_into(&mut field.value);
            }
        }
    }

    /// Puts a value into a field.
    pub(super) fn set(&mut self, name: &'static str, value: impl ToString) {
        self.0.insert(name, Field::of(value));
    }

    /// Puts a refusal at its field; gives the sentence back if it is at none of these. An error that no form can mend is an error.
    pub(super) fn refuse(&mut self, err: Error) -> Result<Option<String>, Error> {
        let (name, sentence) = told(err)?;
        let field = name.and_then(|name| self.0.get_mut(name.as_str()));
        Ok(match field {
            Some(field) => {
                field.wrong = Some(sentence);
                None
            }
            None => Some(sentence),
        })
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
