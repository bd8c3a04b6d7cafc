//! Moves a file out of the way without losing it.

use std::path::{Path, PathBuf};

use alumet_core::time::Timestamp;
use alumet_shared_sqlite_file::DiskError;

use super::noted;

/// Renames the file, its journal and what is noted of it, and gives the new path.
pub(crate) fn set_aside(path: &Path, reason: &str, now: Timestamp) -> Result<PathBuf, DiskError> {
    alumet_shared_sqlite_file::set_aside(path, &[noted::SUFFIX], reason, now)
}
