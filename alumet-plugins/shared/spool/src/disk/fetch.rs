//! Reads records and definitions.

use alumet_core::spool::Definitions;
use alumet_shared_sqlite_file::DiskError;
use rusqlite::{Connection, Params, params};

use super::Disk;
use super::row::{self, Stored};
use crate::record::{Entry, Mark};

/// The records after one number up to another, in order.
pub(super) const RANGE: &str = "WHERE sequence > ? AND sequence <= ? ORDER BY sequence";

impl Disk {
    /// The good records after number `after` up to `up_to`: about `bytes` of them, at least one if there is one.
    pub(crate) fn fetch(&self, after: u64, up_to: u64, bytes: usize) -> Result<Vec<Entry>, DiskError> {
        let mut room = bytes;
        let mut entries = Vec::new();
        self.read(|db| {
            walk(db, &row::select::<Entry>(RANGE), (after, up_to), |entry| {
                room = room.saturating_sub(entry.payload.len());
                entries.push(entry);
                room > 0
            })
        })?;
        Ok(entries)
    }

    /// The same without their payloads, at most `count`.
    pub(crate) fn headers(&self, after: u64, up_to: u64, count: usize) -> Result<Vec<Entry>, DiskError> {
        let mut entries = Vec::new();
        self.read(|db| {
            walk(db, &row::select_headers(RANGE), (after, up_to), |entry| {
                entries.push(entry);
                entries.len() < count
            })
        })?;
        Ok(entries)
    }

    /// The end of the last good record after number `after` up to `up_to`.
    pub(crate) fn last_end(&self, after: u64, up_to: u64) -> Result<Option<Mark>, DiskError> {
        let sql = row::select_headers(&format!("{RANGE} DESC"));
        let mut last = None;
        self.read(|db| {
            visit(
                db,
                &sql,
                params![after as i64, up_to as i64],
                |entry: Option<Entry>| {
                    last = entry.map(|entry| entry.end);
                    last.is_none()
                },
            )
        })?;
        Ok(last)
    }

    /// The good entries of a dictionary, in order.
    pub(crate) fn definitions(&self, generation: u32) -> Result<Vec<Definitions>, DiskError> {
        let sql = row::select::<Definitions>("WHERE generation = ? ORDER BY first");
        let mut good = Vec::new();
        self.read(|db| {
            visit(db, &sql, [generation], |one| {
                good.extend(one);
                true
            })
        })?;
        Ok(good)
    }

    fn read(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), DiskError> {
        read(&self.connection).map_err(|error| self.error(error))
    }
}

/// Visits the good records after the first number up to the second while the visitor goes on.
pub(super) fn walk(
    db: &Connection,
    sql: &str,
    (mut after, up_to): (u64, u64),
    mut visitor: impl FnMut(Entry) -> bool,
) -> rusqlite::Result<()> {
    let range = params![after as i64, up_to.min(i64::MAX as u64) as i64];
    visit(db, sql, range, |entry: Option<Entry>| {
        // A damaged row is not there: the numbers before and after it tell what is missing. In a damaged tree, even
        // the order may be wrong.
        let in_order = |entry: &Entry| entry.end.sequence > after && entry.end.sequence <= up_to;
        entry.filter(in_order).is_none_or(|entry| {
            after = entry.end.sequence;
            visitor(entry)
        })
    })
}

/// Visits rows while the visitor goes on; `None` stands for a damaged one.
pub(super) fn visit<T: Stored>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut visitor: impl FnMut(Option<T>) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        if !visitor(row::parse(row).ok().flatten()) {
            break;
        }
    }
    Ok(())
}
