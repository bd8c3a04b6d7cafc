//! Makes one run of several, series by series, in a memory that does not grow with their size.

use std::sync::atomic::AtomicU64;

use alumet_core::time::Timestamp;
use alumet_core::value::ValueType;
use alumet_shared_batch_encoding::ColumnsReader;
use alumet_shared_query::{Bucket, Buckets, Range, Steps};
use alumet_shared_sqlite_file::is_damage;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{CachedStatement, Connection};

use crate::part::{MOST_ROWS, OpenPart, Part, PartWriter};
use crate::read::{ReadError, Reader, Stored, note_damage, open_part};
use crate::rows::{HOUR, MINUTE, Resolution, Rows, number};
use crate::run::{self, Run, State, TOP};
use crate::writer::{QUICK, SMALL_PART, next_sequence};

/// Parts of the last level.
const LARGE_PART: usize = 128 << 10;
const USUAL: i32 = 3;
/// So much is written in one transaction.
const TRANSACTION: usize = 512 << 10;

/// Reads one run from its first series to its last.
struct Cursor<'a> {
    next: CachedStatement<'a>,
    run: Run,
    /// The number of the part that was read last.
    last: i64,
    part: Option<OpenPart>,
    chunk: usize,
    is_over: bool,
}

impl<'a> Cursor<'a> {
    fn open(connection: &'a Connection, run: &Run) -> rusqlite::Result<Self> {
        let next =
            "SELECT id, last_series, checksum, data FROM parts WHERE id > ? AND id < ? ORDER BY id LIMIT 1";
        Ok(Self {
            next: connection.prepare_cached(next)?,
            run: *run,
            last: run.first_part() - 1,
            part: None,
            chunk: 0,
            is_over: false,
        })
    }

    /// The series that comes next.
    fn peek(
        &mut self,
        columns: &mut ColumnsReader,
        damaged: &AtomicU64,
    ) -> rusqlite::Result<Option<(u64, ValueType)>> {
        loop {
            if let Some(part) = &self.part
                && self.chunk < part.len()
            {
                return Ok(Some(part.series(self.chunk)));
            }
            if self.is_over {
                return Ok(None);
            }
            let next = self.next.query_row([self.last, self.run.end_of_parts()], |row| {
                Ok(Stored {
                    id: row.get(0)?,
                    last_series: row.get::<_, i64>(1)?.cast_unsigned(),
                    checksum: row.get(2)?,
                    data: row.get(3)?,
                })
            });
            let stored = match next {
                Ok(stored) => stored,
                Err(rusqlite::Error::QueryReturnedNoRows) => {
                    self.is_over = true;
                    return Ok(None);
                }
                // What comes after it cannot be reached.
                Err(error) if is_damage(&error) => {
                    note_damage(damaged, &error);
                    self.is_over = true;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            self.last = stored.id;
            self.part = open_part(columns, self.run.resolution, &stored, damaged);
            self.chunk = 0;
        }
    }

    /// Appends the rows of the chunk that comes next.
    fn take(&mut self, rows: &mut Rows, damaged: &AtomicU64) {
        if let Some(part) = &mut self.part
            && let Err(error) = part.read(self.chunk, rows)
        {
            note_damage(damaged, &error);
        }
        self.chunk += 1;
    }
}

/// The rows of all series of some runs, oldest run first.
pub(crate) struct Merge<'a> {
    cursors: Vec<Cursor<'a>>,
    columns: ColumnsReader,
    damaged: &'a AtomicU64,
}

impl<'a> Merge<'a> {
    pub(crate) fn of(
        connection: &'a Connection,
        runs: &[Run],
        damaged: &'a AtomicU64,
    ) -> rusqlite::Result<Self> {
        let cursors = runs.iter().map(|run| Cursor::open(connection, run));
        Ok(Self {
            cursors: cursors.collect::<rusqlite::Result<_>>()?,
            columns: ColumnsReader::default(),
            damaged,
        })
    }

    /// The next series with all its rows.
    pub(crate) fn next(&mut self) -> rusqlite::Result<Option<(u64, ValueType, Rows)>> {
        let mut lowest: Option<(u64, ValueType)> = None;
        for cursor in &mut self.cursors {
            let series = cursor.peek(&mut self.columns, self.damaged)?;
            lowest = match (lowest, series) {
                (Some(one), Some(other)) if other.0 < one.0 => Some(other),
                (one, other) => one.or(other),
            };
        }
        let Some((series, value_type)) = lowest else {
            return Ok(None);
        };
        let mut rows = Rows::default();
        for cursor in &mut self.cursors {
            while cursor.peek(&mut self.columns, self.damaged)? == Some((series, value_type)) {
                cursor.take(&mut rows, self.damaged);
            }
        }
        rows.settle();
        Ok(Some((series, value_type, rows)))
    }
}

/// Writes a run that does not count yet, a transaction at a time.
pub(crate) struct RunWriter {
    run: Run,
    writer: PartWriter,
    parts: Vec<Part>,
    bytes: usize,
    places: u64,
}

/// How a run is written: by whom, and who else waits for that.
pub(crate) struct Pen<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) turn: &'a Mutex<()>,
    /// Called between two transactions.
    pub(crate) between: &'a dyn Fn(),
}

impl Pen<'_> {
    /// One transaction, after which others have their turn.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let turn = self.turn.lock();
        let transaction = self.connection.unchecked_transaction()?;
        let result = work(&transaction)?;
        transaction.commit()?;
        // Whoever waits to write samples is next.
        MutexGuard::unlock_fair(turn);
        (self.between)();
        Ok(result)
    }
}

impl RunWriter {
    pub(crate) fn begin(pen: &Pen<'_>, mut run: Run) -> rusqlite::Result<Self> {
        let (target, level) = match run.level {
            0 => (SMALL_PART, QUICK),
            TOP => (LARGE_PART, USUAL),
            _ => (SMALL_PART, USUAL),
        };
        pen.write(|db| run.insert(db, State::Written))?;
        Ok(Self {
            writer: PartWriter::new(run.resolution, target, level),
            run,
            parts: Vec::new(),
            bytes: 0,
            places: 0,
        })
    }

    pub(crate) fn push(
        &mut self,
        pen: &Pen<'_>,
        series: u64,
        value_type: ValueType,
        rows: &Rows,
    ) -> rusqlite::Result<()> {
        for start in (0..rows.len()).step_by(MOST_ROWS) {
            let range = start..rows.len().min(start + MOST_ROWS);
            let columns: Vec<&[u64]> = rows.columns.iter().map(|column| &column[range.clone()]).collect();
            let part = self.writer.push(series, value_type, &rows.times[range], &columns);
            self.keep(pen, part)?;
        }
        Ok(())
    }

    fn keep(&mut self, pen: &Pen<'_>, part: Option<Part>) -> rusqlite::Result<()> {
        if let Some(part) = part {
            self.run.count(&part);
            self.bytes += part.bytes.len();
            self.parts.push(part);
        }
        if self.bytes >= TRANSACTION {
            self.flush(pen)
        } else {
            Ok(())
        }
    }

    fn flush(&mut self, pen: &Pen<'_>) -> rusqlite::Result<()> {
        let (parts, run, first) = (&self.parts, self.run.id, self.places);
        pen.write(|db| {
            let mut parts = (first..).zip(parts);
            parts.try_for_each(|(place, part)| run::insert_part(db, run, place, part))
        })?;
        self.places += self.parts.len() as u64;
        self.parts.clear();
        self.bytes = 0;
        Ok(())
    }

    /// The run with all its parts, which still does not count.
    pub(crate) fn finish(mut self, pen: &Pen<'_>) -> rusqlite::Result<Run> {
        let part = self.writer.finish();
        self.keep(pen, part)?;
        self.flush(pen)?;
        Ok(self.run)
    }
}

/// What the samples of a window come to.
pub(crate) struct Rollup {
    minutes: RunWriter,
    hours: RunWriter,
}

impl Rollup {
    pub(crate) fn begin(pen: &Pen<'_>, window: i64, created: i64) -> rusqlite::Result<Self> {
        let mut sequence = next_sequence(pen.connection)?;
        let mut begin = |resolution: Resolution| {
            let run = Run::new(sequence, resolution, 0, resolution.window_of(window), created);
            sequence += 1;
            RunWriter::begin(pen, run)
        };
        Ok(Self {
            minutes: begin(Resolution::Minute)?,
            hours: begin(Resolution::Hour)?,
        })
    }

    /// The samples of a series in the window. Those that the store has no samples of any more are added to what `known` reads.
    pub(crate) fn push(
        &mut self,
        pen: &Pen<'_>,
        window: i64,
        (series, value_type, samples): (u64, ValueType, &Rows),
        mut known: Option<&mut (dyn FnMut(Resolution) -> rusqlite::Result<Rows> + '_)>,
    ) -> rusqlite::Result<()> {
        let minutes = minutes(window, value_type, samples);
        let mut hours = intervals(Resolution::Hour, window);
        minutes.iter().for_each(|minute| hours.append(minute));
        for (resolution, mut buckets, writer) in [
            (Resolution::Minute, minutes, &mut self.minutes),
            (Resolution::Hour, hours.finish(), &mut self.hours),
        ] {
            if let Some(known) = &mut known {
                let rows = known(resolution)?;
                buckets = add(buckets, (0..rows.len()).map(|row| rows.bucket(row)));
            }
            let mut rows = Rows::new(resolution.columns(value_type).len());
            buckets.iter().for_each(|bucket| rows.push_bucket(bucket));
            writer.push(pen, series, value_type, &rows)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self, pen: &Pen<'_>) -> rusqlite::Result<[Run; 2]> {
        Ok([self.minutes.finish(pen)?, self.hours.finish(pen)?])
    }
}

/// The intervals of a window of samples, which is an hour.
fn intervals(resolution: Resolution, window: i64) -> Buckets {
    let step = resolution.step();
    Buckets::new(Steps {
        start: window,
        step,
        count: (HOUR / step).cast_unsigned(),
    })
}

/// What samples in a window come to in each minute.
fn minutes(window: i64, value_type: ValueType, samples: &Rows) -> Vec<Bucket> {
    let mut buckets = intervals(Resolution::Minute, window);
    if let Some(values) = samples.columns.first() {
        for (at, bits) in samples.times.iter().zip(values) {
            buckets.add(Timestamp::from_nanos(*at), number(value_type, *bits));
        }
    }
    buckets.finish()
}

/// Both together; of the same interval, the sum. What a counter has risen by between samples of both is not known.
fn add(one: Vec<Bucket>, other: impl Iterator<Item = Bucket>) -> Vec<Bucket> {
    let mut all: Vec<Bucket> = one.into_iter().chain(other).collect();
    all.sort_by_key(|bucket| (bucket.start, bucket.first_at));
    let mut sums: Vec<Bucket> = Vec::with_capacity(all.len());
    for bucket in all {
        match sums.last_mut() {
            Some(sum) if sum.start == bucket.start => {
                if bucket.last_at >= sum.last_at {
                    (sum.last, sum.last_at) = (bucket.last, bucket.last_at);
                }
                sum.count += bucket.count;
                sum.sum += bucket.sum;
                sum.min = sum.min.min(bucket.min);
                sum.max = sum.max.max(bucket.max);
                sum.rise += bucket.rise;
            }
            _ => sums.push(bucket),
        }
    }
    sums
}

/// The rows of one series that are stored in a range, whatever it costs.
pub(crate) fn stored(
    reader: &mut Reader,
    resolution: Resolution,
    range: Range,
    series: u64,
    damaged: &AtomicU64,
) -> rusqlite::Result<Rows> {
    match reader.rows(resolution, range, &[series], None, damaged) {
        Ok(mut rows) => Ok(rows.pop().unwrap_or_default()),
        Err(ReadError::Sqlite(error)) => Err(error),
        // Without a budget, none is used up.
        Err(ReadError::Query(_)) => Ok(Rows::default()),
    }
}

const _: () = assert!(HOUR % MINUTE == 0, "a window has whole intervals");
