//! The config that all nodes of a role share.

use model::Role;

use crate::yaml::Position;
use crate::{DocumentId, Error, MachineConfig};

/// A config that is whole and says it is for a role; device configs are made from it.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseConfig {
    role: Role,
    config: MachineConfig,
}

impl BaseConfig {
    /// Reads a base config; errors call it `controlplane.yaml` or `worker.yaml`.
    ///
    /// # Errors
    /// It is not YAML, has a document twice, lacks the `machine` section, or is for another role.
    pub fn parse(role: Role, text: &str) -> Result<Self, Error> {
        Self::parse_file(role, &format!("{role}.yaml"), text)
    }

    /// Reads a base config from a file; `file` is what errors call it.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_file(role: Role, file: &str, text: &str) -> Result<Self, Error> {
        Self::from_config(role, MachineConfig::parse(file, text)?)
    }

    /// Takes a config as a base.
    ///
    /// # Errors
    /// It lacks the `machine` section or is for another role.
    pub fn from_config(role: Role, config: MachineConfig) -> Result<Self, Error> {
        let wrong = |at: Position, reason: String| {
            Error::document(config.file(), &DocumentId::V1Alpha1, at, reason)
        };
        let Some(root) = config.v1alpha1() else {
            let reason = "the document with `machine` and `cluster` is missing".to_owned();
            return Err(Error::File {
                file: config.file().to_owned(),
                reason,
            });
        };
        let Some(machine) = root.get(&["machine"]) else {
            return Err(wrong(
                root.at,
                "the `machine` section is missing".to_owned(),
            ));
        };
        let Some(machine_type) = machine.get(&["type"]) else {
            return Err(wrong(machine.at, "`machine.type` is missing".to_owned()));
        };
        if machine_type.as_str() != Some(role.as_str()) {
            let found = match machine_type.as_str() {
                Some("controlplane") => "controlplane",
                Some("worker") => "worker",
                _ => "something else",
            };
            return Err(wrong(
                machine_type.at,
                format!("`machine.type` is {found}, but this config is for the role {role}"),
            ));
        }
        Ok(Self { role, config })
    }

    /// The role it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its documents.
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }
}
