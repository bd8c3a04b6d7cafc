//! Writes one transaction.

use alumet_shared_sqlite_file::DiskError;
use rusqlite::{Connection, params};

use super::fetch::visit;
use super::{Disk, Noted, row};
use crate::record::{Arrival, Had, Job, Outcome, PAGE_SIZE, Unwritten, WantedBatch};

/// How many numbers are reserved ahead, so that most transactions need not write that.
const RESERVE: u64 = 1 << 20;

/// How many records one transaction deletes at most: to delete them, SQLite has to read them.
const MOST_DELETED: u64 = 1024;

/// The journal is emptied when it holds so much and there is time.
const MUCH_IN_JOURNAL: u64 = 4 << 20;

/// How many pages a transaction writes besides its records, about.
const OTHER_PAGES: u64 = 8;

/// How many bytes of free pages are kept for later, and how many pages at most are given back at once.
const FREE_BYTES: u64 = 16 << 20;
const MOST_FREED: u32 = 1024;

impl Disk {
    /// Writes all of it or nothing. It is on disk when this returns.
    ///
    /// `last` says that the program ends in good order, so that no number needs to be left out.
    pub(crate) fn store(&mut self, job: &Job, last: bool) -> Result<Outcome, DiskError> {
        let head = job.head.sequence;
        let reserved = match self.reserved {
            _ if last => head,
            reserved if head + RESERVE / 2 > reserved => head + RESERVE,
            reserved => reserved,
        };
        let changed = (reserved != self.reserved).then_some(reserved);
        let outcome = self.transact(job, changed).map_err(|error| self.error(error))?;
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
        let records = job.records.iter().map(|entry| entry.bytes).sum::<u64>();
        self.in_journal += records + OTHER_PAGES * PAGE_SIZE;
        self.give_back_space().map_err(|error| self.error(error))?;
        Ok(outcome)
    }

    /// Brings what is in the journal to its places in the file, if it is much. That takes two syncs and more, which nobody should
    /// have to wait for.
    pub(crate) fn empty_journal(&mut self) {
        if self.in_journal < MUCH_IN_JOURNAL {
            return;
        }
        self.in_journal = 0;
        // What fails here stays in the journal.
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::debug!(%error, "the journal of the spool cannot be emptied");
        }
    }

    fn transact(&mut self, job: &Job, reserved: Option<u64>) -> rusqlite::Result<Outcome> {
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
        let arrivals: Vec<_> = job.records.iter().filter_map(|entry| entry.arrival()).collect();
        row::insert_all(db, &arrivals)?;
        for (output, done) in &unwritten.went_back {
            db.prepare_cached("DELETE FROM had WHERE output = ? AND record > ?")?
                .execute(params![output, *done as i64])?;
        }
        row::insert_all(db, &unwritten.had)?;
        for output in &unwritten.cursors {
            match job.cursors.iter().find(|(name, ..)| name == output) {
                Some(cursor) => {
                    row::insert(db, cursor)?;
                    db.prepare_cached("DELETE FROM had WHERE output = ? AND again <= ?")?
                        .execute(params![output, cursor.1.sequence as i64])?;
                }
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
        let (wanted, had) = want(db, job)?;
        let left = delete(db, job)?;
        transaction.commit()?;
        Ok(Outcome { left, wanted, had })
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

/// Notes which batches the damaged records were and which outputs have them, and forgets those that came again and those that
/// nobody has sent for long.
fn want(db: &Connection, job: &Job) -> rusqlite::Result<(Vec<WantedBatch>, Vec<Had>)> {
    let unwritten = &job.unwritten;
    row::insert_all(db, &unwritten.wanted)?;
    let (mut wanted, mut had) = (Vec::new(), Vec::new());
    for range in &unwritten.damaged {
        let sql = row::select::<Arrival>("WHERE record BETWEEN ? AND ? ORDER BY record");
        visit(
            db,
            &sql,
            [range.first as i64, range.last as i64],
            |arrival: Option<Arrival>| {
                let has_room = wanted.len() < job.room_for_wanted;
                if let Some(arrival) = arrival.filter(|_| has_room) {
                    wanted.push(WantedBatch {
                        sender: arrival.sender,
                        sequence: arrival.sequence,
                        since: job.now,
                    });
                    had.extend(range.had(&arrival));
                }
                has_room
            },
        )?;
    }
    row::insert_all(db, &wanted)?;
    row::insert_all(db, &had)?;
    for (sender, sequence) in &unwritten.brought {
        db.prepare_cached("DELETE FROM wanted WHERE sender = ? AND sequence = ?")?
            .execute(params![sender.0, *sequence as i64])?;
    }
    if !unwritten.damaged.is_empty() {
        db.execute(
            "DELETE FROM wanted WHERE since < ?",
            [job.wanted_since.as_nanos()],
        )?;
        let unwanted = "DELETE FROM had WHERE again IS NULL
                            AND (sender, sequence) NOT IN (SELECT sender, sequence FROM wanted)";
        db.execute(unwanted, [])?;
    }
    Ok((wanted, had))
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
    let last = last.min(i64::MAX as u64) as i64;
    let delete = |sql| {
        db.prepare_cached(sql)?
            .execute(params![first as i64, last, most as i64])
    };
    delete(
        "DELETE FROM arrivals WHERE record IN
             (SELECT record FROM arrivals WHERE record BETWEEN ? AND ? ORDER BY record LIMIT ?)",
    )?;
    let deleted = delete(
        "DELETE FROM records WHERE sequence IN
             (SELECT sequence FROM records WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?)",
    )?;
    Ok(deleted as u64)
}
