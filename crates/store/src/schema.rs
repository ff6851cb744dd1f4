//! The format of the database: its migrations, forward only, and the number that says which were done.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::Error;

/// Marks the file as ktizo's (`file` and `sqlite3 .dbinfo` show it): `ktiz` in ASCII.
const APPLICATION_ID: i64 = 0x6b74_697a;

/// Migrations by the names of their files.
macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        &[$(Migration {
            name: $name,
            sql: include_str!(concat!("../migrations/", $name, ".sql")),
        }),+]
    };
}

/// Every migration in order; the first brings an empty file to format 1.
const MIGRATIONS: &[Migration] = migrations![
    "0001_first",
    "0002_cluster",
    "0003_people",
    "0004_labels",
    "0005_lifecycle",
    "0006_reports",
    "0007_config_release",
    "0008_events_stay",
    "0009_identity",
    "0010_firmware",
    "0011_lists",
    "0012_token_makers",
    "0013_token_roots",
    "0014_token_ends",
    "0015_boot_numbers",
    "0016_boot_standings",
];

/// One step to a newer format, done whole or not at all.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Refuses a database that another program made, before anything in it is changed.
pub(crate) fn recognise(conn: &Connection, path: &Path) -> Result<(), Error> {
    let is_ours = pragma(conn, "application_id")? == APPLICATION_ID;
    if is_ours || (tables(conn)? == 0 && format(conn)? == 0) {
        return Ok(());
    }
    Err(Error::NotADatabase {
        path: path.to_owned(),
        why: "it is a SQLite database of another program".to_owned(),
    })
}

/// Brings the database to the newest format. Refuses a newer one.
pub(crate) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), Error> {
    up(conn, path, MIGRATIONS)
}

/// Refuses a database of a newer format.
pub(crate) fn check_format(conn: &Connection, path: &Path) -> Result<(), Error> {
    not_newer(conn, path, MIGRATIONS).map(drop)
}

/// The format, if it is not newer than what `migrations` make.
fn not_newer(conn: &Connection, path: &Path, migrations: &[Migration]) -> Result<i64, Error> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let found = format(conn)?;
    if found > known {
        return Err(Error::NewerFormat {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

/// Does those of `migrations` that were not done yet.
fn up(conn: &mut Connection, path: &Path, migrations: &[Migration]) -> Result<(), Error> {
    let found = not_newer(conn, path, migrations)?;
    if found == i64::try_from(migrations.len()).unwrap_or(i64::MAX) {
        return Ok(());
    }
    // A migration may have to build a table anew, which foreign keys would take for a deletion. The switch has no effect
    // inside of a transaction; each migration is checked before its commit instead.
    conn.pragma_update(None, "foreign_keys", false)?;
    let done = (1..)
        .zip(migrations)
        .try_for_each(|(number, migration)| step(conn, number, migration));
    conn.pragma_update(None, "foreign_keys", true)?;
    done
}

/// Does one migration, unless another process has done it in the meantime.
fn step(conn: &mut Connection, number: i64, migration: &Migration) -> Result<(), Error> {
    let failed = |why: String| Error::Migration {
        name: migration.name,
        why,
    };
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if format(&transaction)? >= number {
        return Ok(());
    }
    transaction
        .execute_batch(migration.sql)
        .map_err(|err| failed(err.to_string()))?;
    let orphans: i64 = transaction.query_row(
        "SELECT count(*) FROM pragma_foreign_key_check()",
        [],
        |row| row.get(0),
    )?;
    if orphans > 0 {
        return Err(failed(format!("{orphans} rows would belong to nothing")));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction
        .commit()
        .map_err(|err| failed(err.to_string()))?;
    tracing::debug!(migration = migration.name, "database migrated");
    Ok(())
}

/// How many migrations were done.
fn format(conn: &Connection) -> Result<i64, Error> {
    pragma(conn, "user_version")
}

fn pragma(conn: &Connection, name: &str) -> Result<i64, Error> {
    Ok(conn.pragma_query_value(None, name, |row| row.get(0))?)
}

fn tables(conn: &Connection) -> Result<i64, Error> {
    Ok(conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests;
