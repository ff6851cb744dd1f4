//! A process that is killed in the middle of its work loses nothing that it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::{
    Actor, BootStage, EventKind, Inventory, SeenBy, StageOutcome, StageRecord, SystemClock,
};
use rusqlite::Connection;
use store::{DeviceFilter, EventFilter, Lane, Store};

use crate::mac;

/// Tells a copy of this program that it is the one to be killed, and where its database is.
const VICTIM: &str = "KTIZO_STORE_TEST_VICTIM";
/// How often one is killed.
const POINTS: u32 = 24;

/// Not a test by itself: writes one change after the other from four tasks, and prints the number of each when it is acknowledged.
#[test]
fn victim() {
    let Some(path) = std::env::var_os(VICTIM) else {
        return;
    };
    let store = Store::open(Path::new(&path), Arc::new(SystemClock)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let first = store
            .read(Lane::Boot, |r| r.count_devices(None))
            .await
            .unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4 {
            let store = store.clone();
            tasks.spawn(async move {
                for n in (u16::try_from(first).unwrap() + 1000 * task..).take(900) {
                    let change =
                        store.write(Lane::Boot, Actor::System, move |w| whole_change(w, n));
                    change.await.unwrap();
                    // One write call, so that lines of several tasks do not mix.
                    std::io::stdout()
                        .write_all(format!("ack {n}\n").as_bytes())
                        .unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

/// A device, its event, its config and a boot: all of it or nothing.
fn whole_change(w: &store::Writer<'_>, n: u16) -> Result<(), store::Error> {
    let device = w.sight(mac(n), &Inventory::default(), SeenBy::Dhcp)?.device;
    w.save_config(
        &device,
        model::Role::Worker,
        &vec![n.to_le_bytes()[0]; 3000],
    )?;
    let stage = StageRecord {
        stage: BootStage::Discover,
        at: w.now(),
        duration_us: None,
        bytes: None,
        retries: None,
        peer: None,
        outcome: StageOutcome::Done,
        detail: n.to_string(),
    };
    w.record_stage(device.id, &stage).map(drop)
}

/// Lets a victim work until it has acknowledged `acks` changes and `pause` more has passed; returns all that it acknowledged.
fn kill_one(path: &Path, acks: usize, pause: Duration) -> Vec<u16> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let number = |line: std::io::Result<String>| -> Option<u16> {
        line.unwrap().rsplit_once("ack ")?.1.parse().ok()
    };
    let mut acknowledged: Vec<u16> = Vec::new();
    while acknowledged.len() < acks {
        acknowledged.extend(number(
            lines.next().expect("the victim ended before its time"),
        ));
    }
    std::thread::sleep(pause);
    victim.kill().unwrap();
    victim.wait().unwrap();
    acknowledged.extend(lines.filter_map(number));
    acknowledged
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_point_and_the_rest_is_whole_or_absent() {
    let mut random = 7_u64;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut survived = 0;
    for point in 0..POINTS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ktizo.db");
        // Knuth's MMIX generator: the same points in every run.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let acks = usize::try_from(random >> 40).unwrap() % 60;
        let pause = Duration::from_micros((random >> 20) % 20_000);
        let acknowledged = kill_one(&path, acks, pause);

        let store = Store::open(&path, Arc::new(SystemClock)).unwrap();
        let (devices, events, configs, boots, damage) = runtime
            .block_on(store.read(Lane::Admin, |r| {
                let devices = r.devices(&DeviceFilter::default())?;
                let events = r.events(&EventFilter {
                    limit: 100_000,
                    ..EventFilter::default()
                })?;
                let boots = devices
                    .iter()
                    .map(|d| r.boots(d.id, 9))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((devices, events, r.configs_since(0)?, boots, r.damage()?))
            }))
            .unwrap();
        assert_eq!(damage, [""; 0], "point {point}");
        for n in &acknowledged {
            assert!(
                devices.iter().any(|d| d.mac == mac(*n)),
                "point {point}: {n} was acknowledged and is lost"
            );
        }
        // Acknowledged or not, a change is whole.
        let seen = events
            .iter()
            .filter(|e| matches!(e.what, EventKind::DeviceSeen { .. }))
            .count();
        assert_eq!(
            (seen, configs.len()),
            (devices.len(), devices.len()),
            "point {point}"
        );
        for (device, boots) in devices.iter().zip(&boots) {
            let low = device.mac.octets()[5];
            let config = configs.iter().find(|c| c.device == device.id).unwrap();
            assert_eq!(config.bytes, vec![low; 3000], "point {point}");
            assert_eq!(
                boots.iter().map(|b| b.stages.len()).sum::<usize>(),
                1,
                "point {point}"
            );
        }
        survived += acknowledged.len();
        store.close();
        let conn = Connection::open(&path).unwrap();
        let check: String = conn
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
    }
    println!("{POINTS} of {POINTS} kills; {survived} acknowledged changes survived");
}
