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

/// The facts that a form gives.
pub(super) fn read(post: &Post) -> Map<String, Value> {
    let given = |fact: &str| {
        let text = post.text(&format!("disk_{fact}"));
        (!text.is_empty()).then(|| (fact.to_owned(), text.into()))
    };
    FACTS.into_iter().filter_map(given).collect()
}
