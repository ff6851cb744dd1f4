//! Many devices at once.

use std::time::Instant;

use model::{Actor, Approval, EphemeralVolume, Inventory, Role};
use serde_json::{Value, json};
use store::Lane;

use crate::world::World;

impl World {
    /// Fills the store with approved workers, past the API, beside a control plane.
    async fn crowd(&self, count: u32) {
        let subnet = json!({"node_subnet": "10.0.0.0/16", "gateway": "10.0.0.1"});
        self.ok("PUT", "/network/settings", subnet).await;
        let filled = self.store.write(Lane::Admin, Actor::System, move |w| {
            for n in 0..count {
                let [_, a, b, c] = n.to_be_bytes();
                let mac = format!("02:aa:00:{a:02x}:{b:02x}:{c:02x}");
                let mut device = w.insert_device(store::NewDevice {
                    mac: mac.parse().unwrap(),
                    hostname: Some(format!("node-{n}").parse().unwrap()),
                    ip_address: Some([10, 0, b + 1, c].into()),
                    role: Some(if n == 0 {
                        Role::Controlplane
                    } else {
                        Role::Worker
                    }),
                    notes: String::new(),
                    labels: model::Labels::default(),
                    install_disk: None,
                    ephemeral: EphemeralVolume::default(),
                    inventory: Inventory::default(),
                    seen: false,
                })?;
                device.approval = Approval::Approved {
                    by: Actor::System,
                    at: w.now(),
                };
                w.update_device(&device)?;
            }
            Ok::<_, store::Error>(())
        });
        filled.await.unwrap();
    }
}

/// With `KTIZO_CROWD=10000` in a release build this measures the goal of ten seconds; it is printed, not asserted.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement, told to whoever runs the test"
)]
async fn a_crowd_is_made_anew_in_one_transaction_with_live_progress() {
    let count = std::env::var("KTIZO_CROWD").map_or(300, |count| count.parse().unwrap());
    let world = World::founded().await;
    world.crowd(count).await;
    let began = Instant::now();
    let (done, seen) = made_anew(&world).await;
    eprintln!("{count} device configs in {:.2?}", began.elapsed());
    assert_eq!(done["device_configs_generated"], count);
    let revisions = world.store.read(Lane::Admin, |reader| {
        let configs = reader.configs_since(-1)?;
        let mut revisions: Vec<i64> = configs.iter().map(|config| config.revision).collect();
        revisions.dedup();
        Ok((configs.len(), revisions.len()))
    });
    assert_eq!(revisions.await.unwrap(), (count as usize, 1));
    // Between two looks of a busy host, all may be done.
    let mut seen = seen;
    for _ in 0..30 {
        if seen > 0 {
            return;
        }
        (_, seen) = made_anew(&world).await;
    }
    panic!("no progress is seen while it is made, in thirty times");
}

/// Makes all configs anew; gives what came of it, and how far it was seen to be.
async fn made_anew(world: &World) -> (Value, u64) {
    let mut seen = 0_u64;
    let regenerate = world.ok("POST", "/devices/regenerate", Value::Null);
    tokio::pin!(regenerate);
    loop {
        tokio::select! {
            done = &mut regenerate => return (done, seen),
            now = world.ok("GET", "/devices/regenerate/progress", Value::Null) => {
                let done = now["done"].as_u64().unwrap();
                assert!(!now["running"].as_bool().unwrap() || done >= seen, "{now} after {seen}");
                seen = done;
            }
        }
    }
}
