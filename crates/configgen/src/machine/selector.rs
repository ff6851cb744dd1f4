//! Which disk Talos is installed on.

use serde::{Deserialize, Serialize};

use crate::yaml::Node;
use crate::{ByteSize, Error};

/// Which disk Talos is installed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstallTarget {
    /// By path, such as `/dev/sda`.
    Disk(String),
    /// By what it is.
    Selector(DiskSelector),
}

/// What a disk must be; all given facts together. Texts may hold `*` wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSelector {
    /// An operator and a size, such as `>= 100GB`.
    pub size: Option<String>,
    /// `ssd`, `hdd`, `nvme` or `sd`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Model name.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World-wide id.
    pub wwid: Option<String>,
    /// UUID.
    pub uuid: Option<String>,
    /// Kernel module alias.
    pub modalias: Option<String>,
    /// Path on its bus.
    pub bus_path: Option<String>,
}

impl DiskSelector {
    /// The facts as the v1alpha1 document names them, in its order.
    pub(crate) fn facts(&self) -> [(&'static str, Option<&String>); 8] {
        [
            ("size", self.size.as_ref()),
            ("model", self.model.as_ref()),
            ("serial", self.serial.as_ref()),
            ("modalias", self.modalias.as_ref()),
            ("uuid", self.uuid.as_ref()),
            ("wwid", self.wwid.as_ref()),
            ("type", self.kind.as_ref()),
            ("busPath", self.bus_path.as_ref()),
        ]
    }

    /// Refuses what Talos could not read, and a selector that says nothing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.facts().iter().all(|(_, fact)| fact.is_none()) {
            return Err(Error::setting(
                "disk_selector",
                "says nothing; give a size, type, model, serial, wwid, uuid, modalias or bus_path",
            ));
        }
        if let Some(kind) = &self.kind
            && !matches!(kind.as_str(), "ssd" | "hdd" | "nvme" | "sd")
        {
            return Err(Error::setting(
                "disk_selector.type",
                format!(
                    "`{}` is not a type: ssd, hdd, nvme or sd",
                    kind.escape_default()
                ),
            ));
        }
        if let Some(size) = &self.size {
            split_comparison(size)?;
        }
        Ok(())
    }

    /// The selector as the v1alpha1 document has it.
    pub(crate) fn node(&self) -> Node {
        let facts = self
            .facts()
            .into_iter()
            .filter_map(|(name, fact)| Some((name, Node::str(fact?))));
        Node::map(facts)
    }

    /// The selector as an expression over `disk`, for contracts from v1.14 on.
    pub(crate) fn expression(&self) -> Result<String, Error> {
        let mut terms = Vec::new();
        for (name, fact) in self.facts() {
            let Some(fact) = fact else { continue };
            terms.push(match name {
                "size" => {
                    let (operator, size) = split_comparison(fact)?;
                    format!("disk.size {operator} {}u", size.bytes())
                }
                "type" => match fact.as_str() {
                    "nvme" => "disk.transport == \"nvme\"".to_owned(),
                    "sd" => "disk.transport == \"mmc\"".to_owned(),
                    "hdd" => "disk.rotational".to_owned(),
                    _ => "!disk.rotational".to_owned(),
                },
                _ => {
                    let field = if name == "busPath" { "bus_path" } else { name };
                    let text = crate::cel::string(fact);
                    if fact.contains(['*', '?', '[']) {
                        format!("glob({text}, disk.{field})")
                    } else {
                        format!("disk.{field} == {text}")
                    }
                }
            });
        }
        // What Talos adds to a selector of the old form: real disks that can be written.
        terms
            .extend(["disk.transport != \"\"", "!disk.readonly", "!disk.cdrom"].map(str::to_owned));
        Ok(terms.join(" && "))
    }
}

/// The size of a selector, where it is refused.
const SIZE: &str = "disk_selector.size";

/// `>= 100GB` as operator and size; without an operator the sizes must be equal.
fn split_comparison(text: &str) -> Result<(&str, ByteSize), Error> {
    let trimmed = text.trim();
    let end = trimmed
        .find(|character: char| !"<>=".contains(character))
        .unwrap_or(trimmed.len());
    let (operator, size) = trimmed.split_at(end);
    let operator = match operator {
        "" | "==" | "=" => "==",
        ">" | ">=" | "<" | "<=" => operator,
        _ => {
            return Err(Error::setting(
                SIZE,
                format!(
                    "`{}` is not a comparison such as >= 100GB",
                    text.escape_default()
                ),
            ));
        }
    };
    let size = size.trim().parse().map_err(|err| match err {
        Error::Setting { reason, .. } => Error::setting(SIZE, reason),
        other => other,
    })?;
    Ok((operator, size))
}
