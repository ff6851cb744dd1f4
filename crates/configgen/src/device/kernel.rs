//! Kernel modules.

use super::{KernelModule, order};
use crate::yaml::{Node, Position};
use crate::{Contract, DocumentId, Error, MachineConfig};

/// Adds modules: as `KernelModuleConfig` documents to bases from v1.14 on, else to `machine.kernel.modules`. A module that the
/// base has already gets the device's parameters.
pub(super) fn set_modules(
    config: &mut MachineConfig,
    modules: &[KernelModule],
) -> Result<(), Error> {
    for module in modules {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if module.name.is_empty() || module.name.len() > 64 || !module.name.bytes().all(is_name) {
            let reason = format!(
                "`{}` is not the name of a module",
                module.name.escape_default()
            );
            return Err(Error::setting("kernel_modules", reason));
        }
        if Contract::of_config(config).is_documents_only() {
            set_document(config, module)?;
        } else {
            set_item(config, module)?;
        }
    }
    Ok(())
}

fn parameters(module: &KernelModule) -> Option<(&'static str, Node)> {
    let texts = module.parameters.iter().map(Node::str);
    (!module.parameters.is_empty()).then(|| ("parameters", Node::seq(texts)))
}

fn set_document(config: &mut MachineConfig, module: &KernelModule) -> Result<(), Error> {
    let id = DocumentId::of_kind("KernelModuleConfig", &module.name);
    if config.document(&id).is_none() {
        let header = [
            ("apiVersion", "v1alpha1"),
            ("kind", "KernelModuleConfig"),
            ("name", &module.name),
        ];
        config.push(Node::map(header.map(|(key, text)| (key, Node::str(text)))))?;
    }
    if let Some((key, list)) = parameters(module) {
        config.mapping_at(&id, &[])?.set(key, list);
    }
    Ok(())
}

fn set_item(config: &mut MachineConfig, module: &KernelModule) -> Result<(), Error> {
    let file = config.file().to_owned();
    let keys: [(&str, &[&str]); 2] = [("machine", order::ROOT), ("kernel", order::MACHINE)];
    let kernel = config.mapping_at(&DocumentId::V1Alpha1, &keys)?;
    let at = kernel
        .entry("modules")
        .map_or(Position::NONE, |entry| entry.at);
    let modules = kernel.sequence_at("modules", &[]).ok_or_else(|| {
        Error::document(
            &file,
            &DocumentId::V1Alpha1,
            at,
            "`machine.kernel.modules` must be a list",
        )
    })?;
    let place = modules
        .iter()
        .position(|item| item.text(&["name"]) == Some(&module.name))
        .unwrap_or_else(|| {
            modules.push(Node::map([("name", Node::str(&module.name))]));
            modules.len() - 1
        });
    if let (Some(item), Some((key, list))) = (modules[place].mapping_mut(), parameters(module)) {
        item.set(key, list);
    }
    Ok(())
}
