//! What can go wrong in the store, as situations a caller can act on.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use model::DeviceId;
use rusqlite::ErrorCode;

/// Why the store could not do what it was asked. A change that ends in an error left nothing behind.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The queue stayed full; the request was not begun.
    #[error("the store has more requests waiting than it can take; try again in a moment")]
    Busy,
    /// The store was closed; the request was not begun.
    #[error("the store is closed because ktizo is shutting down")]
    Closed,
    /// What must be unique belongs to another.
    #[error("{field} `{value}` is taken by another")]
    Taken {
        /// The field as the API names it: `mac_address`, `hostname`, `ip_address`.
        field: &'static str,
        /// The value both would have.
        value: String,
    },
    /// The device was deleted, or never was.
    #[error("there is no device {0}")]
    NoSuchDevice(DeviceId),
    /// The config is not the one that was about to be sent any more.
    #[error("the config of device {0} was changed or deleted before it could be sent; ask again")]
    ConfigChanged(DeviceId),
    /// A value breaks a rule of the schema.
    #[error("the change breaks a rule of the database: {0}")]
    Refused(String),
    /// The file was written by a later ktizo.
    #[error(
        "{path} has format {found}, and this ktizo knows formats up to {known}: install the version that wrote it, or restore a backup from before"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this program knows.
        known: i64,
    },
    /// The file is something else.
    #[error("{path} is not a ktizo database: {why}; move it away, or name another state folder")]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// The file could not be opened or made.
    #[error("cannot open the database {path}: {why}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        why: String,
    },
    /// A migration could not be done; the database is as it was.
    #[error("the database could not be brought to format {name}, and is as it was: {why}")]
    Migration {
        /// The migration.
        name: &'static str,
        /// What stood in the way.
        why: String,
    },
    /// No room is left.
    #[error("the disk of the database is full: free some space, then try again")]
    DiskFull,
    /// The disk failed or is read-only.
    #[error("the disk of the database cannot be read or written: {0}")]
    Disk(String),
    /// Another program holds the database.
    #[error(
        "the database is locked by another program; `fuser -v` with the path of ktizo.db names it"
    )]
    Locked,
    /// What was read is not what was written.
    #[error("the database is damaged: {0}; restore a backup")]
    Corrupt(String),
    /// The request itself is at fault; the store lives on.
    #[error("a request to the store broke off by a fault in ktizo: {0}")]
    Panicked(String),
    /// Anything else that SQLite says.
    #[error("sqlite: {0}")]
    Sqlite(#[source] Arc<rusqlite::Error>),
}

impl Error {
    /// The error of a closure that panicked with `payload`.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked(text.unwrap_or("no reason given").to_owned())
    }

    /// Whether SQLite itself says that this is a violated rule (UNIQUE, CHECK, foreign key), and in which words.
    pub(crate) fn rule(err: &rusqlite::Error) -> Option<&str> {
        match err {
            rusqlite::Error::SqliteFailure(code, message)
                if code.code == ErrorCode::ConstraintViolation =>
            {
                Some(message.as_deref().unwrap_or("a constraint"))
            }
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(err: rusqlite::Error) -> Self {
        use rusqlite::Error as Sql;
        if let Some(rule) = Self::rule(&err) {
            return Self::Refused(rule.to_owned());
        }
        match &err {
            Sql::SqliteFailure(code, message) => {
                let text = message.clone().unwrap_or_else(|| code.to_string());
                match code.code {
                    ErrorCode::DiskFull => Self::DiskFull,
                    ErrorCode::SystemIoFailure
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied => Self::Disk(text),
                    ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(text),
                    _ => Self::Sqlite(Arc::new(err)),
                }
            }
            Sql::FromSqlConversionFailure(..)
            | Sql::InvalidColumnType(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::Utf8Error(..) => Self::Corrupt(err.to_string()),
            _ => Self::Sqlite(Arc::new(err)),
        }
    }
}
