//! What a patch of configs is for.

use crate::Role;
use crate::error::word_enum;
use crate::id::row_id;

word_enum! {
    /// Which configs a patch changes. Patches are applied in this order, those of the device last.
    PatchScope, "a scope: cluster, controlplane, worker or device", {
        /// Those of all devices.
        Cluster = "cluster",
        /// Those of control planes.
        Controlplane = "controlplane",
        /// Those of workers.
        Worker = "worker",
        /// That of one device.
        Device = "device",
    }
}

impl PatchScope {
    /// Whether it changes every config of a role.
    pub fn is_for(self, role: Role) -> bool {
        match self {
            Self::Cluster => true,
            Self::Controlplane => role == Role::Controlplane,
            Self::Worker => role == Role::Worker,
            Self::Device => false,
        }
    }
}

row_id! {
    /// Names one patch for as long as it is kept.
    PatchId
}
