//! Moves a file out of the way without losing it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use alumet_core::time::Timestamp;

use crate::DiskError;

const JOURNAL: &str = "-wal";

/// Renames the file, its journal and those whose names have one of the `suffixes` to `<name>.<reason>-<seconds since 1970>` and
/// gives the new path. Nothing that is there already is overwritten.
///
/// # Errors
/// When a file cannot be renamed.
pub fn set_aside(path: &Path, suffixes: &[&str], reason: &str, now: Timestamp) -> Result<PathBuf, DiskError> {
    let failed = |error| DiskError::rename(path, &error);
    let aside = free_name(path, reason, now);
    // The database first: the journal of another database would be read into a new one, but never into an empty file.
    std::fs::rename(path, &aside).map_err(failed)?;
    for suffix in [JOURNAL].iter().chain(suffixes) {
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(aside)
}

/// `<name>.<reason>-<seconds since 1970>`, under which there is nothing yet.
pub fn free_name(path: &Path, reason: &str, now: Timestamp) -> PathBuf {
    let seconds = now.as_nanos().div_euclid(1_000_000_000);
    let mut counter = 0_u64;
    loop {
        let suffix = match counter {
            0 => format!(".{reason}-{seconds}"),
            n => format!(".{reason}-{seconds}-{n}"),
        };
        let name = with_suffix(path, &suffix);
        if name.symlink_metadata().is_err() && journal(&name).symlink_metadata().is_err() {
            return name;
        }
        counter += 1;
    }
}

/// The write-ahead log of a database.
pub fn journal(path: &Path) -> PathBuf {
    with_suffix(path, JOURNAL)
}

/// The same name with something appended.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
