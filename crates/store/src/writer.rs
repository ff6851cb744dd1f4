//! Writing: one change, with its author, its moment and its events.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use model::{Actor, Author, Timestamp};
use rusqlite::{Connection, Params};

use crate::{Change, Error, Options, Reader};

/// One change in the making: all of it and its events are committed, or nothing. It reads what it has written. Its methods are
/// grouped by what they write, one file each, beside the reads of the same.
pub struct Writer<'a> {
    reader: Reader<'a>,
    author: &'a Author,
    now: Timestamp,
    pub(crate) options: Options,
    touched: RefCell<Change>,
    revision: Cell<Option<i64>>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        conn: &'a Connection,
        author: &'a Author,
        now: Timestamp,
        options: Options,
    ) -> Self {
        Self {
            reader: Reader { conn },
            author,
            now,
            options,
            touched: RefCell::default(),
            revision: Cell::new(None),
        }
    }

    /// The moment of the change; the same however often it is asked.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Who makes the change.
    pub fn actor(&self) -> &Actor {
        &self.author.actor
    }

    /// From where the change is made, if a person makes it.
    pub fn from(&self) -> Option<&str> {
        self.author.from.as_deref()
    }

    /// Runs a statement; says how many rows it changed.
    pub(crate) fn run(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// Notes what the change touches.
    pub(crate) fn touch(&self, note: impl FnOnce(&mut Change)) {
        note(&mut self.touched.borrow_mut());
    }

    /// The revision that this change makes; counted once, however much the change does.
    pub(crate) fn next_revision(&self) -> Result<i64, Error> {
        if let Some(revision) = self.revision.get() {
            return Ok(revision);
        }
        let revision = self.one(
            "UPDATE revisions SET revision = revision + 1 RETURNING revision",
            [],
            |row| row.get(0),
        )?;
        self.revision.set(Some(revision));
        Ok(revision)
    }

    /// What the change touched.
    pub(crate) fn into_change(self) -> Change {
        self.touched.into_inner()
    }
}

impl<'a> Deref for Writer<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}
