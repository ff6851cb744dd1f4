//! Migrations are done whole, once, and lose nothing.

use super::*;

fn up_to(conn: &mut Connection, migrations: &[Migration]) -> Result<(), Error> {
    up(conn, Path::new("x.db"), migrations)
}

const TABLES: Migration = Migration {
    name: "0001_tables",
    sql: "CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
          CREATE TABLE children (parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE) STRICT;
          INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1);",
};

fn open() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.pragma_update(None, "foreign_keys", true).unwrap();
    conn
}

/// `schema.sql` is what a reader looks at; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_migrated_schema_is_schema_sql() {
    let mut conn = open();
    migrate(&mut conn, Path::new("x.db")).unwrap();
    let mut statement = conn
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' ORDER BY tbl_name, type DESC, name")
        .unwrap();
    let schema: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let got = format!(
        "-- The database as all migrations leave it; a test keeps this file equal to that.\n\n{};\n",
        schema.join(";\n\n")
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        got == expected,
        "schema.sql differs from the migrations: run this test with UPDATE_EXPECT=1 and read what changed\n{got}"
    );
}

/// Before installs were proven: what a database of format 3 knew is what it means in the newest one, and nothing installs or wipes
/// by the change alone.
#[tokio::test]
async fn a_database_of_format_3_keeps_what_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let mut conn = Connection::open(&path).unwrap();
    up(&mut conn, &path, &MIGRATIONS[..3]).unwrap();
    conn.execute_batch(
        "INSERT INTO network_settings VALUES (1, 1, 300, 3, '10.0.0.0/24', '10.0.0.1', '[]', NULL, 'v1.13.9', 'http', '[]');
         INSERT INTO devices (
             id, mac, hostname, ip_address, role, status, decided_by, decided_at, boot_order, notes, local_boot, uuid, serial, vendor,
             config_released_at, wipe_asked_at, created_at, updated_at, kept, config_transfers, config_delivered)
         VALUES
             (1, '52:54:00:00:00:01', 'a', '10.0.0.11', 'worker', 'approved', 'person:ada', 5, 'install', '', 'auto',
              '4c4c4544-0000-4000-8000-000000000001', 'S1', 'ACME', 1700000000123456, NULL, 1, 1, 1, 0, 1),
             (2, '52:54:00:00:00:02', 'b', '10.0.0.12', 'worker', 'approved', 'person:ada', 5, 'local', '', 'auto',
              '4c4c4544-0000-4000-8000-000000000002', NULL, NULL, NULL, 1700000001000000, 1, 1, 1, 0, 0),
             (3, '52:54:00:00:00:03', NULL, NULL, NULL, 'pending', NULL, NULL, 'install', '', 'auto', NULL, NULL, NULL, NULL, NULL,
              1, 1, 0, 0, 0);
         INSERT INTO device_configs VALUES (1, 'worker', printf('%064d', 1), 1, 1, x'00');
         INSERT INTO boots VALUES (7, 1, 1, 2, 'config', NULL);
         INSERT INTO boot_stages VALUES (9, 7, 'config', 1, NULL, NULL, NULL, NULL, 'done', '');
         INSERT INTO events (id, happened_at, actor, device_id, mac, kind, what) VALUES
             (4, 1, 'device:52:54:00:00:00:03', 3, '52:54:00:00:00:03', 'device_seen', '{\"kind\":\"device_seen\",\"by\":\"dhcp\"}'),
             (5, 1, 'device:52:54:00:00:00:02', 2, '52:54:00:00:00:02', 'wipe_asked', '{\"kind\":\"wipe_asked\"}');",
    )
    .unwrap();
    drop(conn);

    let clock = std::sync::Arc::new(model::SystemClock);
    let store = crate::Store::open(&path, clock).unwrap();
    let read = store.read(crate::Lane::Admin, |reader| {
        let devices = reader.devices(&crate::DeviceFilter::default())?;
        let mut identified = Vec::new();
        for device in &devices {
            identified.push(reader.is_identified(device.id)?);
        }
        let boots = reader.boots(model::DeviceId(1), 9)?;
        let events = reader.events(&crate::EventFilter::default())?;
        Ok((devices, identified, boots, events, reader.settings()?))
    });
    let (devices, identified, boots, events, settings) = read.await.unwrap();
    let lives: Vec<_> = devices.iter().map(|device| &device.life).collect();
    let at = |millis: i64| model::Timestamp::from_micros(millis * 1000);
    let begun = model::Install::Begun {
        attempt: 1,
        since: at(1_700_000_000_123),
        boot: None,
        released: true,
        reports: false,
    };
    assert_eq!(
        (&lives[0].install, lives[0].boot_order()),
        (&begun, model::BootOrder::Install)
    );
    assert_eq!(
        (&lives[1].install, lives[1].boot_order()),
        (&model::Install::default(), model::BootOrder::Local)
    );
    let asked = model::Wipe::Asked {
        at: at(1_700_000_001_000),
    };
    assert_eq!(
        (&lives[1].wipe, &lives[0].wipe),
        (&asked, &model::Wipe::None)
    );
    assert_eq!(*lives[2], model::Lifecycle::default());
    assert_eq!(identified, [true, false, false]);
    assert_eq!((boots.len(), boots[0].number), (1, 1));
    assert_eq!(boots[0].stages.len(), 1);
    assert_eq!(events.len(), 2);
    assert!(settings.reports && settings.strict_boot_mode);
    assert_eq!(settings.config_release, model::ConfigRelease::Token);

    // With the disk at stake, what was not told to report gets the menu that ends at the disk.
    let state = model::BootState {
        device: devices.first(),
        settings: &settings,
        held: None,
        assets_at_hand: true,
        now: at(1_700_000_002_000),
        boot: None,
    };
    let decision = model::decide(state);
    assert!(
        matches!(decision, model::BootDecision::Menu { .. }),
        "{decision:?}"
    );
}

/// Before tokens were of accounts: each is of the account that made it, itself or by a token; those made on the host are nobody's, and
/// those of an account that is gone go.
#[tokio::test]
async fn tokens_of_a_database_of_format_11_get_the_account_that_made_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let mut conn = Connection::open(&path).unwrap();
    up(&mut conn, &path, &MIGRATIONS[..11]).unwrap();
    let hash = "$argon2id$v=19$x";
    let event = |actor: &str, from: &str, kind: &str, name: &str| {
        conn.execute(
            "INSERT INTO events (happened_at, actor, came_from, kind, what)
             VALUES (1, ?1, ?2, ?3, json_object('kind', ?3, 'name', ?4, 'authority', 'admin', 'expires_at', NULL))",
            [actor, from, kind, name],
        )
        .unwrap();
    };
    let user = |name: &str| {
        conn.execute(
            "INSERT INTO users (name, authority, password_hash, created_at, updated_at) VALUES (?1, 'viewer', ?2, 1, 1)",
            [name, hash],
        )
        .unwrap();
    };
    let made = |actor: &str, from: &str, name: &str| {
        conn.execute(
            "INSERT INTO api_tokens (name, authority, token_sha256, made_by, created_at) VALUES (?1, 'admin', ?2, ?3, 1)",
            [name, &format!("{name:0>64}"), actor],
        )
        .unwrap();
        event(actor, from, "token_made", name);
    };
    const FAR: &str = "10.0.0.9";
    user("ada");
    made("person:ada", FAR, "of-ada");
    made("person:token/of-ada", FAR, "by-token");
    made("person:token/by-token", FAR, "by-token-of-token");
    // Who has the name of an account on the host.
    made("person:ada", "Unix socket, ada", "on-host");
    made("person:token/on-host", FAR, "by-host-token");
    made("person:token", FAR, "by-state-folder");
    // A token that is gone, whose name another has since.
    event("person:ada", FAR, "token_made", "short");
    made("person:token/short", FAR, "by-short");
    event("person:ada", FAR, "token_revoked", "short");
    made("person:root", "Unix socket, root", "short");
    // An account that is gone, and one that is back under its name.
    made("person:bob", FAR, "of-bob");
    made("person:token/of-bob", FAR, "by-bobs-token");
    event("person:ada", FAR, "user_deleted", "bob");
    user("bob");
    made("person:carl", FAR, "of-carl");
    made("person:bob", FAR, "of-new-bob");
    drop(conn);

    let clock = std::sync::Arc::new(model::SystemClock);
    let store = crate::Store::open(&path, clock).unwrap();
    let read = store.read(crate::Lane::Admin, |reader| {
        let revoked = crate::EventFilter {
            kind: Some("token_revoked".to_owned()),
            ..crate::EventFilter::default()
        };
        Ok((reader.api_tokens()?, reader.events(&revoked)?))
    });
    let (tokens, revoked) = read.await.unwrap();
    let left: Vec<_> = tokens
        .iter()
        .map(|token| (token.name.as_str(), token.maker.map(|maker| maker.id.0)))
        .collect();
    assert_eq!(
        left,
        [
            ("by-host-token", None),
            ("by-short", Some(1)),
            ("by-state-folder", None),
            ("by-token", Some(1)),
            ("by-token-of-token", Some(1)),
            ("of-ada", Some(1)),
            ("of-new-bob", Some(2)),
            ("on-host", None),
            ("short", None),
        ]
    );
    let told: Vec<_> = revoked.iter().map(|event| event.what.to_string()).collect();
    for name in ["of-bob", "by-bobs-token", "of-carl"] {
        let said = format!("API token {name} revoked");
        assert!(told.contains(&said), "{told:?}");
    }
    assert_eq!(told.len(), 4, "{told:?}");
    let system: Vec<_> = revoked.iter().map(|event| event.actor.clone()).collect();
    assert_eq!(system[..3], vec![model::Actor::System; 3]);
}

#[test]
fn names_of_migrations_count_up() {
    for (number, migration) in (1..).zip(MIGRATIONS) {
        assert!(migration.name.starts_with(&format!("{number:04}_")));
    }
}

#[test]
fn a_table_can_be_built_anew_without_losing_what_refers_to_it() {
    let rebuild = Migration {
        name: "0002_rebuild",
        sql: "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT) STRICT;
              INSERT INTO new (id) SELECT id FROM parents; DROP TABLE parents; ALTER TABLE new RENAME TO parents;",
    };
    let mut conn = open();
    up_to(&mut conn, &[TABLES]).unwrap();
    up_to(&mut conn, &[TABLES, rebuild]).unwrap();
    let children: i64 = conn
        .query_row("SELECT count(*) FROM children", [], |row| row.get(0))
        .unwrap();
    assert_eq!((children, format(&conn).unwrap()), (1, 2));
    assert_eq!(pragma(&conn, "foreign_keys").unwrap(), 1);
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was() {
    for (sql, why) in [
        (
            "CREATE TABLE more (id INTEGER); SELECT nonsense;",
            "nonsense",
        ),
        ("DELETE FROM parents;", "1 rows would belong to nothing"),
    ] {
        let bad = Migration {
            name: "0002_bad",
            sql,
        };
        let mut conn = open();
        up_to(&mut conn, &[TABLES]).unwrap();
        let err = up_to(&mut conn, &[TABLES, bad]).unwrap_err().to_string();
        assert!(err.contains("0002_bad") && err.contains(why), "{err}");
        assert_eq!((tables(&conn).unwrap(), format(&conn).unwrap()), (2, 1));
        assert_eq!(pragma(&conn, "foreign_keys").unwrap(), 1);
    }
}
