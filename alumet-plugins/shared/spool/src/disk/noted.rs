//! What was committed, noted apart from the file, so that a file that has gone back is noticed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use alumet_core::spool::InstanceId;
use alumet_shared_sqlite_file::with_suffix;

use crate::record::Mark;

/// Up to where a file went at its last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted {
    /// The identities of its newest records and of those before, if there are any.
    pub(crate) instances: [InstanceId; 2],
    /// No output needed anything up to here.
    pub(crate) start: Mark,
    /// The end of the last record.
    pub(crate) head: Mark,
}

const LENGTH: usize = MARKS + 2 * 4 * 8 + 4;
const MARKS: usize = 2 * 16;

/// Its name is that of the spool with this.
pub(super) const SUFFIX: &str = "-noted";

fn path_of(spool: &Path) -> PathBuf {
    with_suffix(spool, SUFFIX)
}

impl Noted {
    /// What was noted of a spool; nothing if it cannot be read.
    pub(super) fn read(spool: &Path) -> Option<Self> {
        let bytes: [u8; LENGTH] = std::fs::read(path_of(spool)).ok()?.try_into().ok()?;
        let (content, checksum) = bytes.split_at(LENGTH - 4);
        if crc32fast::hash(content).to_le_bytes() != checksum {
            return None;
        }
        let number = |index: usize| {
            let at = MARKS + index * 8;
            u64::from_le_bytes(std::array::from_fn(|byte| content[at + byte]))
        };
        let mark = |index: usize| Mark {
            sequence: number(index),
            records: number(index + 1),
            samples: number(index + 2),
            bytes: number(index + 3),
        };
        Some(Self {
            instances: [0, 16].map(|at| InstanceId(std::array::from_fn(|byte| content[at + byte]))),
            start: mark(0),
            head: mark(4),
        })
    }

    /// Notes it. It is not waited for the disk: after a power failure, something older may be there, and less is noticed.
    pub(super) fn write(&self, file: &File) -> std::io::Result<()> {
        let mut bytes = self.instances.map(|instance| instance.0).concat();
        for mark in [self.start, self.head] {
            for number in [mark.sequence, mark.records, mark.samples, mark.bytes] {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        file.write_all_at(&bytes, 0)
    }
}

/// The file in which it is noted.
pub(super) fn open(spool: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path_of(spool))
}
