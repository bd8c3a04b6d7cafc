//! Reads records and definitions.

use alumet_core::spool::Definitions;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Disk, DiskError, row};
use crate::record::{Entry, Mark};

/// The columns of a record with its payload.
pub(super) fn with_payload() -> String {
    row::columns::<Entry>() + ", payload"
}

impl Disk {
    /// The good records after number `after` up to `up_to`: about `bytes` of them, at least one if there is one.
    pub(crate) fn fetch(&self, after: u64, up_to: u64, bytes: usize) -> Result<Vec<Entry>, DiskError> {
        let mut room = bytes;
        self.records(&with_payload(), (after, up_to), row::entry, |entry| {
            room = room.saturating_sub(entry.payload.len());
            room > 0
        })
    }

    /// The same without their payloads, at most `count`.
    pub(crate) fn headers(&self, after: u64, up_to: u64, count: usize) -> Result<Vec<Entry>, DiskError> {
        let mut left = count;
        self.records(&row::columns::<Entry>(), (after, up_to), row::parse, |_| {
            left = left.saturating_sub(1);
            left > 0
        })
    }

    fn records(
        &self,
        columns: &str,
        range: (u64, u64),
        parse: impl Fn(&Row<'_>) -> rusqlite::Result<Option<Entry>>,
        mut goes_on: impl FnMut(&Entry) -> bool,
    ) -> Result<Vec<Entry>, DiskError> {
        let mut entries = Vec::new();
        walk(&self.connection, columns, range, parse, |entry| {
            let goes_on = goes_on(&entry);
            entries.push(entry);
            goes_on
        })
        .map_err(|error| self.error(error))?;
        Ok(entries)
    }

    /// The end of the last good record after number `after` up to `up_to`.
    pub(crate) fn last_end(&self, after: u64, up_to: u64) -> Result<Option<Mark>, DiskError> {
        let sql = format!(
            "SELECT {} FROM records WHERE sequence > ? AND sequence <= ? ORDER BY sequence DESC LIMIT 1",
            row::columns::<Entry>()
        );
        let found = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let range = params![after as i64, up_to as i64];
            statement.query_row(range, row::parse::<Entry>).optional()
        };
        let entry = found().map_err(|error| self.error(error))?;
        Ok(entry.flatten().map(|entry| entry.end))
    }

    /// The good entries of a dictionary, in order.
    pub(crate) fn definitions(&self, generation: u32) -> Result<Vec<Definitions>, DiskError> {
        let sql = format!(
            "SELECT {} FROM definitions WHERE generation = ? ORDER BY first",
            row::columns::<Definitions>()
        );
        let read = || -> rusqlite::Result<Vec<Definitions>> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![generation], row::parse)?;
            rows.filter_map(Result::transpose).collect()
        };
        read().map_err(|error| self.error(error))
    }
}

/// Visits the good records after the first number up to the second while the visitor goes on.
pub(super) fn walk(
    connection: &Connection,
    columns: &str,
    (mut after, up_to): (u64, u64),
    parse: impl Fn(&Row<'_>) -> rusqlite::Result<Option<Entry>>,
    mut visit: impl FnMut(Entry) -> bool,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {columns} FROM records WHERE sequence > ? AND sequence <= ? ORDER BY sequence");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after as i64, up_to.min(i64::MAX as u64) as i64])?;
    while let Some(row) = rows.next()? {
        // A damaged row is not there: the numbers before and after it tell what is missing.
        let entry = match parse(row) {
            Ok(entry) => entry,
            Err(error) if error.sqlite_error_code().is_some() => return Err(error),
            Err(_) => None,
        };
        // In a damaged tree, even the order may be wrong.
        let in_order = |entry: &Entry| entry.end.sequence > after && entry.end.sequence <= up_to;
        if let Some(entry) = entry.filter(in_order) {
            after = entry.end.sequence;
            if !visit(entry) {
                break;
            }
        }
    }
    Ok(())
}
