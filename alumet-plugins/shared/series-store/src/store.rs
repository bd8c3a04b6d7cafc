//! The store as a program sees it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alumet_core::batch::Sample;
use alumet_core::catalog::Catalog;
use alumet_core::time::{Clock, Timestamp};
use alumet_core::value::Value;
use alumet_shared_query::{Budget, QueryError};
use alumet_shared_sqlite_file::DiskError;
use parking_lot::{Condvar, Mutex, RwLock};
use rusqlite::{Connection, params};

use crate::config::StoreConfig;
use crate::entries::{Entries, Gpu};
use crate::file::{self, Lock};
use crate::keeper;
use crate::live::{Known, Live};
use crate::read::{ReadError, Reader};
use crate::rows::{DAY, Resolution};
use crate::run::Dropped;
use crate::writer::{Waiting, Writer};

/// Series and their samples in one file, which this program writes.
///
/// What is appended is in memory for a tenth of a second at most; then it is on disk, and found by whoever asks. Samples are a set:
/// of two of the same series at the same instant, the one that came later is right. So nothing is there twice, however often it is
/// appended.
pub struct SeriesStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keeper: Option<JoinHandle<()>>,
}

/// What all threads use.
pub(crate) struct Shared {
    pub(crate) config: StoreConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) live: RwLock<Live>,
    catalog: Mutex<Option<Catalog>>,
    /// If only so many instants are kept of a graphics processor.
    pub(crate) entries: Option<Mutex<Entries>>,
    /// Held by who writes to the file.
    pub(crate) turn: Mutex<()>,
    /// Connections to the file that nobody uses; those to one that was set aside are in another list.
    readers: Mutex<Arc<Mutex<Vec<Reader>>>>,
    /// How many more questions may be answered now.
    permits: (Mutex<usize>, Condvar),
    pub(crate) generation: AtomicU64,
    /// How often the table of series has changed.
    pub(crate) series_generation: AtomicU64,
    /// Nothing before this instant is kept at all.
    pub(crate) oldest: AtomicI64,
    /// When the last sample was in the file when it was opened: whatever series ended before that without a note of it.
    pub(crate) horizon: AtomicI64,
    pub(crate) damaged: AtomicU64,
    problems: Mutex<Problems>,
    is_stopping: AtomicBool,
    bell: (Mutex<bool>, Condvar),
    _lock: Lock,
}

#[derive(Default)]
struct Problems {
    /// What was set aside.
    aside: Option<String>,
    /// What the keeper could not do.
    keeping: Option<String>,
}

/// How many questions are answered at a time.
const READERS: usize = 4;
/// More samples than this do not wait: 12 MiB.
const MOST_WAITING: usize = 1 << 19;
/// Of so many series it is noted when they ended, when a program ends: a second of work. Of more, the next program notes it of those
/// that do not come again, with the last instant that is in the file.
const MOST_NOTED: usize = 50_000;
/// Nothing waits longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(100);

impl SeriesStore {
    /// Opens the store, or makes it. What is not a good store is set aside; [`Self::problems`] says so.
    ///
    /// # Errors
    /// When the file is in use by another program, or the disk does not allow it.
    pub fn open(config: StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, DiskError> {
        let shared = Shared::open(config, clock)?;
        let kept = Arc::clone(&shared);
        let keeper = std::thread::Builder::new()
            .name("store-keeper".to_owned())
            .spawn(move || keeper::run(&kept))
            .map_err(|error| {
                let path = &shared.config.path;
                DiskError::system("start a thread for", path, &error, "allow more threads")
            })?;
        Ok(Self {
            shared,
            keeper: Some(keeper),
        })
    }

    /// Finds out whether a store can be opened there, and changes nothing.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn try_out(path: &Path) -> Result<(), DiskError> {
        file::try_out(path)
    }

    /// Appends samples of series of the catalog, which must always be the same; gives the places of those that it does not take, because they are older than all
    /// that is kept, or more than a day ahead of the clock.
    ///
    /// # Errors
    /// When the disk does not take what was appended before; then nothing of this is appended.
    pub fn append(
        &self,
        catalog: &Catalog,
        samples: impl Iterator<Item = Sample>,
    ) -> Result<Vec<usize>, DiskError> {
        let shared = &self.shared;
        let newest = shared.clock.now().wall.as_nanos().saturating_add(DAY);
        let times = shared.oldest.load(Ordering::Relaxed)..=newest;
        let mut writer = shared.writer.lock();
        if writer.waiting.len() >= MOST_WAITING {
            shared.commit(&mut writer)?;
        }
        let start = writer.waiting.len();
        let mut refused = Vec::new();
        {
            let mut live = shared.live.write();
            let mut entries = shared.entries.as_ref().map(Mutex::lock);
            for (index, sample) in samples.enumerate() {
                let at = sample.timestamp.as_nanos();
                if !times.contains(&at) {
                    refused.push(index);
                    continue;
                }
                let place = match live.place(sample.series) {
                    Some(place) => place,
                    None => {
                        match introduce(catalog, &mut writer, &mut live, entries.as_deref_mut(), sample) {
                            Ok(Some(place)) => place,
                            Ok(None) => {
                                refused.push(index);
                                continue;
                            }
                            Err(error) => {
                                writer.waiting.truncate(start);
                                return Err(DiskError::sqlite(&shared.config.path, error));
                            }
                        }
                    }
                };
                let known = live.at(place);
                let bits = match sample.value() {
                    Value::U64(value) => value,
                    Value::I64(value) => value.cast_unsigned(),
                    Value::F64(value) => value.to_bits(),
                };
                if at >= known.last {
                    (known.last, known.bits, known.is_known) = (at, bits, true);
                }
                if at < known.first {
                    known.first = at;
                    if !std::mem::replace(&mut known.is_lowered, true) {
                        writer.lowered.push(place);
                    }
                }
                if let (Some(gpu), Some(entries)) = (known.gpu, &mut entries) {
                    entries.add(gpu, at);
                }
                let key = known.key;
                writer.waiting.push(Waiting { key, at, bits });
            }
        }
        if start == 0 && !writer.waiting.is_empty() {
            writer.since = Some(Instant::now());
            shared.ring();
        }
        drop(writer);
        let mut known = shared.catalog.lock();
        if known.is_none() {
            *known = Some(catalog.clone());
        }
        Ok(refused)
    }

    /// Waits until all that was appended is on disk.
    ///
    /// # Errors
    /// When the disk does not take it; it still waits then.
    pub fn commit(&self) -> Result<(), DiskError> {
        let mut writer = self.shared.writer.lock();
        self.shared.commit(&mut writer)
    }

    /// Begins anew with the file, because its content makes no sense: sets it aside. What was not on disk is lost with it.
    ///
    /// # Errors
    /// When the disk does not allow it.
    pub fn begin_anew(&self) -> Result<(), DiskError> {
        let shared = &self.shared;
        let mut writer = shared.writer.lock();
        let _turn = shared.turn.lock();
        // Those that are used come back to a list that nobody has any more.
        *shared.readers.lock() = Arc::default();
        let opened = open_writer(&shared.config.path, true, shared.clock.now().wall)?;
        *shared.live.write() = Live::default();
        if let Some(entries) = &shared.entries {
            let mut entries = entries.lock();
            *entries = Entries::new(entries.most());
        }
        shared.horizon.store(opened.writer.horizon, Ordering::Relaxed);
        *writer = opened.writer;
        shared.oldest.store(opened.oldest, Ordering::Relaxed);
        shared.problems.lock().aside = opened.aside;
        shared.changed(true);
        Ok(())
    }

    /// What is wrong, for people.
    pub fn problems(&self) -> Vec<String> {
        self.shared.problems()
    }
}

impl Drop for SeriesStore {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.ring();
        if let Some(keeper) = self.keeper.take() {
            // It has caught its own panics, if there were any.
            let _ = keeper.join();
        }
        let closed = self.commit().and_then(|()| self.shared.close());
        if let Err(error) = closed {
            tracing::error!(%error, "what was measured last is not in the store");
        }
    }
}

/// A file that was opened to write it.
struct Opened {
    writer: Writer,
    /// Nothing before this instant is kept.
    oldest: i64,
    /// What was set aside.
    aside: Option<String>,
}

/// Opens the file. `suspect`: its content makes no sense.
fn open_writer(path: &Path, suspect: bool, now: Timestamp) -> Result<Opened, DiskError> {
    let failed = |error| DiskError::sqlite(path, error);
    let (connection, aside) = file::open(path, suspect, now)?;
    let dropped = Dropped::read(&connection).map_err(failed)?;
    Ok(Opened {
        writer: Writer::new(connection).map_err(failed)?,
        oldest: dropped.before(Resolution::Hour),
        aside,
    })
}

/// Makes a series known of which a sample comes first; nothing if the catalog does not know it.
#[cold]
fn introduce(
    catalog: &Catalog,
    writer: &mut Writer,
    live: &mut Live,
    entries: Option<&mut Entries>,
    sample: Sample,
) -> rusqlite::Result<Option<u32>> {
    let Some(info) = catalog.describe(sample.series) else {
        return Ok(None);
    };
    let mut known = writer.intern(&info, sample.timestamp.as_nanos())?;
    if let (Some(entries), Some(gpu)) = (entries, Gpu::of(info.resource(), info.attributes())) {
        known.gpu = Some(entries.place(gpu));
    }
    Ok(Some(live.insert(sample.series, known)))
}

impl Shared {
    /// Opens the file, and leaves it as it is.
    pub(crate) fn open(config: StoreConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, DiskError> {
        let lock = Lock::take(&config.path)?;
        let now = clock.now().wall;
        let opened = match open_writer(&config.path, false, now) {
            Err(error) if error.is_damage() => open_writer(&config.path, true, now),
            other => other,
        };
        let Opened {
            writer,
            oldest,
            aside,
        } = opened?;
        Ok(Arc::new(Self {
            clock,
            live: RwLock::default(),
            catalog: Mutex::default(),
            entries: config
                .max_entries_per_gpu
                .map(|most| Mutex::new(Entries::new(most))),
            turn: Mutex::default(),
            readers: Mutex::default(),
            permits: (Mutex::new(READERS), Condvar::new()),
            generation: AtomicU64::new(1),
            series_generation: AtomicU64::new(1),
            oldest: AtomicI64::new(oldest),
            horizon: AtomicI64::new(writer.horizon),
            writer: Mutex::new(writer),
            damaged: AtomicU64::new(0),
            problems: Mutex::new(Problems { aside, keeping: None }),
            is_stopping: AtomicBool::new(false),
            bell: Default::default(),
            _lock: lock,
            config,
        }))
    }

    pub(crate) fn commit(&self, writer: &mut Writer) -> Result<(), DiskError> {
        if !writer.has_news() {
            return Ok(());
        }
        let has_new_series = writer.has_new_series();
        let _turn = self.turn.lock();
        writer
            .commit(&self.live, self.clock.now().wall)
            .map_err(|error| DiskError::sqlite(&self.config.path, error))?;
        self.changed(has_new_series);
        Ok(())
    }

    /// Commits what has waited long enough; says how long the rest may wait.
    pub(crate) fn commit_when_due(&self) -> Option<Duration> {
        let mut writer = self.writer.lock();
        let waited = writer.since?.elapsed();
        if waited < LONGEST_WAIT {
            return Some(LONGEST_WAIT - waited);
        }
        match self.commit(&mut writer) {
            Ok(()) => None,
            Err(error) => {
                // Whoever appends or commits next is told, and decides what to do.
                tracing::debug!(%error, "the store cannot be written");
                Some(LONGEST_WAIT * 10)
            }
        }
    }

    /// Answers may be others from now on.
    pub(crate) fn changed(&self, series: bool) {
        self.series_generation.fetch_add(series.into(), Ordering::Release);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Something is to be done.
    fn ring(&self) {
        *self.bell.0.lock() = true;
        self.bell.1.notify_one();
    }

    /// Waits until something is to be done, or so long.
    pub(crate) fn wait(&self, time: Duration) {
        let mut rung = self.bell.0.lock();
        if !*rung {
            self.bell.1.wait_for(&mut rung, time);
        }
        *rung = false;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Answers a question, when not too many others are being answered, from one state of the file.
    ///
    /// # Errors
    /// Those of the work, and when the file cannot be read.
    pub(crate) fn read<T>(
        &self,
        budget: &Budget,
        work: impl FnOnce(&mut Reader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let (permits, freed) = &self.permits;
        let deadline = Instant::now() + budget.time_left();
        let mut free = permits.lock();
        while *free == 0 {
            if freed.wait_until(&mut free, deadline).timed_out() {
                return Err(QueryError::Deadline.into());
            }
        }
        *free -= 1;
        drop(free);
        let _permit = Permit(self);
        let idle = Arc::clone(&self.readers.lock());
        let reader = idle.lock().pop();
        let mut reader = match reader {
            Some(reader) => reader,
            None => Reader::new(file::open_to_read(&self.config.path)?),
        };
        // Before the state of the file is chosen, so that it has at least what this stands for.
        reader.series_generation = self.series_generation.load(Ordering::Acquire);
        reader.connection.execute_batch("BEGIN")?;
        let result = work(&mut reader);
        reader.connection.execute_batch("COMMIT")?;
        idle.lock().push(reader);
        result
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let damaged = self.damaged.load(Ordering::Relaxed);
        let damaged = (damaged > 0).then(|| {
            format!(
                "{damaged} parts of `{}` were damaged when they were read, and are left out: check the disk, and see \
                 `alumet-server store check`",
                self.config.path.display()
            )
        });
        let problems = self.problems.lock();
        let others = [&problems.aside, &problems.keeping];
        others.into_iter().flatten().cloned().chain(damaged).collect()
    }

    pub(crate) fn keeping(&self, problem: Option<String>) {
        self.problems.lock().keeping = problem;
    }

    /// Notes of series that have retired when they ended.
    pub(crate) fn sweep(&self) -> rusqlite::Result<()> {
        let Some(catalog) = self.catalog.lock().clone() else {
            return Ok(());
        };
        let mut writer = self.writer.lock();
        // What waits may be of them.
        if writer.has_news() {
            return Ok(());
        }
        let retired = self.live.write().retired(&catalog);
        {
            let _turn = self.turn.lock();
            end(&mut writer.connection, retired.clone())?;
        }
        let mut live = self.live.write();
        live.forget(&retired);
        if let Some(entries) = &self.entries {
            let used = live.iter().filter_map(|known| known.gpu).collect();
            entries.lock().keep(&used);
        }
        Ok(())
    }

    /// Notes of some series that the last program has not noted when they ended, and that have not come since; gives the last of
    /// those that it has looked at after `series`.
    pub(crate) fn sweep_left(&self, series: i64) -> rusqlite::Result<Option<i64>> {
        let writer = self.writer.lock();
        let db = &writer.connection;
        let sql = "SELECT id FROM series WHERE last_at IS NULL AND id > ? ORDER BY id LIMIT 1000";
        let open = {
            let mut statement = db.prepare_cached(sql)?;
            let open = statement.query_map([series], |row| row.get(0))?;
            open.collect::<rusqlite::Result<Vec<i64>>>()?
        };
        let _turn = self.turn.lock();
        let live = self.live.read();
        let horizon = self.horizon.load(Ordering::Relaxed);
        let transaction = db.unchecked_transaction()?;
        for number in open
            .iter()
            .filter(|number| live.find(number.cast_unsigned()).is_none())
        {
            let sql = "UPDATE series SET last_at = ? WHERE id = ?";
            db.prepare_cached(sql)?.execute(params![horizon, number])?;
        }
        transaction.commit()?;
        Ok(open.last().copied())
    }

    /// Forgets series that ended before an instant before which nothing is kept.
    pub(crate) fn forget(&self, before: i64) -> rusqlite::Result<()> {
        let mut writer = self.writer.lock();
        let _turn = self.turn.lock();
        // Those that have come again have not ended.
        writer.commit(&self.live, self.clock.now().wall)?;
        let sql = "DELETE FROM series WHERE last_at < ?";
        writer.connection.execute(sql, [before])?;
        self.changed(true);
        Ok(())
    }

    /// Notes of all series when they ended, if that does not take long.
    fn close(&self) -> Result<(), DiskError> {
        if self.live.read().len() > MOST_NOTED {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        let _turn = self.turn.lock();
        let open = self.live.read().iter().copied().collect();
        end(&mut writer.connection, open).map_err(|error| DiskError::sqlite(&self.config.path, error))
    }
}

fn end(connection: &mut Connection, mut series: Vec<Known>) -> rusqlite::Result<()> {
    // In the order of the file, each page is written once.
    series.sort_unstable_by_key(|known| known.key);
    let transaction = connection.transaction()?;
    {
        let mut end = transaction.prepare_cached("UPDATE series SET last_at = ? WHERE id = ?")?;
        for known in series {
            end.execute(params![known.last, known.key.number().cast_signed()])?;
        }
    }
    transaction.commit()
}

/// One question that is being answered.
struct Permit<'a>(&'a Shared);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let (permits, freed) = &self.0.permits;
        *permits.lock() += 1;
        freed.notify_one();
    }
}
