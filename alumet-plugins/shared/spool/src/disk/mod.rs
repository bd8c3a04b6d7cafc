//! The file: one SQLite database that only this process has open.

mod aside;
mod fetch;
mod journal;
mod load;
mod noted;
mod open;
mod row;
mod salvage;
mod schema;
mod store;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use alumet_core::time::Timestamp;
use alumet_shared_sqlite_file::DiskError;
use rusqlite::Connection;

pub(crate) use aside::set_aside;
pub(crate) use load::Loaded;
pub(crate) use noted::Noted;

/// The open file.
pub(crate) struct Disk {
    connection: Connection,
    path: PathBuf,
    /// Device and inode, to notice when somebody has removed or replaced it.
    identity: Option<(u64, u64)>,
    /// Where it is noted up to where it goes.
    noted: Option<File>,
    /// Numbers up to this one are not given to other records after a crash.
    reserved: u64,
    /// About how many bytes went to the journal and not to their places in the file yet.
    in_journal: u64,
}

/// Where the file is, and what matters besides.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// Which machine this is.
    pub(crate) machine: Option<u64>,
    /// The time for the names of files that are set aside.
    pub(crate) now: Timestamp,
}

impl Disk {
    /// Whether the file is still what is found under its name.
    pub(crate) fn is_in_place(&self) -> bool {
        self.identity.is_none() || self.identity == identity(&self.path)
    }

    fn error(&self, source: rusqlite::Error) -> DiskError {
        DiskError::sqlite(&self.path, source)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
