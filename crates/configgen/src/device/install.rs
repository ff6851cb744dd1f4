//! Where Talos is installed, from which image, and whether the disk is emptied first.
//!
//! All of it stands in `UnattendedInstallConfig` if the base has that document, else in `machine.install`.

use super::{DeviceConfigInput, order};
use crate::cel;
use crate::machine::DiskSelector;
use crate::yaml::{Mapping, Node};
use crate::{DocumentId, Error, MachineConfig};

/// Puts the device's own choices in; what it leaves open stays as the base has it.
pub(super) fn set_install(
    config: &mut MachineConfig,
    device: &DeviceConfigInput,
) -> Result<(), Error> {
    match (&device.install_disk, &device.install_selector) {
        (Some(_), Some(_)) => {
            return Err(Error::setting(
                "install_disk",
                "choose the disk by path or by selector, not by both",
            ));
        }
        (Some(disk), None) => set_disk(config, disk)?,
        (None, Some(selector)) => set_selector(config, selector)?,
        (None, None) => {}
    }
    if let Some(image) = &device.install_image {
        check_image(image)?;
        if has_document(config) {
            let keys: [(&str, &[&str]); 1] = [("installer", order::UNATTENDED_INSTALL)];
            config
                .mapping_at(&document(), &keys)?
                .set("image", Node::str(image));
        } else {
            install(config)?.set_in_order("image", Node::str(image), order::INSTALL);
        }
    }
    if let Some(wipe) = device.install_wipe {
        if has_document(config) {
            let keys: [(&str, &[&str]); 1] = [("provisioning", order::UNATTENDED_INSTALL)];
            let provisioning = config.mapping_at(&document(), &keys)?;
            provisioning.set_in_order("wipe", Node::bool(wipe), order::INSTALL_PROVISIONING);
        } else {
            install(config)?.set_in_order("wipe", Node::bool(wipe), order::INSTALL);
        }
    }
    Ok(())
}

fn set_disk(config: &mut MachineConfig, disk: &str) -> Result<(), Error> {
    check_disk_path("install_disk", disk)?;
    if has_document(config) {
        set_match(config, cel::disk_at(disk))
    } else {
        let install = install(config)?;
        // Beside a disk, Talos silently prefers the selector.
        install.remove("diskSelector");
        install.set_in_order("disk", Node::str(disk), order::INSTALL);
        Ok(())
    }
}

fn set_selector(config: &mut MachineConfig, selector: &DiskSelector) -> Result<(), Error> {
    selector.check()?;
    if has_document(config) {
        set_match(config, selector.expression()?)
    } else {
        let install = install(config)?;
        install.remove("disk");
        install.set_in_order("diskSelector", selector.node(), order::INSTALL);
        Ok(())
    }
}

fn set_match(config: &mut MachineConfig, expression: String) -> Result<(), Error> {
    let keys: [(&str, &[&str]); 2] = [
        ("provisioning", order::UNATTENDED_INSTALL),
        ("diskSelector", order::INSTALL_PROVISIONING),
    ];
    config
        .mapping_at(&document(), &keys)?
        .set("match", Node::str(expression));
    Ok(())
}

fn document() -> DocumentId {
    DocumentId::of_kind("UnattendedInstallConfig", "")
}

fn has_document(config: &MachineConfig) -> bool {
    config.document(&document()).is_some()
}

fn install(config: &mut MachineConfig) -> Result<&mut Mapping, Error> {
    let keys: [(&str, &[&str]); 2] = [("machine", order::ROOT), ("install", order::MACHINE)];
    config.mapping_at(&DocumentId::V1Alpha1, &keys)
}

/// Refuses what is no path of a disk; `field` is what the error calls it.
pub(crate) fn check_disk_path(field: &'static str, disk: &str) -> Result<(), Error> {
    if disk.starts_with("/dev/")
        && disk.len() > 5
        && disk.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(())
    } else {
        Err(Error::setting(
            field,
            format!("`{}` is not a path such as /dev/sda", disk.escape_default()),
        ))
    }
}

fn check_image(image: &str) -> Result<(), Error> {
    if !image.is_empty() && image.len() <= 512 && image.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(())
    } else {
        Err(Error::setting(
            "install_image",
            format!("`{}` is not the name of an image", image.escape_default()),
        ))
    }
}
