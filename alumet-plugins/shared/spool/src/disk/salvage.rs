//! Copies what can be read of a damaged file into a new one.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_core::spool::Definitions;
use alumet_core::time::Timestamp;
use alumet_shared_sqlite_file::{DiskError, with_suffix};
use rusqlite::Connection;

use super::aside::set_aside;
use super::fetch::{RANGE, visit, walk};
use super::row::{self, Meta, Origin, Stored};
use super::{Place, open};
use crate::record::{Arrival, Entry, Had, Loss, Stand, Stretch, WantedBatch};

/// How many numbers in a row may be unreadable one by one before larger steps are taken.
const MOST_MISSED: u64 = 128;

/// Makes a new file from what can be read, sets the old one aside and gives its new path.
pub(super) fn salvage(place: &Place) -> Result<PathBuf, DiskError> {
    let path = &place.path;
    let copy = copy_path(path);
    let failed = |error| DiskError::sqlite(path, error);
    discard(&copy)?;
    let new = open::create(&copy).map_err(failed)?;
    if let Ok(old) = open::open_damaged(path) {
        copy_all(&old, &new).map_err(failed)?;
    }
    row::insert(&new, &("complete".to_owned(), 1, None)).map_err(failed)?;
    // The last connection writes the journal into the file and removes it.
    new.close().map_err(|(_, error)| failed(error))?;
    let aside = set_aside(path, "damaged", place.now)?;
    rename(&copy, path)?;
    Ok(aside)
}

/// Finishes what a crash has interrupted.
pub(super) fn finish(path: &Path, now: Timestamp) -> Result<(), DiskError> {
    let copy = copy_path(path);
    if copy.symlink_metadata().is_err() {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        return discard(&copy);
    }
    let meta = open::open_damaged(&copy).map(|copy| readable::<Meta>(&copy));
    let is_complete = |meta: Vec<Meta>| meta.iter().any(|(key, ..)| key == "complete");
    match meta.is_ok_and(is_complete) {
        true => rename(&copy, path),
        false => set_aside(&copy, "damaged", now).map(drop),
    }
}

fn copy_path(path: &Path) -> PathBuf {
    with_suffix(path, ".salvage")
}

fn rename(from: &Path, to: &Path) -> Result<(), DiskError> {
    fs::rename(from, to).map_err(|error| DiskError::rename(to, &error))
}

fn discard(path: &Path) -> Result<(), DiskError> {
    open::remove(path).map_err(|error| DiskError::rename(path, &error))
}

/// Copies the good rows. Only an error of the new file is one.
fn copy_all(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    new.execute_batch("BEGIN")?;
    copy::<Meta>(old, new)?;
    copy::<Stretch>(old, new)?;
    copy::<Stand>(old, new)?;
    copy::<Loss>(old, new)?;
    copy::<Origin>(old, new)?;
    copy::<Arrival>(old, new)?;
    copy::<WantedBatch>(old, new)?;
    copy::<Had>(old, new)?;
    copy::<Definitions>(old, new)?;
    copy_records(old, new)?;
    new.execute_batch("COMMIT")
}

fn copy<T: Stored>(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let mut stored = Ok(());
    visit_readable(old, |one: T| {
        stored = row::insert(new, &one);
        stored.is_ok()
    });
    stored
}

fn readable<T: Stored>(old: &Connection) -> Vec<T> {
    let mut found = Vec::new();
    visit_readable(old, |one| {
        found.push(one);
        true
    });
    found
}

/// Visits the good rows up to the first that cannot be read, and from the other end down to it.
fn visit_readable<T: Stored>(old: &Connection, mut visitor: impl FnMut(T) -> bool) {
    for order in ["", "ORDER BY 1 DESC"] {
        let sql = row::select::<T>(order);
        if visit(old, &sql, [], |one| one.is_none_or(&mut visitor)).is_ok() {
            break;
        }
    }
}

fn copy_records(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let last = newest(old);
    let sql = row::select::<Entry>(RANGE);
    let mut after = 0_u64;
    let mut missed = 0_u64;
    while after < last {
        let mut stored = Ok(());
        let walked = walk(old, &sql, (after, last), |entry| {
            after = entry.end.sequence;
            missed = 0;
            stored = row::insert(new, &entry);
            stored.is_ok()
        });
        stored?;
        if walked.is_ok() {
            break;
        }
        // Something after this number cannot be read; from a later one on, it may work.
        missed += 1;
        after = after.saturating_add(1 << (missed / MOST_MISSED).min(62));
    }
    Ok(())
}

/// The largest number that a record may have.
fn newest(old: &Connection) -> u64 {
    let by_record = old.query_row("SELECT max(sequence) FROM records", [], |row| row.get(0));
    if let Ok(Some(sequence)) = by_record {
        return i64::max(sequence, 0) as u64;
    }
    let meta = readable::<Meta>(old);
    let reserved = meta.iter().find(|(key, ..)| key == "reserved");
    reserved.map_or(i64::MAX as u64, |(_, value, _)| *value)
}
