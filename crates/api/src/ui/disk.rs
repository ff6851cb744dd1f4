//! A disk by what it is: the facts of a selector as the fields of a form, `disk_` before each.

use configgen::DiskSelector;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::post::Post;

/// The facts, in the names of the API.
const FACTS: [&str; 8] = [
    "size", "type", "model", "serial", "wwid", "uuid", "modalias", "bus_path",
];

/// Puts the facts of a selector into a form.
pub(super) fn fill(fields: &mut Fields, selector: &DiskSelector) {
    let facts = serde_json::to_value(selector).unwrap_or_default();
    for fact in FACTS {
        let text = facts[fact].as_str().unwrap_or_default();
        fields.set(&format!("disk_{fact}"), text);
    }
}

/// The form's field for a refused selector or one of its facts, as the API and the config generator name them; nothing for other fields.
pub(super) fn field(refused: &str) -> Option<String> {
    let fact = ["disk_selector", "install_selector", "install.selector"]
        .iter()
        .find_map(|selector| refused.strip_prefix(selector))?
        .trim_start_matches('.');
    let first = FACTS[0];
    let fact = if FACTS.contains(&fact) { fact } else { first };
    Some(format!("disk_{fact}"))
}

/// The facts that a form gives.
pub(super) fn read(post: &Post) -> Map<String, Value> {
    let given = |fact: &str| {
        let text = post.text(&format!("disk_{fact}"));
        (!text.is_empty()).then(|| (fact.to_owned(), text.into()))
    };
    FACTS.into_iter().filter_map(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_fact_is_at_its_field() {
        for (refused, at) in [
            ("disk_selector.type", Some("disk_type")),
            ("install_selector.bus_path", Some("disk_bus_path")),
            ("install.selector.size", Some("disk_size")),
            ("disk_selector", Some("disk_size")),
            ("install_selector", Some("disk_size")),
            ("ephemeral_disk_selector", None),
            ("install", None),
        ] {
            assert_eq!(field(refused).as_deref(), at, "{refused}");
        }
    }
}
