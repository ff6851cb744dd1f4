//! The store through its public doors.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "reads with and without arguments look alike"
)]

mod assets;
mod boots;
mod cluster;
mod configs;
mod crash;
mod devices;
mod events;
mod files;
mod kernel_logs;
mod lanes;
mod scale;
mod settings;
mod sights;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Actor, Approval, Device, EphemeralVolume, Inventory, MacAddr, ManualClock, Role, Timestamp,
};
use store::{Error, Lane, NewDevice, Options, Reader, Store, Writer};
use tempfile::TempDir;

/// A store in a folder of its own, and the clock it goes by.
struct House {
    folder: TempDir,
    store: Store,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let store =
            Store::open_with(&folder.path().join("ktizo.db"), clock.clone(), options).unwrap();
        Self {
            folder,
            store,
            clock,
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.store.read(Lane::Admin, f).await.unwrap()
    }

    async fn try_write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Writer<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.store.write(Lane::Admin, Actor::System, f).await
    }

    async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Writer<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.try_write(f).await.unwrap()
    }

    async fn write_as<T: Send + 'static>(
        &self,
        actor: Actor,
        f: impl FnOnce(&Writer<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.store.write(Lane::Admin, actor, f).await.unwrap()
    }

    /// Adds an approved worker with the number `n` in its MAC, name and address.
    async fn approved(&self, n: u16) -> Device {
        self.write(move |w| {
            let mut device = w.insert_device(NewDevice {
                hostname: Some(format!("node-{n}").parse().unwrap()),
                ip_address: Some(address(n)),
                role: Some(Role::Worker),
                ..new(n)
            })?;
            device.approval = Approval::Approved {
                by: Actor::Person("ada".into()),
                at: w.now(),
            };
            w.update_device(&device)?;
            Ok(device)
        })
        .await
    }
}

fn mac(n: u16) -> MacAddr {
    let [high, low] = n.to_be_bytes();
    MacAddr::from_bytes([0x52, 0x54, 0, 0xab, high, low]).unwrap()
}

fn address(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(10, 0, high, low)
}

/// A device added by hand, with nothing but its MAC.
fn new(n: u16) -> NewDevice {
    NewDevice {
        mac: mac(n),
        hostname: None,
        ip_address: None,
        role: None,
        notes: String::new(),
        labels: model::Labels::default(),
        install_disk: None,
        ephemeral: EphemeralVolume::default(),
        inventory: Inventory::default(),
        seen: false,
    }
}
