//! Writes one transaction.

use rusqlite::{Connection, params};

use super::{Disk, DiskError, Noted, row};
use crate::record::{Job, PAGE_SIZE, Unwritten};

/// How many numbers are reserved ahead, so that most transactions need not write that.
const RESERVE: u64 = 1 << 20;

/// How many records one transaction deletes at most: to delete them, SQLite has to read them.
const MOST_DELETED: u64 = 1024;

/// How many bytes of free pages are kept for later, and how many pages at most are given back at once.
const FREE_BYTES: u64 = 16 << 20;
const MOST_FREED: u32 = 1024;

impl Disk {
    /// Writes all of it or nothing. It is on disk when this returns.
    ///
    /// `last` says that the program ends in good order, so that no number needs to be left out.
    pub(crate) fn store(&mut self, job: &Job, last: bool) -> Result<Unwritten, DiskError> {
        let head = job.head.sequence;
        let reserved = match self.reserved {
            _ if last => head,
            reserved if head + RESERVE / 2 > reserved => head + RESERVE,
            reserved => reserved,
        };
        let changed = (reserved != self.reserved).then_some(reserved);
        let left = self.transact(job, changed).map_err(|error| self.error(error))?;
        if let (Some(file), Some(last)) = (&self.noted, job.records.last()) {
            let noted = Noted {
                instances: job.instances,
                start: job.waiting,
                head: last.end,
            };
            if let Err(error) = noted.write(file) {
                tracing::debug!(%error, "what is in the spool cannot be noted");
            }
        }
        self.reserved = reserved;
        self.give_back_space().map_err(|error| self.error(error))?;
        Ok(left)
    }

    fn transact(&mut self, job: &Job, reserved: Option<u64>) -> rusqlite::Result<Unwritten> {
        let transaction = self.connection.transaction()?;
        let db: &Connection = &transaction;
        let unwritten = &job.unwritten;
        if unwritten.numberings {
            db.execute("DELETE FROM numberings", [])?;
            row::insert_all(db, &job.numberings)?;
        }
        if let Some(reserved) = reserved {
            row::insert(db, &("reserved".to_owned(), reserved, None))?;
        }
        row::insert_all(db, &unwritten.definitions)?;
        row::insert_all(db, job.records.iter().map(AsRef::as_ref))?;
        for output in &unwritten.cursors {
            match job.cursors.iter().find(|(name, ..)| name == output) {
                Some(cursor) => row::insert(db, cursor)?,
                None => drop(
                    db.prepare_cached("DELETE FROM cursors WHERE output = ?")?
                        .execute([output])?,
                ),
            }
        }
        row::insert_all(db, &job.origins)?;
        if unwritten.losses {
            db.execute("DELETE FROM gaps", [])?;
            row::insert_all(db, &job.losses)?;
        }
        let left = delete(db, job)?;
        transaction.commit()?;
        Ok(left)
    }

    /// Gives free pages back to the file system, a few at a time.
    fn give_back_space(&self) -> rusqlite::Result<()> {
        const KEPT: u32 = (FREE_BYTES / PAGE_SIZE) as u32;
        let free: u32 = self
            .connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if free > KEPT {
            let pages = free - KEPT;
            let sql = format!("PRAGMA incremental_vacuum({})", pages.min(MOST_FREED));
            let mut statement = self.connection.prepare(&sql)?;
            let mut freed = statement.query([])?;
            while freed.next()?.is_some() {}
        }
        Ok(())
    }
}

/// Deletes the records that nobody needs, and the dictionaries that no record needs.
fn delete(db: &Connection, job: &Job) -> rusqlite::Result<Unwritten> {
    let mut left = Unwritten::default();
    let mut room = MOST_DELETED;
    for &(first, last) in &job.unwritten.doomed {
        room -= delete_range(db, first, last, room)?;
        if room == 0 {
            left.doomed.push((first, last));
        }
    }
    if job.unwritten.start {
        room -= delete_range(db, 0, job.start, room)?;
        left.start = room == 0;
        let oldest = "SELECT ifnull(min(generation), ?1) FROM
                          (SELECT generation FROM records ORDER BY sequence LIMIT 1)";
        let oldest: u32 = db
            .prepare_cached(oldest)?
            .query_row([job.generation], |row| row.get(0))?;
        db.prepare_cached("DELETE FROM definitions WHERE generation < ?")?
            .execute([oldest.min(job.generation)])?;
    }
    Ok(left)
}

fn delete_range(db: &Connection, first: u64, last: u64, most: u64) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM records WHERE sequence IN
                   (SELECT sequence FROM records WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?)";
    let last = last.min(i64::MAX as u64) as i64;
    let deleted = db
        .prepare_cached(sql)?
        .execute(params![first as i64, last, most as i64])?;
    Ok(deleted as u64)
}
