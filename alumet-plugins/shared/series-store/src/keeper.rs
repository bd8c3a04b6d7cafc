//! Keeps the file in order, in a thread of its own.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use alumet_shared_query::Range;
use rusqlite::Connection;

use crate::backend;
use crate::file;
use crate::find;
use crate::merge::{Merge, Pen, Rollup, RunWriter, stored};
use crate::plan::{self, Job};
use crate::read::{ReadError, Reader};
use crate::rows::{HOUR, Resolution};
use crate::run::{self, Dropped, Run, TOP};
use crate::store::Shared;

/// How often it is looked at what is to be done, if nothing calls for it.
const LOOK: Duration = Duration::from_secs(1);
/// After something has failed, nothing is tried for so long.
const REST: Duration = Duration::from_secs(30);
/// How often series are looked for that have ended.
const SWEEP: Duration = Duration::from_secs(60);
/// Within this time, the series of an earlier program come again.
const RETURN: Duration = Duration::from_secs(10 * 60);
/// How much free space in the file is kept for later, and how much is given back at once, in pages.
const KEPT_PAGES: i64 = 512;
const PAGES: i64 = 512;

/// Works until the store is closed.
pub(crate) fn run(shared: &Shared) {
    let mut keeper: Option<Keeper> = None;
    let mut rest: Option<Instant> = None;
    let (started, mut swept) = (Instant::now(), Instant::now());
    // The last series that was looked at of those that an earlier program has left.
    let mut left = Some(0);
    let mut looked: Option<Instant> = None;
    while !shared.is_stopping() {
        let due = shared.commit_when_due();
        let is_time =
            looked.is_none_or(|at| at.elapsed() >= LOOK) && rest.is_none_or(|until| until <= Instant::now());
        let mut goes_on = false;
        if is_time {
            let mut step = || -> rusqlite::Result<bool> {
                if keeper.is_none() {
                    keeper = Some(Keeper::open(shared)?);
                }
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    shared.sweep()?;
                }
                if started.elapsed() >= RETURN
                    && let Some(last) = left
                {
                    left = shared.sweep_left(last)?;
                }
                match &mut keeper {
                    Some(keeper) => keeper.step(shared),
                    None => Ok(false),
                }
            };
            let result = std::panic::catch_unwind(AssertUnwindSafe(&mut step));
            let failed = match result {
                Ok(Ok(more)) => {
                    goes_on = more;
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("a panic; please report it".to_owned()),
            };
            rest = failed.as_ref().map(|_| Instant::now() + REST);
            if let Some(error) = &failed {
                tracing::warn!(error, "the store cannot be kept in order; it is tried again");
                keeper = None;
            }
            shared.keeping(failed.map(|error| {
                format!(
                    "`{}` cannot be kept in order, so that it grows and questions take longer: {error}; check the disk and its \
                     free space",
                    shared.config.path.display()
                )
            }));
            looked = (!goes_on).then(Instant::now);
        }
        if !goes_on {
            shared.wait(due.unwrap_or(LOOK).min(LOOK));
        }
    }
}

pub(crate) struct Keeper {
    /// Writes, but for a sync of its own.
    connection: Connection,
    /// Reads what is merged.
    source: Connection,
    /// Reads what is known already.
    reader: Reader,
    /// The generation of the store when there was nothing to do.
    idle_at: Option<(u64, Instant)>,
    /// When the journal was emptied last.
    tidied: Instant,
}

impl Keeper {
    pub(crate) fn open(shared: &Shared) -> rusqlite::Result<Self> {
        let path = &shared.config.path;
        let connection = file::open_to_keep(path)?;
        {
            // What an attempt that has failed has left.
            let _turn = shared.turn.lock();
            run::forget_unfinished(&connection)?;
        }
        Ok(Self {
            connection,
            source: file::open_to_read(path)?,
            reader: Reader::new(file::open_to_read(path)?),
            idle_at: None,
            tidied: Instant::now(),
        })
    }

    /// Does one thing; says whether there may be more.
    pub(crate) fn step(&mut self, shared: &Shared) -> rusqlite::Result<bool> {
        let generation = shared.generation.load(Ordering::Acquire);
        let is_known = |(at, since): (u64, Instant)| at == generation && since.elapsed() < SWEEP;
        if self.idle_at.is_some_and(is_known) {
            return Ok(false);
        }
        let between = || {
            shared.commit_when_due();
        };
        let pen = Pen {
            connection: &self.connection,
            turn: &shared.turn,
            between: &between,
        };
        if pen.write(run::remove_some)? {
            return self.tidy(shared).map(|_| true);
        }
        let now = shared.clock.now().wall.as_nanos();
        let runs = run::all(&self.connection)?;
        let dropped = Dropped::read(&self.connection)?;
        let bytes = self.bytes()?;
        let job = plan::next(&runs, dropped, &shared.config, now, bytes);
        let Some(job) = job else {
            if self.tidy(shared)? {
                self.idle_at = Some((generation, Instant::now()));
            }
            return Ok(false);
        };
        match job {
            Job::Merge { runs, level } => {
                merge(
                    shared,
                    &pen,
                    &self.source,
                    &mut self.reader,
                    &runs,
                    level,
                    dropped,
                    now,
                )?;
            }
            Job::Add { runs } => add(shared, &pen, &self.source, &mut self.reader, &runs, dropped, now)?,
            Job::Drop {
                runs,
                resolution,
                before,
            } => drop_runs(shared, &pen, &runs, resolution, before)?,
        }
        shared.changed(false);
        self.tidy(shared).map(|_| true)
    }

    /// How many bytes of the file are in use.
    pub(crate) fn bytes(&self) -> rusqlite::Result<u64> {
        let pragma = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
        Ok(used.max(0).cast_unsigned())
    }

    /// Brings what is in the journal to its places, and gives free space back; says whether all of that is done.
    fn tidy(&mut self, shared: &Shared) -> rusqlite::Result<bool> {
        // Each time costs syncs.
        if self.tidied.elapsed() < LOOK {
            return Ok(false);
        }
        self.tidied = Instant::now();
        let free: i64 = self
            .connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if free > KEPT_PAGES {
            let _turn = shared.turn.lock();
            let pages = (free - KEPT_PAGES).min(PAGES);
            let sql = format!("PRAGMA incremental_vacuum({pages})");
            let mut statement = self.connection.prepare(&sql)?;
            let mut freed = statement.query([])?;
            while freed.next()?.is_some() {}
        }
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(free <= KEPT_PAGES)
    }
}

#[expect(clippy::too_many_arguments, reason = "a step of the keeper")]
fn merge(
    shared: &Shared,
    pen: &Pen<'_>,
    source: &Connection,
    reader: &mut Reader,
    runs: &[Run],
    level: i64,
    dropped: Dropped,
    now: i64,
) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return Ok(());
    };
    let (resolution, window) = (first.resolution, first.window);
    let created = if level == TOP { now } else { first.created };
    let mut merged = RunWriter::begin(pen, Run::new(last.sequence, resolution, level, window, created))?;
    let was_over = first.level == TOP;
    let rolls_up = level == TOP && resolution == Resolution::Raw;
    let mut rollup = rolls_up.then(|| Rollup::begin(pen, window, now)).transpose()?;
    let mut all = Merge::of(source, runs, &shared.damaged)?;
    while let Some((series, value_type, mut rows)) = all.next()? {
        if let Some(rollup) = &mut rollup {
            let oldest = oldest_kept(shared, reader, series)?;
            // Of a window that was over before, not all samples may be there any more: what they came to stays.
            if !(was_over && oldest > window) {
                rollup.push(pen, window, (series, value_type, &rows), None)?;
            }
            rows.cut(oldest, i64::MAX);
        }
        merged.push(pen, series, value_type, &rows)?;
        if shared.is_stopping() {
            return Ok(());
        }
    }
    let merged = merged.finish(pen)?;
    let rolled_up = rollup.map(|rollup| rollup.finish(pen)).transpose()?;
    let written: Vec<Run> = rolled_up.into_iter().flatten().chain([merged]).collect();
    replace(pen, runs, &written, dropped)
}

/// From when on samples of a series are kept in a window that is over.
fn oldest_kept(shared: &Shared, reader: &mut Reader, series: u64) -> rusqlite::Result<i64> {
    if shared.entries.is_none() {
        return Ok(i64::MIN);
    }
    let Some(found) = find::one(&reader.connection, series)? else {
        return Ok(i64::MIN);
    };
    match backend::kept_from(shared, reader, &found) {
        Ok(oldest) => Ok(oldest),
        Err(ReadError::Sqlite(error)) => Err(error),
        // Then more is kept than need be.
        Err(ReadError::Query(_)) => Ok(i64::MIN),
    }
}

/// Adds samples of a window, of which the samples were dropped, to what those came to.
///
/// Whoever appends these samples once more after this, because the program was killed in between, has them added twice: such samples
/// are older than samples are kept, and wait for minutes until they are added.
fn add(
    shared: &Shared,
    pen: &Pen<'_>,
    source: &Connection,
    reader: &mut Reader,
    runs: &[Run],
    dropped: Dropped,
    now: i64,
) -> rusqlite::Result<()> {
    let Some(first) = runs.first() else {
        return Ok(());
    };
    let window = first.window;
    let range = Range {
        from: window,
        until: window + HOUR,
    };
    let mut rollup = Rollup::begin(pen, window, now)?;
    let mut all = Merge::of(source, runs, &shared.damaged)?;
    while let Some((series, value_type, rows)) = all.next()? {
        let mut known = |resolution| stored(reader, resolution, range, series, &shared.damaged);
        rollup.push(pen, window, (series, value_type, &rows), Some(&mut known))?;
        if shared.is_stopping() {
            return Ok(());
        }
    }
    replace(pen, runs, &rollup.finish(pen)?, dropped)
}

fn drop_runs(
    shared: &Shared,
    pen: &Pen<'_>,
    runs: &[Run],
    resolution: Resolution,
    before: i64,
) -> rusqlite::Result<()> {
    pen.write(|db| {
        runs.iter().try_for_each(|run| run.hide(db))?;
        Dropped::write(db, resolution, before)
    })?;
    if resolution == Resolution::Hour {
        shared.oldest.fetch_max(before, Ordering::AcqRel);
        // Nothing is left of series that had ended before.
        shared.forget(before)?;
    }
    Ok(())
}

/// From now on, the new runs count and the old ones do not.
fn replace(pen: &Pen<'_>, old: &[Run], new: &[Run], dropped: Dropped) -> rusqlite::Result<()> {
    pen.write(|db| {
        for run in new {
            // That a window was over is to be known even if nothing is left of it.
            match (run.rows > 0 || run.level == TOP) && run.window >= dropped.before(run.resolution) {
                true => run.show(db)?,
                false => run.hide(db)?,
            }
        }
        old.iter().try_for_each(|run| run.hide(db))
    })
}
