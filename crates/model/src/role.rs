//! What a node does in its cluster.

use crate::error::word_enum;

word_enum! {
    /// The role of an approved device.
    Role, "a role: controlplane or worker", {
        /// Runs etcd and the Kubernetes control plane.
        Controlplane = "controlplane",
        /// Runs workloads.
        Worker = "worker",
    }
}
