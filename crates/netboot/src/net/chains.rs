//! Which machines load the same loader over and over, as the servers know it together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{MacAddr, Timestamp};

use crate::core::chain::ChainWatch;
use crate::director::LoaderName;

/// What the DHCP server sends, and how far the HTTP server sees it come. A clone is the same.
#[derive(Clone, Debug)]
pub struct Chains(Arc<Mutex<ChainWatch>>);

impl Chains {
    /// Keeps at most `capacity` machines in mind.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(ChainWatch::new(capacity))))
    }

    /// As [`ChainWatch::sent`].
    pub(super) fn sent(&self, mac: MacAddr, loader: &LoaderName, now: Timestamp) -> Option<u32> {
        self.watch().sent(mac, loader, now)
    }

    /// As [`ChainWatch::goes_on`].
    pub(super) fn goes_on(&self, mac: MacAddr, loader: &LoaderName) -> Option<u32> {
        self.watch().goes_on(mac, loader)
    }

    /// As [`ChainWatch::passed`].
    pub(super) fn passed(&self, mac: MacAddr) {
        self.watch().passed(mac);
    }

    fn watch(&self) -> MutexGuard<'_, ChainWatch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
