//! Labels on the command line: `KEY=VALUE` sets one, `KEY-` takes it away, as kubectl has it.

use std::collections::BTreeMap;
use std::str::FromStr;

use model::{LabelKey, LabelValue, Labels, ParseError};

use crate::cli::Failure;

/// What becomes of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelChange {
    key: LabelKey,
    /// `None` takes it away.
    value: Option<LabelValue>,
}

impl FromStr for LabelChange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (key, value) = match (text.split_once('='), text.strip_suffix('-')) {
            (Some((key, value)), _) => (key, Some(value.parse()?)),
            (None, Some(key)) => (key, None),
            (None, None) => (text, Some(LabelValue::default())),
        };
        let key = key.parse()?;
        Ok(Self { key, value })
    }
}

/// The labels with these changes made to them.
pub(super) fn changed(labels: &Labels, changes: Vec<LabelChange>) -> Result<Labels, Failure> {
    let pair = |(key, value): (&LabelKey, &LabelValue)| (key.clone(), value.clone());
    let mut all: BTreeMap<LabelKey, LabelValue> = labels.iter().map(pair).collect();
    for change in changes {
        match change.value {
            Some(value) => all.insert(change.key, value),
            None => all.remove(&change.key),
        };
    }
    Labels::try_from(all).map_err(|err| Failure::Invalid(err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_set_and_taken_away() {
        let change = |labels: &Labels, texts: &[&str]| {
            let changes = texts.iter().map(|text| text.parse().unwrap()).collect();
            changed(labels, changes).unwrap()
        };
        let shown = |labels: &Labels| serde_json::to_string(labels).unwrap();
        let labels = change(&Labels::default(), &["rack=r1", "spare", "x.y/row=2"]);
        assert_eq!(shown(&labels), r#"{"rack":"r1","spare":"","x.y/row":"2"}"#);
        let labels = change(&labels, &["rack=r2", "spare-", "never-"]);
        assert_eq!(shown(&labels), r#"{"rack":"r2","x.y/row":"2"}"#);
        for wrong in ["", "=1", "-", "a b=1", "rack=a b"] {
            assert!(wrong.parse::<LabelChange>().is_err(), "{wrong:?}");
        }
    }
}
