//! What a commit touched, for those who follow.

use model::{DeviceId, EventId};

/// What a commit touched. Several changes that were committed together make one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Devices whose row or config changed or was deleted, in order. Being seen again changes nothing.
    pub devices: Vec<DeviceId>,
    /// The network settings changed.
    pub settings: bool,
    /// An asset came or went.
    pub assets: bool,
    /// A base config changed, or what it is made from: the cluster's settings, secrets or patches.
    pub base: bool,
    /// Devices whose boots went on, in order.
    pub boots: Vec<DeviceId>,
    /// Devices whose kernel logs went on, in order.
    pub kernel_logs: Vec<DeviceId>,
    /// Sessions or API tokens ended.
    pub credentials: bool,
    /// The last event that was written.
    pub last_event: Option<EventId>,
    /// How many device configs could not be made.
    pub config_failures: u64,
}

impl Change {
    /// Whether nothing was touched.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many devices, boots and kernel logs it names.
    pub fn things(&self) -> u64 {
        (self.devices.len() + self.boots.len() + self.kernel_logs.len()) as u64
    }

    /// Notes a device.
    pub(crate) fn device(&mut self, device: DeviceId) {
        note(&mut self.devices, device);
    }

    /// Notes a boot of a device.
    pub(crate) fn boot(&mut self, device: DeviceId) {
        note(&mut self.boots, device);
    }

    /// Notes a kernel log of a device.
    pub(crate) fn kernel_log(&mut self, device: DeviceId) {
        note(&mut self.kernel_logs, device);
    }

    /// Takes in what a later change touched.
    pub fn merge(&mut self, later: Self) {
        later.devices.into_iter().for_each(|id| self.device(id));
        later.boots.into_iter().for_each(|id| self.boot(id));
        later
            .kernel_logs
            .into_iter()
            .for_each(|id| self.kernel_log(id));
        self.settings |= later.settings;
        self.assets |= later.assets;
        self.base |= later.base;
        self.credentials |= later.credentials;
        self.last_event = later.last_event.or(self.last_event);
        self.config_failures += later.config_failures;
    }
}

/// Puts `id` in its place, once.
fn note(ids: &mut Vec<DeviceId>, id: DeviceId) {
    if let Err(place) = ids.binary_search(&id) {
        ids.insert(place, id);
    }
}
