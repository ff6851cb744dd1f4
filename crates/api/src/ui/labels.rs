//! Labels in a form: `key=value` words, as they are typed and shown.

use model::Labels;
use serde_json::{Map, Value};

use crate::Error;

/// The labels as the API takes them. A word without `=` has an empty value; a word without a key is refused, and what is no label
/// otherwise the API refuses.
pub(super) fn read(text: &str) -> Result<Value, Error> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    let pair = |word: &str| match word.split_once('=').unwrap_or((word, "")) {
        ("", _) => {
            let why = format!("`{word}` has no key before its `=`; a label is rack=7, or rack");
            Err(Error::invalid("labels", why))
        }
        (key, value) => Ok((key.to_owned(), Value::from(value))),
    };
    let labels: Result<Map<String, Value>, Error> =
        words.filter(|word| !word.is_empty()).map(pair).collect();
    Ok(labels?.into())
}

/// The labels as they are typed.
pub(super) fn text(labels: &Labels) -> String {
    let word = |(key, value): (&model::LabelKey, &model::LabelValue)| match value.as_str() {
        "" => key.as_str().to_owned(),
        value => format!("{}={value}", key.as_str()),
    };
    labels.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_typed_as_words() {
        let read_back = read("rack=7  example.com/site=north,spare").unwrap();
        let labels: Labels = serde_json::from_value(read_back).unwrap();
        assert_eq!(text(&labels), "example.com/site=north rack=7 spare");
        assert!(read("rack=7 =bad").is_err());
    }
}
