//! Kinds, keys and types: what Talos refuses while it reads a config.

use data_encoding::BASE64;

use super::{Finding, Findings, Place};
use crate::nearest;
use crate::schema::{DocumentKind, Structure, Type, schema};
use crate::yaml::{Node, Resolved, Style, Value};
use crate::{ByteSize, Contract, DocumentId, VolumeLimit};

/// Everything wrong with the kind, keys and types of one document, expressions left out.
pub(super) fn shape(id: &DocumentId, root: &Node, contract: Contract) -> Vec<Finding> {
    let mut findings = Findings::default();
    let place = Place::root(id, root);
    if let Some(kind) = id.kind() {
        match schema().document(kind) {
            None => unknown_kind(kind, &place, contract, &mut findings),
            Some(known) if known.since > contract.minor() => {
                findings.error(
                    &place,
                    format!(
                        "{kind} came with Talos v1.{}, this is for {contract}",
                        known.since
                    ),
                );
            }
            Some(known) if !is_v1alpha1(id) => {
                findings
                    .error(
                        &place,
                        format!("{kind} is only known with `apiVersion: v1alpha1`"),
                    )
                    .suggest(advice(known));
            }
            Some(_) => {}
        }
    }
    if let Some(body) = schema().body(id) {
        structure(body, &place, contract, &mut findings);
    }
    findings.list
}

fn is_v1alpha1(id: &DocumentId) -> bool {
    matches!(id, DocumentId::Kind { api_version, .. } if api_version == "v1alpha1")
}

fn advice(_known: &DocumentKind) -> &'static str {
    "write `apiVersion: v1alpha1`"
}

fn unknown_kind(kind: &str, place: &Place<'_>, contract: Contract, findings: &mut Findings) {
    let finding = findings.error(place, format!("Talos {contract} knows no kind {kind}"));
    if let Some(near) = nearest(kind, schema().kinds()) {
        finding.suggest(format!("did you mean {near}?"));
    }
}

fn structure(known: &Structure, place: &Place<'_>, contract: Contract, findings: &mut Findings) {
    let Some(node) = place.node else { return };
    if node.is_null() {
        return;
    }
    if node.mapping().is_none() {
        findings.error(place, "must be a mapping");
        return;
    }
    for (key, value) in place.entries() {
        let Some(field) = known.field(key) else {
            let finding = findings.error(&value, "unknown key");
            if let Some(near) = nearest(key, known.fields().iter().map(|field| field.name)) {
                finding.suggest(format!("did you mean `{near}`?"));
            }
            continue;
        };
        if field.since > contract.minor() {
            findings.error(
                &value,
                format!(
                    "this key came with Talos v1.{}, this is for {contract}",
                    field.since
                ),
            );
            continue;
        }
        if let Some((since, instead)) = field.old
            && contract.minor() >= since
        {
            findings
                .warning(&value, format!("deprecated since Talos v1.{since}"))
                .suggest(format!("use {instead}"));
        }
        typed(&field.kind, &value, contract, findings);
    }
}

fn typed(kind: &Type, place: &Place<'_>, contract: Contract, findings: &mut Findings) {
    let Some(node) = place.node.filter(|node| !node.is_null()) else {
        return;
    };
    match kind {
        Type::Any => {}
        Type::Structure(name) => {
            structure(schema().structure(name), place, contract, findings);
            if matches!(*name, "Identity" | "Certificate" | "PrivateKey") {
                packed(place, findings);
            }
        }
        Type::List(item, _) => match &node.value {
            Value::Sequence(_) => {
                for item_place in place.items() {
                    typed(item, &item_place, contract, findings);
                }
            }
            _ => {
                findings.error(place, "must be a list");
            }
        },
        Type::Map(value) => match &node.value {
            Value::Mapping(_) => {
                for (_, value_place) in place.entries() {
                    typed(value, &value_place, contract, findings);
                }
            }
            _ => {
                findings.error(place, "must be a mapping");
            }
        },
        Type::Strings => match &node.value {
            Value::Sequence(_) if contract.has_kubespan_document() => {
                for item_place in place.items() {
                    typed(&Type::Str, &item_place, contract, findings);
                }
            }
            Value::Scalar(_) => {}
            _ => {
                findings.error(place, "must be a text");
            }
        },
        Type::Str | Type::Bool | Type::Int | Type::Duration | Type::Size | Type::Cel => {
            if let Some(wrong) = scalar_problem(kind, node) {
                findings.error(place, wrong);
            }
        }
    }
}

fn scalar_problem(kind: &Type, node: &Node) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        return Some("must be a single value".to_owned());
    };
    let text = scalar.text.as_str();
    match kind {
        Type::Bool if node.as_bool().is_none() => Some("must be true or false".to_owned()),
        Type::Int if !matches!(node.resolved(), Some(Resolved::Int | Resolved::Float)) => {
            let hint = if scalar.style == Style::Plain {
                ""
            } else {
                " without quotes"
            };
            Some(format!("must be a whole number{hint}"))
        }
        Type::Duration if !is_duration(text) && node.resolved() != Some(Resolved::Int) => {
            Some("must be a duration such as 10s, 5m or 168h0m0s".to_owned())
        }
        Type::Size if text.parse::<VolumeLimit>().is_err() && text.parse::<ByteSize>().is_err() => {
            Some("must be a size such as 10GB or 10GiB".to_owned())
        }
        _ => None,
    }
}

/// Everything wrong with the expressions of one document, which Talos only looks at once it is merged.
pub(super) fn expressions(id: &DocumentId, root: &Node, findings: &mut Findings) {
    if let Some(body) = schema().body(id) {
        expressions_of(body, &Place::root(id, root), findings);
    }
}

fn expressions_of(known: &Structure, place: &Place<'_>, findings: &mut Findings) {
    for (key, value) in place.entries() {
        match known.field(key).map(|field| &field.kind) {
            Some(Type::Cel) => {
                if let Some(reason) = value.text().and_then(crate::cel::problem) {
                    findings.error(&value, format!("the expression is wrong: {reason}"));
                }
            }
            Some(Type::Structure(name)) => {
                expressions_of(schema().structure(name), &value, findings);
            }
            _ => {}
        }
    }
}

/// Go's `time.ParseDuration`.
pub(super) fn is_duration(text: &str) -> bool {
    let body = text.trim_start_matches(['+', '-']);
    if body == "0" {
        return true;
    }
    let mut rest = body;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let is_number =
            number.bytes().any(|byte| byte.is_ascii_digit()) && number.matches('.').count() <= 1;
        let unit = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"]
            .into_iter()
            .find(|unit| {
                // `m` is also the beginning of `ms`.
                tail.starts_with(unit) && !(*unit == "m" && tail.starts_with("ms"))
            });
        match unit {
            Some(unit) if is_number => rest = &tail[unit.len()..],
            _ => return false,
        }
    }
    !body.is_empty()
}

/// Certificates and keys of the v1alpha1 document are base64.
fn packed(place: &Place<'_>, findings: &mut Findings) {
    for (_, half) in place.entries() {
        let is_base64 = half.text().is_none_or(|text| {
            let digits: Vec<u8> = text
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            BASE64.decode(&digits).is_ok()
        });
        if !is_base64 {
            findings.error(&half, "must be base64 of PEM text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for good in [
            "0",
            "10s",
            "168h0m0s",
            "1.5h",
            "-3ms",
            "1h2m3s4ms5us6ns",
            "7µs",
        ] {
            assert!(is_duration(good), "{good}");
        }
        for wrong in ["", "10", "s", "1d", "1h2", "h1", "1..5s", "ten"] {
            assert!(!is_duration(wrong), "{wrong}");
        }
    }
}
