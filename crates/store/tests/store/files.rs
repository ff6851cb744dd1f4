//! The file: who may read it, and which files are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use model::SystemClock;
use rusqlite::Connection;
use store::{Error, Store};

use crate::{House, new};

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(path, Arc::new(SystemClock))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_but_the_owner_may_read_any_of_the_files() {
    let house = House::new();
    house.write(|w| w.insert_device(new(1))).await;
    let path = house.folder.path().join("ktizo.db");
    let files = [
        path.clone(),
        path.with_extension("db-wal"),
        path.with_extension("db-shm"),
    ];
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    drop(house.store);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let _store = open(&path).unwrap();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let house = House::new();
    let device = house.approved(1).await;
    let path = house.folder.path().join("ktizo.db");
    drop(house.store);
    let store = open(&path).unwrap();
    let again = store
        .read(store::Lane::Boot, move |r| r.device(device.id))
        .await
        .unwrap();
    assert_eq!(again.unwrap().hostname, device.hostname);
    assert_eq!(
        store
            .read(store::Lane::Admin, |r| r.damage())
            .await
            .unwrap(),
        [""; 0]
    );
}

/// Opens the file that `make` made, and returns the refusal and whether a byte of the file changed.
fn refusal(make: impl FnOnce(&Path)) -> (Error, bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ktizo.db");
    make(&path);
    let before = fs::read(&path).ok();
    let err = open(&path).err().unwrap();
    assert!(err.to_string().contains("ktizo.db"), "{err}");
    (err, fs::read(&path).ok() != before)
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let (err, changed) =
        refusal(|path| fs::write(path, "not a database at all, ".repeat(200)).unwrap());
    assert!(
        matches!(err, Error::NotADatabase { .. }) && !changed,
        "{err:?}"
    );

    let (err, changed) = refusal(|path| {
        Connection::open(path)
            .unwrap()
            .execute_batch("CREATE TABLE bookmarks (url TEXT)")
            .unwrap();
    });
    assert!(
        matches!(err, Error::NotADatabase { .. }) && !changed,
        "{err:?}"
    );

    let (err, _) = refusal(|path| fs::create_dir(path).unwrap());
    assert!(matches!(err, Error::Open { .. }), "{err:?}");

    let folder = tempfile::tempdir().unwrap();
    let err = open(&folder.path().join("missing/ktizo.db")).err().unwrap();
    assert!(matches!(err, Error::Open { .. }), "{err:?}");
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let (err, changed) = refusal(|path| {
        drop(open(path).unwrap());
        Connection::open(path)
            .unwrap()
            .pragma_update(None, "user_version", 1000)
            .unwrap();
    });
    assert!(
        matches!(err, Error::NewerFormat { found: 1000, .. }),
        "{err:?}"
    );
    assert!(err.to_string().contains("format 1000") && !changed, "{err}");
}

#[tokio::test]
async fn a_value_that_the_model_does_not_know_is_reported_as_damage() {
    let house = House::new();
    house.write(|w| w.insert_device(new(1))).await;
    let path = house.folder.path().join("ktizo.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE devices SET boot_order = 'dance'")
        .unwrap();
    let read = house
        .store
        .read(store::Lane::Boot, |r| r.device_by_mac(crate::mac(1)))
        .await;
    assert!(
        matches!(&read, Err(Error::Corrupt(why)) if why.contains("boot_order") && why.contains("dance")),
        "{read:?}"
    );
}
