//! What becomes of changes that share a transaction when one of them, or the disk, fails.

use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use model::{Actor, MacAddr, ManualClock, NetworkSettings, Timestamp};

use crate::{Error, Lane, Store, Writer};

type Outcome = Result<(), Error>;
type Made = Box<dyn FnOnce(&Writer<'_>) -> Outcome + Send>;

fn open(folder: &Path) -> Store {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
    Store::open(&folder.join("x.db"), clock).unwrap()
}

fn mac(last: u8) -> MacAddr {
    MacAddr::from_bytes([0x52, 0x54, 0, 0, 0, last]).unwrap()
}

fn add(last: u8) -> impl FnOnce(&Writer<'_>) -> Outcome + Send + 'static {
    move |w| {
        w.sight(mac(last), &Default::default(), model::SeenBy::Dhcp)
            .map(drop)
    }
}

/// Queues the changes while the writer is busy, so that they make one transaction, and returns what became of each.
async fn together(store: &Store, changes: Vec<Made>) -> Vec<Outcome> {
    let (release, wait) = mpsc::channel::<()>();
    let mut busy = pin!(store.write(Lane::Boot, Actor::System, move |_| {
        let _ = wait.recv();
        Ok::<(), Error>(())
    }));
    assert!(polled(busy.as_mut()).is_pending());
    let mut waiting: Vec<Pin<Box<dyn Future<Output = Outcome>>>> = Vec::new();
    for change in changes {
        let store = store.clone();
        let mut queued: Pin<Box<dyn Future<Output = Outcome>>> =
            Box::pin(async move { store.write(Lane::Boot, Actor::System, change).await });
        assert!(polled(queued.as_mut()).is_pending());
        waiting.push(queued);
    }
    release.send(()).unwrap();
    // It shares the transaction, and so its fate.
    let _ = busy.await;
    let mut outcomes = Vec::new();
    for queued in waiting {
        outcomes.push(queued.await);
    }
    outcomes
}

/// Lets a future put its job in the queue.
fn polled<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn known(store: &Store) -> Vec<u8> {
    let devices = store.read(Lane::Admin, |r| r.devices(&Default::default()));
    let devices = devices.await.unwrap();
    devices.iter().map(|d| d.mac.octets()[5]).collect()
}

#[tokio::test]
async fn changes_that_wait_are_one_transaction_and_one_notice() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut changes = store.subscribe();
    let outcomes = together(
        &store,
        vec![Box::new(add(1)), Box::new(add(2)), Box::new(add(3))],
    )
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let change = changes.recv().await.unwrap();
    assert_eq!(change.devices.len(), 3);
    assert_eq!(change.last_event.unwrap().0, 3);
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn a_change_that_fails_or_panics_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let outcomes = together(
        &store,
        vec![
            Box::new(add(1)),
            Box::new(|w| {
                add(2)(w)?;
                w.save_settings(&NetworkSettings::default())?;
                Err(Error::Refused("changed my mind".into()))
            }),
            Box::new(add(3)),
            Box::new(|w| {
                add(4)(w)?;
                panic!("a fault")
            }),
            Box::new(add(5)),
        ],
    )
    .await;
    assert!(matches!(&outcomes[1], Err(Error::Refused(why)) if why == "changed my mind"));
    assert!(matches!(&outcomes[3], Err(Error::Panicked(why)) if why == "a fault"));
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 3);
    assert_eq!(known(&store).await, [1, 3, 5]);
    let events = store.read(Lane::Admin, |r| r.events(&Default::default()));
    assert_eq!(events.await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_commit_that_fails_is_an_error_for_all_in_it_and_the_writer_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut changes = store.subscribe();
    let outcomes = together(
        &store,
        vec![
            Box::new(add(1)),
            Box::new(|w| {
                // SQLite looks at this one only when it commits.
                w.conn.execute_batch(
                    "PRAGMA defer_foreign_keys = on;
                     INSERT INTO boots (device_id, began_at, last_at, furthest) VALUES (99, 0, 0, 'hold')",
                )?;
                Ok(())
            }),
            Box::new(add(2)),
        ],
    )
    .await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(known(&store).await, [0_u8; 0]);
    assert!(changes.try_recv().is_err());
    assert!(together(&store, vec![Box::new(add(3))]).await[0].is_ok());
    assert_eq!(known(&store).await, [3]);
}

#[tokio::test]
async fn a_transaction_that_sqlite_gives_up_is_an_error_for_all_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let outcomes = together(
        &store,
        vec![
            Box::new(add(1)),
            // As SQLite does by itself when the disk fails at a bad moment.
            Box::new(|w| Ok(w.conn.execute_batch("ROLLBACK")?)),
        ],
    )
    .await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(together(&store, vec![Box::new(add(2))]).await[0].is_ok());
    assert_eq!(known(&store).await, [2]);
}

#[tokio::test]
async fn a_full_disk_is_an_error_for_the_change_that_needs_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let limit = |pages: &'static str| {
        move |w: &Writer<'_>| -> Outcome {
            let sql = format!("PRAGMA max_page_count = {pages}");
            Ok(w.conn.query_row(&sql, [], |_| Ok(()))?)
        }
    };
    together(&store, vec![Box::new(add(1)), Box::new(limit("1"))]).await;
    let big = |w: &Writer<'_>| {
        w.save_base(
            model::Role::Worker,
            &"x".repeat(1 << 20),
            model::Origin::Imported,
        )
        .map(drop)
    };
    for _ in 0..2 {
        let outcomes = together(&store, vec![Box::new(big)]).await;
        assert!(matches!(outcomes[0], Err(Error::DiskFull)), "{outcomes:?}");
    }
    together(&store, vec![Box::new(limit("1000000"))]).await;
    let outcomes = together(&store, vec![Box::new(big), Box::new(add(2))]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(known(&store).await, [1, 2]);
}

#[tokio::test]
async fn another_program_that_holds_the_database_is_named_as_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let quick = |w: &Writer<'_>| -> Outcome {
        Ok(w.conn.busy_timeout(std::time::Duration::from_millis(50))?)
    };
    assert!(together(&store, vec![Box::new(quick)]).await[0].is_ok());
    let other = rusqlite::Connection::open(folder.path().join("x.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.write(Lane::Boot, Actor::System, add(1)).await;
    assert!(matches!(refused, Err(Error::Locked)), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    store
        .write(Lane::Boot, Actor::System, add(1))
        .await
        .unwrap();
}
