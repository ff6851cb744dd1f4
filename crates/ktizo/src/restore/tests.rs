//! Restoring good archives, and refusing bad ones.

use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use model::{Actor, Clock as _, ManualClock, SystemClock};
use store::{Lane, Store};

use super::*;

pub(super) fn now() -> Timestamp {
    "2026-11-23T07:00:00Z".parse().unwrap()
}

fn restore(
    archive: &Path,
    state_dir: &Path,
    author: &Author,
    now: Timestamp,
) -> anyhow::Result<Restored> {
    super::restore(archive, state_dir, author, now).map(Option::unwrap)
}

/// An archive with these files; `ktizo.db` with the text `real` is a real one, that of `made.db` if it is there.
pub(super) fn archive(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    let path = folder.join("backup.tar");
    let mut tar = tar::Builder::new(File::create(&path).unwrap());
    for (name, text) in files {
        let mut content = text.as_bytes().to_vec();
        if *text == "real" {
            let database = folder.join("made.db");
            Store::open(&database, Arc::new(SystemClock))
                .unwrap()
                .close();
            content = std::fs::read(database).unwrap();
        }
        let mut head = tar::Header::new_gnu();
        head.set_size(content.len() as u64);
        head.set_mode(0o644);
        // Written as it is, also where the library would refuse it.
        head.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        head.set_cksum();
        tar.append(&head, content.as_slice()).unwrap();
    }
    tar.finish().unwrap();
    path
}

pub(super) const GOOD: &str =
    r#"{"format": 1, "version": "0.1.0", "taken_at": "2026-11-22T07:00:00Z"}"#;

#[tokio::test]
async fn a_restored_state_opens_and_the_old_one_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let backup = archive(
        folder.path(),
        &[
            ("manifest.json", GOOD),
            ("ktizo.db", "real"),
            ("base/worker.yaml", "new"),
        ],
    );
    let first = restore(&backup, &state, &who(None), now()).unwrap();
    assert_eq!(first.aside, None);
    std::fs::write(state.join("base/worker.yaml"), "old").unwrap();
    let second = restore(&backup, &state, &who(None), now()).unwrap();
    let aside = second.aside.unwrap();
    assert_eq!(
        std::fs::read_to_string(aside.join("base/worker.yaml")).unwrap(),
        "old"
    );
    assert!(aside.join("ktizo.db").is_file());
    assert_eq!(
        std::fs::read_to_string(state.join("base/worker.yaml")).unwrap(),
        "new"
    );
    // Through a pipe too, which is read once.
    let (reader, mut writer) = io::pipe().unwrap();
    let bytes = std::fs::read(&backup).unwrap();
    let feeds = std::thread::spawn(move || writer.write_all(&bytes));
    let pipe = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    restore(
        &pipe,
        &state,
        &who(None),
        now().plus(Duration::from_secs(1)),
    )
    .unwrap();
    feeds.join().unwrap().unwrap();
    let mode = |name: &str| {
        std::fs::metadata(state.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("ktizo.db"), mode("base")), (0o600, 0o700));
    let store = Store::open(&state.join("ktizo.db"), Arc::new(SystemClock)).unwrap();
    assert_eq!(
        store
            .read(Lane::Admin, |reader| reader.count_devices(None))
            .await
            .unwrap(),
        0
    );
}

#[test]
fn what_is_no_good_backup_is_refused_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    drop(StateDir::lock(&state).unwrap());
    std::fs::write(state.join("ktizo.db"), "present").unwrap();
    let newer = GOOD.replace("\"format\": 1", "\"format\": 99");
    for (files, why) in [
        (vec![("ktizo.db", "real")], "is not a backup"),
        (vec![("manifest.json", newer.as_str())], "has format 99"),
        (vec![("manifest.json", GOOD)], "has no database"),
        (
            vec![("manifest.json", GOOD), ("ktizo.db", "nonsense")],
            "not a ktizo database",
        ),
        (
            vec![("manifest.json", GOOD), ("admin.token", "x")],
            "holds `admin.token`",
        ),
        (
            vec![("manifest.json", GOOD), ("base/../../x", "x")],
            "holds `base/../../x`",
        ),
    ] {
        let backup = archive(folder.path(), &files);
        let err = format!(
            "{:#}",
            restore(&backup, &state, &who(None), now()).unwrap_err()
        );
        assert!(err.contains(why), "{why}: {err}");
        assert_eq!(
            std::fs::read_to_string(state.join("ktizo.db")).unwrap(),
            "present"
        );
        assert!(!state.join("restore.part").exists() && !folder.path().join("x").exists());
    }
    // As a copy is that was broken off.
    let whole = archive(
        folder.path(),
        &[("manifest.json", GOOD), ("ktizo.db", "real")],
    );
    let length = std::fs::metadata(&whole).unwrap().len();
    File::options()
        .write(true)
        .open(&whole)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    let err = restore(&whole, &state, &who(None), now()).unwrap_err();
    let said = "breaks off within `ktizo.db`, so it is not whole";
    assert!(format!("{err:#}").contains(said), "{err:#}");
    assert!(!state.join("restore.part").exists());
    let _running = StateDir::lock(&state).unwrap();
    let err = restore(&folder.path().join("backup.tar"), &state, &who(None), now()).unwrap_err();
    assert!(err.to_string().contains("in use by another ktizo"), "{err}");
}

#[test]
fn a_link_in_the_old_state_is_kept_and_what_it_leads_to_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    drop(StateDir::lock(&state).unwrap());
    std::fs::write(state.join("ktizo.db"), "present").unwrap();
    let foreign = folder.path().join("foreign");
    std::fs::write(&foreign, "another's").unwrap();
    std::fs::set_permissions(&foreign, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (name, to) in [
        ("worker.yaml", foreign.as_path()),
        ("gone.yaml", Path::new("nowhere")),
    ] {
        symlink(to, state.join("base").join(name)).unwrap();
    }
    // A daemon has a user of its own, and root restores for it.
    let root = Uid::effective().is_root();
    if root {
        lchown(&state, Some(65_534), Some(65_534)).unwrap();
    }
    let files = [("manifest.json", GOOD), ("ktizo.db", "real")];
    let backup = archive(folder.path(), &files);
    let aside = restore(&backup, &state, &who(None), now())
        .unwrap()
        .aside
        .unwrap();
    let own = std::fs::metadata(&foreign).unwrap();
    assert_eq!(own.permissions().mode() & 0o777, 0o644);
    assert_eq!(own.uid(), Uid::effective().as_raw());
    let link = std::fs::symlink_metadata(aside.join("base/gone.yaml")).unwrap();
    assert!(link.is_symlink() && (!root || link.uid() == 65_534));
}

#[test]
fn a_state_of_which_a_part_cannot_be_moved_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ktizo.db"), "present").unwrap();
    std::fs::create_dir_all(at("base")).unwrap();
    // No folder takes the place of one that has something in it.
    std::fs::create_dir_all(at("aside/base")).unwrap();
    std::fs::write(at("aside/base/held"), "").unwrap();
    let moves = ["ktizo.db", "ktizo.db-wal", "base"]
        .map(|name| (at(name), folder.path().join("aside").join(name)));
    let err = swap::move_all(&moves).unwrap_err();
    assert!(format!("{err:#}").contains("base"), "{err:#}");
    assert_eq!(std::fs::read_to_string(at("ktizo.db")).unwrap(), "present");
    assert!(at("base").is_dir() && !at("aside/ktizo.db").exists());
}

/// Since the backup a wipe may have been sent and an install done: neither happens again without a person.
#[tokio::test]
async fn no_order_of_the_backup_wipes_or_installs_by_itself() {
    use model::{Approval, Device, EventKind, StandingOrder, Wipe};
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let open = |path: &Path| Store::open(path, Arc::new(SystemClock)).unwrap();
    let store = open(&folder.path().join("made.db"));
    let ada = Actor::Person("ada".to_owned());
    let made = store.write(Lane::Admin, ada, move |writer| {
        let (by, at) = (writer.actor().clone(), writer.now());
        for (n, order, wiped, approved) in [
            (1, StandingOrder::Install, false, true),
            (2, StandingOrder::Local, true, true),
            (3, StandingOrder::Local, false, true),
            (4, StandingOrder::Install, false, false),
        ] {
            let mut device = writer.insert_device(store::NewDevice {
                mac: format!("52:54:00:00:00:{n:02x}").parse().unwrap(),
                hostname: Some(format!("node-{n}").parse().unwrap()),
                ip_address: Some(std::net::Ipv4Addr::new(10, 0, 0, n)),
                role: Some(model::Role::Worker),
                notes: String::new(),
                install_disk: None,
                ephemeral: model::EphemeralVolume::default(),
                inventory: model::Inventory::default(),
                seen: false,
                labels: model::Labels::default(),
            })?;
            if approved {
                let by = by.clone();
                device.approval = Approval::Approved { by, at };
            }
            device.give_order(order);
            if wiped {
                device
                    .life
                    .give_wipe(by.clone(), at, StandingOrder::Install);
            }
            writer.update_device(&device)?;
        }
        Ok::<_, store::Error>(())
    });
    made.await.unwrap();
    store.close();
    let files = [("manifest.json", GOOD), ("ktizo.db", "real")];
    let backup = archive(folder.path(), &files);
    let restored = restore(&backup, &state, &who(None), now()).unwrap();
    let stood_down = restored.barred.stood_down;
    assert_eq!((stood_down.wipes, stood_down.installs), (1, 1));
    let store = open(&state.join("ktizo.db"));
    let read = store.read(Lane::Admin, |reader| {
        let filter = store::DeviceFilter::default();
        Ok((
            reader.devices(&filter)?,
            reader.events(&store::EventFilter::default())?,
        ))
    });
    let (mut devices, events) = read.await.unwrap();
    devices.sort_by_key(|device| device.mac);
    let stand = |device: &Device| (device.life.order, device.life.wipe == Wipe::None);
    assert_eq!(
        devices.iter().map(stand).collect::<Vec<_>>(),
        [
            (StandingOrder::Menu, true),
            (StandingOrder::Local, true),
            (StandingOrder::Local, true),
            // Whoever lets it in decides that.
            (StandingOrder::Install, true),
        ]
    );
    let told = events.iter().map(|event| event.what.clone());
    let told: Vec<EventKind> = told.collect();
    assert!(matches!(
        told[0],
        EventKind::StateRestored {
            wipes: 1,
            installs: 1,
            ..
        }
    ));
    assert!(told.contains(&EventKind::WipeCancelled));
}

/// A session of the backup, a token that was revoked since, one that came to its end, one that did neither, and an open set-up link.
#[tokio::test]
async fn what_was_ended_since_the_backup_stays_ended_and_an_event_tells_who_restored() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    drop(StateDir::lock(&state).unwrap());
    let [kept, revoked, session, link, over] =
        [1, 2, 3, 4, 5].map(|n| model::Sha256Digest([n; 32]));
    let open = |path: &Path| Store::open(path, Arc::new(SystemClock)).unwrap();
    let store = open(&folder.path().join("made.db"));
    let person = Actor::Person("ada".to_owned());
    let made = store.write(Lane::Admin, person, move |writer| {
        let ada = "ada".parse().unwrap();
        let id = writer.insert_user(&ada, model::Authority::Admin, "$argon2id$x")?;
        let end = writer.now().plus(Duration::from_secs(3600));
        writer.open_session(id, session, end)?;
        writer.save_set_up_link(link, end)?;
        for (name, print, end) in [
            ("kept", kept, None),
            ("revoked", revoked, None),
            ("over", over, Some(end)),
        ] {
            let name = name.parse().unwrap();
            writer.insert_api_token(&name, model::Authority::Admin, print, end, Some(id))?;
        }
        Ok::<_, store::Error>(())
    });
    made.await.unwrap();
    store.close();
    let backup = archive(
        folder.path(),
        &[("manifest.json", GOOD), ("ktizo.db", "real")],
    );
    // Where nothing was before, its tokens are good.
    let first = restore(&backup, &state, &who(None), now()).unwrap();
    let all = Barred {
        sessions: 1,
        good_tokens: 3,
        ..Barred::default()
    };
    assert_eq!(first.barred, all);
    let end = SystemClock.now().plus(Duration::from_secs(7200));
    let later = Arc::new(ManualClock::new(end));
    let store = Store::open(&state.join("ktizo.db"), later).unwrap();
    let revoke = store.write(Lane::Admin, Actor::System, move |writer| {
        let token = writer.api_token(revoked)?.unwrap();
        writer.delete_api_token(token.id)?;
        writer.end_by_time(Duration::from_secs(60)).map(drop)
    });
    revoke.await.unwrap();
    store.close();
    let second = restore(&backup, &state, &who(Some("eve")), now()).unwrap();
    assert_eq!(
        (second.barred.tokens, second.barred.good_tokens),
        (vec!["over".parse().unwrap(), "revoked".parse().unwrap()], 1)
    );
    let store = open(&state.join("ktizo.db"));
    let read = store.read(Lane::Admin, move |reader| {
        let events = reader.events(&store::EventFilter::default())?;
        Ok((
            [reader.api_token(kept)?, reader.api_token(revoked)?].map(|it| it.is_some()),
            reader.session(session)?.is_some() || reader.set_up_link()?.is_some(),
            events.into_iter().next().unwrap(),
        ))
    });
    let (tokens, open_door, last) = read.await.unwrap();
    assert_eq!((tokens, open_door), ([true, false], false));
    assert!(
        matches!(last.actor, Actor::Person(_)) && last.at == now(),
        "{last:?}"
    );
    assert_eq!(
        last.from.unwrap(),
        "`ktizo restore` on the host, by sudo of eve"
    );
    assert_eq!(
        last.what.to_string(),
        "state restored from backup.tar, taken 2026-11-22 07:00 UTC; sessions ended: 1, API tokens revoked: 2, wipes called off: 0, installs that are a menu: 0"
    );
    store.close();
    // Of a state that cannot be read nobody can tell what was revoked in it.
    std::fs::write(state.join("ktizo.db"), "damaged").unwrap();
    let later = now().plus(Duration::from_secs(60));
    let third = restore(&backup, &state, &who(None), later).unwrap();
    assert!(third.barred.before_is_unreadable && third.barred.tokens.len() == 3);
    assert_eq!(third.barred.good_tokens, 0);
}
