//! Between columns and the model's types.

use std::error::Error as StdError;
use std::str::FromStr;

use model::{Sha256Digest, Timestamp};
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Error;

/// Reads the columns of a row from left to right.
pub(crate) struct Cells<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Cells<'r, 's> {
    /// Begins at the first column.
    pub(crate) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column, as it is.
    pub(crate) fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let column = self.step();
        self.row.get(column)
    }

    /// The next column, as the text form of `T`.
    pub(crate) fn parse<T>(&mut self) -> rusqlite::Result<T>
    where
        T: FromStr,
        T::Err: StdError + Send + Sync + 'static,
    {
        let column = self.step();
        let text = self.row.get_ref(column)?.as_str()?;
        text.parse().map_err(|err| self.wrong(column, err))
    }

    /// The next column, as the text form of `T` or NULL.
    pub(crate) fn parse_or_null<T>(&mut self) -> rusqlite::Result<Option<T>>
    where
        T: FromStr,
        T::Err: StdError + Send + Sync + 'static,
    {
        let column = self.step();
        let text = self.row.get_ref(column)?.as_str_or_null()?;
        text.map(str::parse)
            .transpose()
            .map_err(|err| self.wrong(column, err))
    }

    /// The next column, as a count.
    pub(crate) fn count(&mut self) -> rusqlite::Result<u64> {
        self.count_or_null().map(Option::unwrap_or_default)
    }

    /// The next column, as a count or NULL.
    pub(crate) fn count_or_null(&mut self) -> rusqlite::Result<Option<u64>> {
        let column = self.step();
        let number: Option<i64> = self.row.get(column)?;
        let whole = number.map(|n| {
            u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
        });
        whole.transpose()
    }

    /// The next column, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        let column = self.step();
        let text = self.row.get_ref(column)?.as_str()?;
        serde_json::from_str(text).map_err(|err| self.wrong(column, err))
    }

    /// The next column, as a moment.
    pub(crate) fn at(&mut self) -> rusqlite::Result<Timestamp> {
        self.get().map(Timestamp::from_micros)
    }

    /// The next column, as a moment or NULL.
    pub(crate) fn at_or_null(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn wrong(&self, column: usize, err: impl StdError) -> rusqlite::Error {
        let name = self.row.as_ref().column_name(column).unwrap_or("?");
        let why = format!("column {name}: {err}");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    }
}

/// A value as the JSON text that a column keeps.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|err| Error::Refused(err.to_string()))
}

/// A moment or NULL as SQLite keeps it.
pub(crate) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

/// The text form of a value or NULL.
pub(crate) fn text<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

/// A count as SQLite keeps it; nothing that is counted here reaches the end of `i64`.
pub(crate) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The fingerprint of some bytes.
pub(crate) fn fingerprint(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}
