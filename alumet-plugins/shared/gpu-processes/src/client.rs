//! A client: what it has used since the previous reading.

use std::path::{Path, PathBuf};

use alumet_core::counter::Ascent;
use alumet_core::time::Monotonic;
use alumet_reader_drm::{ClientUsage, Engine, ReadError};
use alumet_reader_kernel_file::{Extent, KeptFile};

/// A client of a card, by one of the files that are it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) pid: u32,
    pub(crate) path: PathBuf,
    file: KeptFile,
    /// What it showed last.
    pub(crate) usage: ClientUsage,
    counts: Vec<(String, Count)>,
    read_at: Option<Monotonic>,
    /// Whether it was opened after the previous scan, so that all it has used is new.
    is_new: bool,
    /// Whether its file has gone: another one may be the same client.
    pub(crate) is_lost: bool,
}

/// None before the first reading.
#[derive(Debug, Default)]
struct Count {
    busy: Option<Ascent>,
    cycles: Option<Ascent>,
    total: Option<Ascent>,
}

impl Client {
    /// A client that was found in this file.
    pub(crate) fn new(pid: u32, path: PathBuf, is_new: bool) -> Self {
        Self {
            pid,
            file: kept(&path),
            path,
            usage: ClientUsage::default(),
            counts: Vec::new(),
            read_at: None,
            is_new,
            is_lost: false,
        }
    }

    /// Whether it was not read yet.
    pub(crate) const fn is_unread(&self) -> bool {
        self.read_at.is_none()
    }

    /// Goes on with another file, which is the same client.
    pub(crate) fn move_to(&mut self, pid: u32, path: PathBuf) {
        self.pid = pid;
        self.file = kept(&path);
        self.path = path;
        self.is_lost = false;
    }

    /// Reads what it has used.
    ///
    /// # Errors
    /// When the file cannot be read or is not of a client.
    pub(crate) fn look(&mut self) -> Result<(), ReadError> {
        self.file
            .read_with(|bytes| self.usage.parse(bytes).map(|()| None))
    }

    /// Gives each engine with the nanoseconds in which it worked since the reading before, after a [`look`](Self::look) that
    /// took place `now`.
    pub(crate) fn count(&mut self, now: Monotonic, mut take: impl FnMut(&str, u64)) {
        let elapsed = self
            .read_at
            .replace(now)
            .map_or(0, |before| now.since(before).as_nanos());
        for engine in &self.usage.engines {
            let known = self.counts.iter().position(|(name, _)| *name == engine.name);
            let position = known.unwrap_or_else(|| {
                let busy = self.is_new.then(|| Ascent::from(0));
                let count = Count {
                    busy,
                    ..Count::default()
                };
                self.counts.push((engine.name.clone(), count));
                self.counts.len() - 1
            });
            take(&engine.name, self.counts[position].1.update(engine, elapsed));
        }
        // An engine that it begins to use is told from then on, and was not used before.
        self.is_new = true;
    }
}

impl Count {
    /// Nanoseconds since the reading before. The kernel allows a count to fall for a while.
    fn update(&mut self, engine: &Engine, elapsed: u128) -> u64 {
        if let Some(busy) = engine.busy_ns {
            return rise(&mut self.busy, busy);
        }
        let rise = |count: &mut Option<Ascent>, reading: Option<u64>| {
            reading.map_or(0, |reading| rise(count, reading))
        };
        let cycles = rise(&mut self.cycles, engine.cycles);
        let total = rise(&mut self.total, engine.total_cycles);
        let busy = (u128::from(cycles) * elapsed).checked_div(u128::from(total));
        busy.and_then(|busy| u64::try_from(busy).ok()).unwrap_or(0)
    }
}

/// By how much a count rose since the reading before; 0 for the first one.
fn rise(count: &mut Option<Ascent>, reading: u64) -> u64 {
    let Some(ascent) = count else {
        *count = Some(Ascent::from(reading));
        return 0;
    };
    ascent.update(reading).unwrap_or(0)
}

fn kept(path: &Path) -> KeptFile {
    KeptFile::new(path.to_path_buf(), Extent::OneRecord, "it was closed")
}
