//! What a disk that fails and a power failure leave of SQLite files (feature `testkit`).
//!
//! [`Watched`] is a folder in which every operation on files of SQLite can be recorded, or fails; [`power_failures`] shows what of the
//! recorded operations would be on disk if each were the last.

mod files;
mod vfs;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tempfile::TempDir;

use files::{Files, Random};

/// One operation on a file.
#[derive(Debug, Clone)]
pub enum Operation {
    /// The file is opened, and made if it is missing.
    Create(PathBuf),
    /// These bytes are written there.
    Write(PathBuf, usize, Vec<u8>),
    /// It has this length from now on.
    Truncate(PathBuf, usize),
    /// What was written before is on disk from now on.
    Sync(PathBuf),
    /// It is deleted.
    Delete(PathBuf),
    /// The program was told that so much is safe; see [`Watched::promise`].
    Promise(usize),
}

/// A folder of whose SQLite files, opened from now on, every operation that changes something is recorded or fails.
#[derive(Debug)]
pub struct Watched {
    folder: PathBuf,
}

/// What the operations in a folder do besides their work.
#[derive(Debug, Default)]
struct Control {
    /// All operations, if they are recorded.
    recorded: Option<Vec<Operation>>,
    /// A file that is written without SQLite, and what was in it when it was last looked at.
    beside: Option<(PathBuf, Vec<u8>)>,
    /// How many operations there were.
    count: usize,
    /// These fail, with this code of SQLite.
    failing: Range<usize>,
    code: i32,
}

static FOLDERS: Mutex<BTreeMap<PathBuf, Control>> = Mutex::new(BTreeMap::new());

impl Watched {
    /// Watches a folder. From now on, all of the process uses the file system that does it.
    pub fn new(folder: &Path) -> Self {
        vfs::install();
        FOLDERS.lock().insert(folder.to_owned(), Control::default());
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Records the operations from now on, with what is written to a file beside those of SQLite.
    pub fn record(&self, beside: Option<PathBuf>) {
        self.with(|control| {
            control.recorded = Some(Vec::new());
            control.beside = beside.map(|path| (path, Vec::new()));
        });
    }

    /// Records that the program was told that what has this number is safe.
    pub fn promise(&self, number: usize) {
        self.with(|control| control.record(|| Operation::Promise(number)));
    }

    /// All that was recorded.
    pub fn recorded(&self) -> Vec<Operation> {
        self.with(|control| control.recorded.take())
            .flatten()
            .unwrap_or_default()
    }

    /// Lets operations fail with a code of SQLite; they are counted from now on.
    pub fn fail(&self, operations: Range<usize>, code: i32) {
        self.with(|control| {
            control.count = 0;
            control.failing = operations;
            control.code = code;
        });
    }

    /// How many operations there were since [`Watched::fail`].
    pub fn count(&self) -> usize {
        self.with(|control| control.count).unwrap_or_default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Control) -> T) -> Option<T> {
        FOLDERS.lock().get_mut(&self.folder).map(work)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        FOLDERS.lock().remove(&self.folder);
    }
}

impl Control {
    /// Records an operation, and before it what was written beside the files of SQLite since the last one.
    fn record(&mut self, operation: impl FnOnce() -> Operation) {
        let Some(recorded) = &mut self.recorded else {
            return;
        };
        if let Some((path, known)) = &mut self.beside
            && let Ok(now) = std::fs::read(&*path)
            && now != *known
        {
            recorded.push(Operation::Write(path.clone(), 0, now.clone()));
            *known = now;
        }
        recorded.push(operation());
    }
}

/// Notes an operation on a file that is about to happen; `Err` if it is to fail.
fn happens(path: &Path, operation: impl FnOnce() -> Operation) -> Result<(), i32> {
    let mut folders = FOLDERS.lock();
    let Some(control) = path.parent().and_then(|folder| folders.get_mut(folder)) else {
        return Ok(());
    };
    let number = control.count;
    control.count += 1;
    if control.failing.contains(&number) {
        return Err(control.code);
    }
    control.record(operation);
    Ok(())
}

/// Shows `check` what a power failure leaves at about so many of the moments at which there can be one: a folder, and the number of the
/// last promise before. Each operation could be the last; what was not synced by then is there, is not, or is there in part. Gives
/// how many there were.
///
/// # Errors
/// When a file cannot be written.
pub fn power_failures(
    operations: &[Operation],
    points: usize,
    mut check: impl FnMut(&Path, Option<usize>),
) -> io::Result<usize> {
    // All from the fourth on are accidental, each in another way.
    let variants = points.div_ceil(operations.len().max(1)).max(6);
    let total = operations.len() * variants;
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    let mut files = Files::default();
    let mut promised = None;
    let mut count = 0;
    for operation in operations {
        files.apply(operation);
        if let Operation::Promise(number) = operation {
            promised = Some(*number);
        }
        for variant in 0..variants as u64 {
            if random.below(total as u64) >= points as u64 {
                continue;
            }
            count += 1;
            let crashed = folder()?;
            files.materialize(crashed.path(), variant, &mut random)?;
            check(crashed.path(), promised);
        }
    }
    Ok(count)
}

/// A new folder, in memory where there is one.
///
/// # Errors
/// When none can be made.
pub fn folder() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}
