//! Reads rows of some series.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_shared_batch_encoding::ColumnsReader;
use alumet_shared_query::{Budget, QueryError, Range};
use alumet_shared_sqlite_file::is_damage;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::find::{self, Metrics};
use crate::part::OpenPart;
use crate::rows::{Resolution, Rows};

/// A connection that reads, with memory for what is decompressed.
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) columns: ColumnsReader,
    /// How often the table of series had changed when the last question came.
    pub(crate) series_generation: u64,
    /// The metrics, and how often the table had changed when they were read.
    metrics: Option<(u64, Arc<Metrics>)>,
    /// How many series there are, likewise.
    series: Option<(u64, u64)>,
}

/// A row of the table of parts.
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) last_series: u64,
    pub(crate) checksum: u32,
    pub(crate) data: Vec<u8>,
}

/// What keeps rows from being read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Sqlite(rusqlite::Error),
    Query(QueryError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<QueryError> for ReadError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl Reader {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            columns: ColumnsReader::default(),
            series_generation: 0,
            metrics: None,
            series: None,
        }
    }

    /// All metrics, which are read again only when there are new series.
    ///
    /// # Errors
    /// When SQLite fails.
    pub(crate) fn metrics(&mut self) -> rusqlite::Result<Arc<Metrics>> {
        match &self.metrics {
            Some((generation, metrics)) if *generation == self.series_generation => Ok(Arc::clone(metrics)),
            _ => {
                let metrics = Arc::new(find::metrics(&self.connection)?);
                self.metrics = Some((self.series_generation, Arc::clone(&metrics)));
                Ok(metrics)
            }
        }
    }

    /// How many series there are; they are counted again only when that has changed.
    ///
    /// # Errors
    /// When SQLite fails.
    pub(crate) fn count_series(&mut self) -> rusqlite::Result<u64> {
        match self.series {
            Some((generation, count)) if generation == self.series_generation => Ok(count),
            _ => {
                let sql = "SELECT count(*) FROM series";
                let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
                self.series = Some((self.series_generation, count.cast_unsigned()));
                Ok(count.cast_unsigned())
            }
        }
    }

    /// The rows in the range of each of the series, whose numbers are sorted; in order of time, one per instant.
    ///
    /// # Errors
    /// When SQLite fails, or the budget is used up.
    pub(crate) fn rows(
        &mut self,
        resolution: Resolution,
        range: Range,
        series: &[u64],
        budget: Option<&Budget>,
        damaged: &AtomicU64,
    ) -> Result<Vec<Rows>, ReadError> {
        let mut found = vec![Rows::default(); series.len()];
        let runs = {
            let sql =
                "SELECT id FROM runs WHERE state = 1 AND resolution = ? AND first_at < ? AND last_at >= ?
                ORDER BY sequence";
            let mut statement = self.connection.prepare_cached(sql)?;
            let runs = statement.query_map(params![resolution.number(), range.until, range.from], |row| {
                row.get(0)
            })?;
            runs.collect::<rusqlite::Result<Vec<i64>>>()?
        };
        for run in runs {
            match self.rows_of_run(run, resolution, range, series, budget, damaged, &mut found) {
                Err(ReadError::Sqlite(error)) if is_damage(&error) => note_damage(damaged, &error),
                other => other?,
            }
        }
        found.iter_mut().for_each(Rows::settle);
        Ok(found)
    }

    #[expect(clippy::too_many_arguments, reason = "the loop of `rows`")]
    fn rows_of_run(
        &mut self,
        run: i64,
        resolution: Resolution,
        range: Range,
        series: &[u64],
        budget: Option<&Budget>,
        damaged: &AtomicU64,
        found: &mut [Rows],
    ) -> Result<(), ReadError> {
        let Self {
            connection, columns, ..
        } = self;
        let mut parts = Parts::of(connection, run)?;
        let mut piece = Rows::default();
        let mut next = 0;
        while let Some(wanted) = series.get(next) {
            budget.map_or(Ok(()), Budget::check)?;
            let Some((first, stored)) = parts.next_with(*wanted)? else {
                break;
            };
            let from = next.max(series.partition_point(|one| *one < first));
            let until = series.partition_point(|one| *one <= stored.last_series);
            // The last series of a part may go on in the next one.
            next = series.partition_point(|one| *one < stored.last_series).max(from);
            if from >= until {
                continue;
            }
            let stored = parts.with_data(stored)?;
            let Some(mut part) = open_part(columns, resolution, &stored, damaged) else {
                continue;
            };
            for (series, rows) in series[from..until].iter().zip(&mut found[from..until]) {
                let mut chunk = part.find(*series);
                while chunk < part.len() && part.series(chunk).0 == *series {
                    piece.clear();
                    if let Err(error) = part.read(chunk, &mut piece) {
                        note_damage(damaged, &error);
                        break;
                    }
                    piece.cut(range.from, range.until);
                    if let Some(budget) = budget {
                        budget.spend(piece.len() as u64)?;
                    }
                    rows.append(&piece);
                    chunk += 1;
                }
            }
        }
        Ok(())
    }
}

/// Opens a part; nothing if it is damaged, which is counted.
pub(crate) fn open_part(
    columns: &mut ColumnsReader,
    resolution: Resolution,
    stored: &Stored,
    damaged: &AtomicU64,
) -> Option<OpenPart> {
    let is_whole = crc32fast::hash(&stored.data) == stored.checksum;
    let opened = is_whole.then(|| OpenPart::open(columns, resolution, &stored.data));
    match opened {
        Some(Ok(part)) => Some(part),
        Some(Err(error)) => {
            note_damage(damaged, &error);
            None
        }
        None => {
            note_damage(damaged, &"it has another checksum");
            None
        }
    }
}

pub(crate) fn note_damage(damaged: &AtomicU64, error: &dyn std::fmt::Display) {
    if damaged.fetch_add(1, Ordering::Relaxed) == 0 {
        tracing::error!(%error, "a part of the store is damaged, and left out; check the disk");
    }
}

/// The parts of a run, in order of series.
pub(crate) struct Parts<'a> {
    find: CachedStatement<'a>,
    load: CachedStatement<'a>,
    run: i64,
    /// The last series and the number of the part that was given last.
    last: (i64, i64),
}

impl<'a> Parts<'a> {
    pub(crate) fn of(connection: &'a Connection, run: i64) -> rusqlite::Result<Self> {
        let find = "SELECT last_series, id, first_series, checksum FROM parts
            WHERE run = ? AND (last_series, id) > (?, ?) ORDER BY last_series, id LIMIT 1";
        Ok(Self {
            find: connection.prepare_cached(find)?,
            load: connection.prepare_cached("SELECT data FROM parts WHERE id = ?")?,
            run,
            last: (-1, i64::MAX),
        })
    }

    /// The next part that has the series or a later one, and its first series; without its data.
    pub(crate) fn next_with(&mut self, series: u64) -> rusqlite::Result<Option<(u64, Stored)>> {
        let after = self.last.max((series.cast_signed() - 1, i64::MAX));
        let found = self.find.query_row(params![self.run, after.0, after.1], |row| {
            let last_series: i64 = row.get(0)?;
            let stored = Stored {
                id: row.get(1)?,
                last_series: last_series.cast_unsigned(),
                checksum: row.get(3)?,
                data: Vec::new(),
            };
            Ok((row.get::<_, i64>(2)?.cast_unsigned(), stored))
        });
        let found = found.optional()?;
        if let Some((_, stored)) = &found {
            self.last = (stored.last_series.cast_signed(), stored.id);
        }
        Ok(found)
    }

    /// The part with its data.
    pub(crate) fn with_data(&mut self, part: Stored) -> rusqlite::Result<Stored> {
        let data = self.load.query_row([part.id], |row| row.get(0))?;
        Ok(Stored { data, ..part })
    }
}
