//! Volumes Talos makes on the disks.

use model::EphemeralVolume;

use super::{UserVolume, order};
use crate::yaml::{Mapping, Node};
use crate::{ByteSize, DocumentId, Error, MachineConfig, VolumeLimit, cel};

/// Names of the settings of a volume, for errors.
struct Fields {
    min_size: &'static str,
    max_size: &'static str,
    disk_selector: &'static str,
}

const EPHEMERAL: Fields = Fields {
    min_size: "ephemeral_min_size",
    max_size: "ephemeral_max_size",
    disk_selector: "ephemeral_disk_selector",
};
const IMAGE_CACHE: Fields = Fields {
    min_size: "image_cache_min_size",
    max_size: "image_cache_max_size",
    disk_selector: "image_cache_disk_selector",
};
const USER: Fields = Fields {
    min_size: "user_volume_min_size",
    max_size: "user_volume_max_size",
    disk_selector: "user_volume_disk_selector",
};

/// Puts size and place into the `VolumeConfig` of EPHEMERAL, which is added if the base has none.
pub(super) fn set_ephemeral(
    config: &mut MachineConfig,
    volume: &EphemeralVolume,
) -> Result<(), Error> {
    set_system(config, "EPHEMERAL", volume, &EPHEMERAL)
}

/// Puts size and place into the `VolumeConfig` of IMAGECACHE (Talos v1.9 and newer).
pub(super) fn set_image_cache(
    config: &mut MachineConfig,
    volume: &EphemeralVolume,
) -> Result<(), Error> {
    set_system(config, "IMAGECACHE", volume, &IMAGE_CACHE)
}

/// Adds a `UserVolumeConfig` (Talos v1.10 and newer), or puts the device's settings into the base's of the same name.
pub(super) fn set_user(config: &mut MachineConfig, volume: &UserVolume) -> Result<(), Error> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !(1..=34).contains(&volume.name.len()) || !volume.name.bytes().all(is_name) {
        let reason = format!(
            "`{}` is not 1 to 34 letters, digits and hyphens",
            volume.name.escape_default()
        );
        return Err(Error::setting("user_volume_name", reason));
    }
    let id = ensure(config, "UserVolumeConfig", &volume.name)?;
    let settings = EphemeralVolume {
        min_size: volume.min_size.clone(),
        max_size: volume.max_size.clone(),
        disk_selector: Some(volume.disk_selector.clone()),
    };
    provision(config, &id, &settings, &USER)?;
    if let Some(grow) = volume.grow {
        provisioning(config, &id)?.set_in_order("grow", Node::bool(grow), order::PROVISIONING);
    }
    if let Some(filesystem) = &volume.filesystem {
        if !matches!(filesystem.as_str(), "xfs" | "ext4" | "btrfs") {
            let reason = format!(
                "`{}` is not xfs, ext4 or btrfs",
                filesystem.escape_default()
            );
            return Err(Error::setting("user_volume_filesystem", reason));
        }
        config
            .mapping_at(&id, &[("filesystem", order::VOLUME_CONFIG)])?
            .set("type", Node::str(filesystem));
    }
    let provisioning = provisioning(config, &id)?;
    if !provisioning.contains("minSize") && !provisioning.contains("maxSize") {
        return Err(Error::setting(
            USER.min_size,
            format!(
                "the volume {} needs a minimum or a maximum size",
                volume.name
            ),
        ));
    }
    Ok(())
}

fn set_system(
    config: &mut MachineConfig,
    name: &str,
    volume: &EphemeralVolume,
    fields: &Fields,
) -> Result<(), Error> {
    if *volume == EphemeralVolume::default() {
        return Ok(());
    }
    let id = ensure(config, "VolumeConfig", name)?;
    provision(config, &id, volume, fields)
}

fn ensure(config: &mut MachineConfig, kind: &str, name: &str) -> Result<DocumentId, Error> {
    let id = DocumentId::of_kind(kind, name);
    if config.document(&id).is_none() {
        let header = [("apiVersion", "v1alpha1"), ("kind", kind), ("name", name)];
        config.push(Node::map(header.map(|(key, text)| (key, Node::str(text)))))?;
    }
    Ok(id)
}

fn provisioning<'a>(
    config: &'a mut MachineConfig,
    id: &DocumentId,
) -> Result<&'a mut Mapping, Error> {
    config.mapping_at(id, &[("provisioning", order::VOLUME_CONFIG)])
}

/// Setting by setting: a base's minimum stays when only a maximum is given. (As a Talos patch it would be dropped.)
fn provision(
    config: &mut MachineConfig,
    id: &DocumentId,
    volume: &EphemeralVolume,
    fields: &Fields,
) -> Result<(), Error> {
    if let Some(selector) = &volume.disk_selector {
        if let Some(problem) = cel::problem(selector) {
            return Err(Error::setting(fields.disk_selector, problem));
        }
        let keys: [(&str, &[&str]); 2] = [
            ("provisioning", order::VOLUME_CONFIG),
            ("diskSelector", order::PROVISIONING),
        ];
        config
            .mapping_at(id, &keys)?
            .set("match", Node::str(selector));
    }
    let provisioning = provisioning(config, id)?;
    if let Some(size) = &volume.min_size {
        size.parse::<ByteSize>()
            .map_err(|error| renamed(error, fields.min_size))?;
        provisioning.set_in_order("minSize", Node::str(size), order::PROVISIONING);
    }
    if let Some(size) = &volume.max_size {
        size.parse::<VolumeLimit>()
            .map_err(|error| renamed(error, fields.max_size))?;
        provisioning.set_in_order("maxSize", Node::str(size), order::PROVISIONING);
    }
    let limit = |key| {
        provisioning
            .get(key)
            .and_then(Node::as_str)
            .and_then(|text| text.parse::<VolumeLimit>().ok())
    };
    match (limit("minSize"), limit("maxSize")) {
        (Some(VolumeLimit::Bytes(min)), Some(VolumeLimit::Bytes(max))) if min > max => Err(
            Error::setting(fields.min_size, "is more than the maximum size"),
        ),
        _ => Ok(()),
    }
}

fn renamed(error: Error, field: &'static str) -> Error {
    match error {
        Error::Setting { reason, .. } => Error::Setting { field, reason },
        other => other,
    }
}
