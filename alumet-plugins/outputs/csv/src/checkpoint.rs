//! Where the output stands, as the spool keeps it, and going back there after a crash.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use alumet_core::Timestamp;

use crate::error::CsvError;
use crate::file::{identity, modified};
use crate::rotate::Names;

/// A place in a file: everything before it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Device and inode of the file.
    pub(crate) file: (u64, u64),
    /// How many bytes are before it.
    pub(crate) len: u64,
    /// When that was so.
    pub(crate) time: Timestamp,
}

/// The spool is told several times per second. What was written to the file much later than that came from a run
/// without the spool, and does not come again.
const LATE: Duration = Duration::from_secs(60);

impl Checkpoint {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let (device, inode) = self.file;
        format!("{device}:{inode}:{}:{}", self.len, self.time.as_nanos()).into_bytes()
    }

    /// `None` for what this version did not write.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.split(':');
        let checkpoint = Self {
            file: (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?),
            len: parts.next()?.parse().ok()?,
            time: Timestamp::from_nanos(parts.next()?.parse().ok()?),
        };
        parts.next().is_none().then_some(checkpoint)
    }

    /// Whether what comes after it in a file of that age was written by the run that made it.
    pub(crate) fn is_recent(&self, modified: Timestamp) -> bool {
        let late = i64::try_from(LATE.as_nanos()).unwrap_or(i64::MAX);
        modified.as_nanos() <= self.time.as_nanos().saturating_add(late)
    }

    /// Takes back what was written after it if the file was rotated since: cuts the file, which has another name now,
    /// and removes those that were rotated later. Says whether it was found, and nothing is in doubt.
    ///
    /// # Errors
    /// When a file cannot be cut or removed.
    pub(crate) fn undo_rotations(&self, names: &Names) -> Result<bool, CsvError> {
        let Ok(rotated) = names.list() else {
            return Ok(false);
        };
        let files: Vec<_> = rotated.iter().map(|rotated| names.path(rotated)).collect();
        let is_it = |file: &PathBuf| {
            fs::metadata(file).is_ok_and(|found| identity(&found) == self.file && found.len() >= self.len)
        };
        let Some(index) = files.iter().position(is_it) else {
            return Ok(false);
        };
        let is_recent =
            |file: &PathBuf| fs::metadata(file).is_ok_and(|found| self.is_recent(modified(&found)));
        if !files[index..].iter().all(is_recent) {
            return Ok(false);
        }
        let cut = File::options().write(true).open(&files[index]);
        let cut = cut.and_then(|file| file.set_len(self.len).and_then(|()| file.sync_data()));
        cut.map_err(|error| CsvError::open("mend", &files[index], error))?;
        for later in &files[index + 1..] {
            fs::remove_file(later).map_err(|error| CsvError::open("remove", later, error))?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_survives_its_bytes_and_nothing_else_is_one() {
        let checkpoint = Checkpoint {
            file: (1, u64::MAX),
            len: 0,
            time: Timestamp::from_nanos(-5),
        };
        assert_eq!(Checkpoint::parse(&checkpoint.to_bytes()), Some(checkpoint));
        for bytes in [&b""[..], b"1:2:3", b"1:2:3:4:5", b"1:2:x:4", b"\xff"] {
            assert_eq!(Checkpoint::parse(bytes), None);
        }
    }
}
