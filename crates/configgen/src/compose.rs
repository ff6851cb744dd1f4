//! The layers of a device config, from the base to what is served.

use model::TalosVersion;

use crate::patch::{Layer, Layered, Patch};
use crate::{BaseConfig, DeviceConfigInput, Error, device_documents};

/// The patches that are for one device, in the order in which they are applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct DevicePatches<'a> {
    /// For every device.
    pub cluster: &'a [Patch],
    /// For the devices of its role.
    pub role: &'a [Patch],
    /// For this device alone.
    pub device: &'a [Patch],
}

/// Makes a device config layer by layer: the base, the cluster's patches, the role's, the device's settings, and on top the
/// device's own patches, which may change anything.
///
/// # Errors
/// As [`Patch::apply`] and [`crate::device_config`]; the error names the patch or the setting.
pub fn layered_device_config(
    base: &BaseConfig,
    patches: DevicePatches<'_>,
    device: &DeviceConfigInput,
    version: &TalosVersion,
) -> Result<Layered, Error> {
    let mut layered = Layered::new(base.config().clone());
    for patch in patches.cluster.iter().chain(patches.role) {
        layered.patch(patch, version)?;
    }
    // A patch must not turn the base into one of another role.
    let patched = BaseConfig::from_config(base.role(), layered.config().clone())?;
    layered.push(Layer::Device, device_documents(&patched, device)?);
    for patch in patches.device {
        layered.patch(patch, version)?;
    }
    Ok(layered)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use model::Role;

    use super::*;
    use crate::yaml::Node;

    const BASE: &str = "machine:\n    type: worker\n    sysctls: {x: base, y: base}\n---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: stable\n";

    fn input() -> DeviceConfigInput {
        let mac = "52:54:00:00:00:01".parse().unwrap();
        DeviceConfigInput::new(
            Role::Worker,
            mac,
            "node-01".parse().unwrap(),
            Ipv4Addr::new(10, 0, 0, 5),
            24,
        )
    }

    #[test]
    fn layers_come_in_their_order_and_the_last_one_wins() {
        let base = BaseConfig::parse(Role::Worker, BASE).unwrap();
        let patch = |name: &str, text: &str| [Patch::parse(name, text).unwrap()];
        let cluster = patch(
            "all",
            "machine: {sysctls: {x: cluster, z: cluster}}\n---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: 'off'\nhostname: template\n",
        );
        let role = patch("workers", "machine: {sysctls: {x: role}}\n");
        let own = patch("own", "machine: {sysctls: {z: own}}\n");
        let patches = DevicePatches {
            cluster: &cluster,
            role: &role,
            device: &own,
        };
        let version = "v1.13.0".parse().unwrap();
        let layered = layered_device_config(&base, patches, &input(), &version).unwrap();
        let config = layered.config();
        let sysctl = |key: &str| {
            config
                .v1alpha1()
                .unwrap()
                .text(&["machine", "sysctls", key])
                .map(str::to_owned)
        };
        assert_eq!(
            [sysctl("x"), sysctl("y"), sysctl("z")].map(Option::unwrap),
            ["role", "base", "own"]
        );
        let hostname = &layered.explain("HostnameConfig:hostname").unwrap()[0];
        assert_eq!(
            hostname.layers,
            [Layer::Patch("all".to_owned()), Layer::Device]
        );
        assert_eq!(
            config
                .kind("HostnameConfig")
                .unwrap()
                .get(&["auto"])
                .and_then(Node::as_str),
            None
        );
    }

    #[test]
    fn a_patch_cannot_change_the_role() {
        let base = BaseConfig::parse(Role::Worker, BASE).unwrap();
        let cluster = [Patch::parse("all", "machine: {type: controlplane}").unwrap()];
        let patches = DevicePatches {
            cluster: &cluster,
            ..DevicePatches::default()
        };
        let error = layered_device_config(&base, patches, &input(), &"v1.13.0".parse().unwrap())
            .unwrap_err();
        assert!(
            error.to_string().contains("`machine.type` is controlplane"),
            "{error}"
        );
    }
}
