//! Restores that are broken off, and the way back.

use std::sync::Arc;
use std::time::Duration;

use model::{Actor, EventKind, SystemClock};
use store::{Lane, Store};

use super::*;
use crate::restore::tests::{GOOD, archive, now};
use crate::restore::{fill, restore, who};

fn open(path: &Path) -> Store {
    Store::open(path, Arc::new(SystemClock)).unwrap()
}

/// Makes a database that tells of one event, in the log beside it, as after a power cut.
async fn tell_in_log(path: &Path) {
    let store = open(path);
    let told = store.write(Lane::Admin, Actor::System, |writer| {
        writer.event(None, EventKind::SignedOut)
    });
    told.await.unwrap();
    let files = ["ktizo.db", "ktizo.db-wal"].map(|name| path.with_file_name(name));
    let bytes = files.each_ref().map(|file| std::fs::read(file).unwrap());
    store.close();
    for (file, bytes) in files.iter().zip(bytes) {
        std::fs::write(file, bytes).unwrap();
    }
}

/// Whether a folder has the state from before.
async fn is_old(folder: &Path) -> bool {
    let base = std::fs::read_to_string(folder.join("base/worker.yaml")).unwrap();
    let store = open(&folder.join(DATABASE));
    let read = store.read(Lane::Admin, |reader| {
        reader.events(&store::EventFilter::default())
    });
    let events = read.await.unwrap();
    let tells = events.iter().any(|it| it.what == EventKind::SignedOut);
    assert_eq!(tells, base == "old");
    tells
}

/// A state, a backup, and the folder of a restore that was broken off after so many moves.
async fn broken_off(folder: &Path, had_one: bool, done: usize) -> (PathBuf, PathBuf, PathBuf) {
    let files = [
        ("manifest.json", GOOD),
        ("ktizo.db", "real"),
        ("base/worker.yaml", "new"),
    ];
    let backup = archive(folder, &files);
    let state = folder.join("state");
    drop(StateDir::lock(&state).unwrap());
    if had_one {
        std::fs::write(state.join("base/worker.yaml"), "old").unwrap();
        tell_in_log(&state.join(DATABASE)).await;
    }
    let part = state.join(PART);
    fill(&backup, &part).unwrap();
    let aside = state.join(format!("{ASIDE}1{UNFINISHED}"));
    std::fs::create_dir(&aside).unwrap();
    for (from, to) in moves(&state, &aside, &part).into_iter().take(done) {
        let moved = std::fs::rename(&from, &to);
        assert!(moved.is_ok() || !from.exists(), "{from:?}: {moved:?}");
    }
    (state, backup, aside)
}

#[tokio::test]
async fn a_restore_that_is_broken_off_loses_neither_state() {
    for (had_one, done) in [true, false]
        .into_iter()
        .flat_map(|it| (0..=8).map(move |n| (it, n)))
    {
        let folder = tempfile::tempdir().unwrap();
        let (state, backup, aside) = broken_off(folder.path(), had_one, done).await;
        let locked = StateDir::lock(&state).unwrap();
        let has_one = state.join(DATABASE).exists();
        match check_whole(&locked) {
            Ok(()) => assert!(has_one, "{done}"),
            Err(why) => {
                let why = why.to_string();
                let named = if had_one { &aside } else { &state.join(PART) };
                assert!(
                    !has_one && why.contains(&named.display().to_string()),
                    "{why}"
                );
            }
        }
        drop(locked);
        let restored = restore(&backup, &state, &who(None), now())
            .unwrap()
            .unwrap();
        assert_eq!(restored.aside.is_some(), had_one || done == 8);
        assert!(!is_old(&state).await);
        assert!(!state.join(PART).exists() && !aside.exists());
        let kept = asides(&state).unwrap();
        let mut old = Vec::new();
        for folder in &kept {
            if is_old(folder).await {
                old.push(folder);
            }
        }
        assert_eq!(old.len(), usize::from(had_one), "{done}: {kept:?}");

        // The way back.
        if let Some(old) = old.first() {
            let later = now().plus(Duration::from_secs(1));
            let back = restore(old, &state, &who(None), later).unwrap().unwrap();
            assert!(is_old(&state).await && is_old(old).await);
            assert!(!is_old(&back.aside.unwrap()).await);
        }
    }
}

#[tokio::test]
async fn what_was_broken_off_is_undone_alone_where_that_is_asked_for() {
    for done in 1..=7 {
        let folder = tempfile::tempdir().unwrap();
        let (state, _, aside) = broken_off(folder.path(), true, done).await;
        let restored = restore(&aside, &state, &who(None), now()).unwrap();
        assert!(restored.is_none() && is_old(&state).await);
        assert!(asides(&state).unwrap().is_empty() && !state.join(PART).exists());
        check_whole(&StateDir::lock(&state).unwrap()).unwrap();
    }
}
