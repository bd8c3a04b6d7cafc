//! Runs as rows of tables. A run has the rows of many series, sorted by series, in parts; it never changes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::part::Part;
use crate::rows::Resolution;

/// The level of a run that is the only one of its window, but for what came late.
pub(crate) const TOP: i64 = 100;

/// What is known of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: i64,
    /// Of two runs that have a row of the same series at the same instant, the one with the higher number is right.
    pub(crate) sequence: i64,
    pub(crate) resolution: Resolution,
    /// How often its rows were merged.
    pub(crate) level: i64,
    /// When its window begins.
    pub(crate) window: i64,
    /// The first and the last instant.
    pub(crate) span: (i64, i64),
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// When it was written.
    pub(crate) created: i64,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Written = 0,
    Visible = 1,
    Removed = 2,
}

const COLUMNS: &str = "id, sequence, resolution, level, window, first_at, last_at, rows, bytes, created";

/// The bits of the number of a part that are its place in the run.
const PLACE_BITS: u32 = 20;

impl Run {
    pub(crate) const fn new(
        sequence: i64,
        resolution: Resolution,
        level: i64,
        window: i64,
        created: i64,
    ) -> Self {
        Self {
            id: 0,
            sequence,
            resolution,
            level,
            window,
            span: (i64::MAX, i64::MIN),
            rows: 0,
            bytes: 0,
            created,
        }
    }

    /// Writes it to the table, under a new number.
    pub(crate) fn insert(&mut self, db: &Connection, state: State) -> rusqlite::Result<()> {
        let sql = "INSERT INTO runs (sequence, resolution, level, window, first_at, last_at, rows, bytes, created, state)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![
            self.sequence,
            self.resolution.number(),
            self.level,
            self.window,
            self.span.0,
            self.span.1,
            self.rows.cast_signed(),
            self.bytes.cast_signed(),
            self.created,
            state as i64,
        ])?;
        self.id = db.last_insert_rowid();
        Ok(())
    }

    /// Notes that it has another part.
    pub(crate) fn count(&mut self, part: &Part) {
        self.span = (self.span.0.min(part.span.0), self.span.1.max(part.span.1));
        self.rows += part.rows;
        self.bytes += part.bytes.len() as u64;
    }

    /// The number of its first part.
    pub(crate) const fn first_part(&self) -> i64 {
        self.id << PLACE_BITS
    }

    /// The number after that of its last part.
    pub(crate) const fn end_of_parts(&self) -> i64 {
        (self.id + 1) << PLACE_BITS
    }

    /// From now on, it counts.
    pub(crate) fn show(&self, db: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE runs SET state = 1, first_at = ?, last_at = ?, rows = ?, bytes = ? WHERE id = ?";
        db.prepare_cached(sql)?.execute(params![
            self.span.0,
            self.span.1,
            self.rows.cast_signed(),
            self.bytes.cast_signed(),
            self.id
        ])?;
        Ok(())
    }

    /// From now on, it does not count, and its parts may be removed.
    pub(crate) fn hide(&self, db: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE runs SET state = ? WHERE id = ?";
        db.prepare_cached(sql)?
            .execute([State::Removed as i64, self.id])?;
        Ok(())
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Some(resolution) = Resolution::of_number(row.get(2)?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: row.get(0)?,
            sequence: row.get(1)?,
            resolution,
            level: row.get(3)?,
            window: row.get(4)?,
            span: (row.get(5)?, row.get(6)?),
            rows: row.get::<_, i64>(7)?.cast_unsigned(),
            bytes: row.get::<_, i64>(8)?.cast_unsigned(),
            created: row.get(9)?,
        }))
    }
}

/// All runs that count.
pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<Run>> {
    let mut runs = Vec::new();
    visit(db, |run| runs.push(run)).map(|()| runs)
}

/// Visits the runs that count; those before the first that cannot be read, if there is one.
pub(crate) fn visit(db: &Connection, mut visit: impl FnMut(Run)) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE state = 1");
    let mut statement = db.prepare_cached(&sql)?;
    let runs = statement.query_map([], Run::of_row)?;
    for run in runs {
        run?.into_iter().for_each(&mut visit);
    }
    Ok(())
}

pub(crate) fn insert_part(db: &Connection, run: i64, place: u64, part: &Part) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO parts (id, run, first_series, last_series, checksum, data) VALUES (?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        run << PLACE_BITS | place.cast_signed(),
        run,
        part.first_series.cast_signed(),
        part.last_series.cast_signed(),
        crc32fast::hash(&part.bytes),
        part.bytes
    ])?;
    Ok(())
}

/// Makes runs that were being written when the program was killed such that are removed.
pub(crate) fn forget_unfinished(db: &Connection) -> rusqlite::Result<()> {
    db.execute("UPDATE runs SET state = 2 WHERE state = 0", [])
        .map(drop)
}

/// Removes some parts of a run that does not count any more, or the run if there are none; says whether there was one.
pub(crate) fn remove_some(db: &Connection) -> rusqlite::Result<bool> {
    const PARTS: i64 = 16;
    let first = "SELECT id FROM runs WHERE state = 2 LIMIT 1";
    let Some(run) = db.query_row(first, [], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(false);
    };
    let some =
        "DELETE FROM parts WHERE id IN (SELECT id FROM parts WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)";
    let (from, until) = (run << PLACE_BITS, (run + 1) << PLACE_BITS);
    if db.prepare_cached(some)?.execute([from, until, PARTS])? == 0 {
        db.execute("DELETE FROM runs WHERE id = ?", [run])?;
    }
    Ok(true)
}

/// Before when each resolution has nothing any more; lower than any instant if nothing was ever dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped(pub(crate) [i64; 3]);

const KEYS: [&str; 3] = ["dropped_raw", "dropped_minute", "dropped_hour"];

impl Dropped {
    pub(crate) fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached("SELECT value FROM meta WHERE key = ?")?;
        let mut dropped = [i64::MIN; 3];
        for (value, key) in dropped.iter_mut().zip(KEYS) {
            *value = statement
                .query_row([key], |row| row.get(0))
                .optional()?
                .unwrap_or(i64::MIN);
        }
        Ok(Self(dropped))
    }

    pub(crate) const fn before(&self, resolution: Resolution) -> i64 {
        self.0[resolution as usize]
    }

    /// Notes that a resolution has nothing before that any more.
    pub(crate) fn write(db: &Connection, resolution: Resolution, before: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
            ON CONFLICT (key) DO UPDATE SET value = max(value, ?2)";
        db.execute(sql, params![KEYS[resolution as usize], before])
            .map(drop)
    }
}
