//! The file being written: opened and mended, appended to in whole pieces.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use alumet_core::Timestamp;

use crate::checkpoint::Place;
use crate::earlier;
use crate::error::CsvError;
use crate::format::Format;
use crate::header::Header;
use crate::inspect::inspect;
use crate::link::{no_follow, resolve};
use crate::metadata;
use crate::rotate::{Names, Rotated};

/// Files go by a coarser clock than this program, or by that of a file server.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// A regular file that this process alone writes. It ends with a whole line at all times but during a write.
#[derive(Debug)]
pub(crate) struct ActiveFile {
    path: PathBuf,
    /// Where it is, and what is beside it.
    names: Names,
    pub(crate) file: File,
    pub(crate) identity: (u64, u64),
    /// How many bytes it has.
    pub(crate) len: u64,
    /// The columns; none as long as the file is empty.
    pub(crate) header: Option<Header>,
    /// When it was last written before it was opened.
    pub(crate) modified: Timestamp,
    /// How long the file must become again before anything else is written to it.
    cut_to: Option<u64>,
    /// Whether the entry in the folder may be lost when the machine crashes.
    is_entry_new: bool,
}

impl ActiveFile {
    /// Opens or creates the file at `path`, and its folder.
    ///
    /// A torn last line is cut off. A file that is not ours is renamed and a new one made.
    ///
    /// # Errors
    /// What stands in the way, and how to mend it.
    pub(crate) fn open(path: &Path, format: Format, now: Timestamp) -> Result<Self, CsvError> {
        let real = resolve(path)?;
        create_folder(&real)?;
        let names = Names::beside(&real);
        loop {
            let file = open_locked(&real, path)?;
            let read = |error| CsvError::open("read", path, error);
            let properties = file.metadata().map_err(read)?;
            let Some(content) = inspect(&file, properties.len(), format).map_err(read)? else {
                set_aside(path, &names, now)?;
                continue;
            };
            let mut this = Self {
                path: path.to_owned(),
                names,
                file,
                identity: identity(&properties),
                len: properties.len(),
                header: content.header,
                modified: modified(&properties),
                cut_to: None,
                is_entry_new: true,
            };
            this.cut_torn_line(content.whole)?;
            return Ok(this);
        }
    }

    /// The place after everything that was appended, which is on disk afterwards.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn checkpoint(&mut self, now: Timestamp, format: Format) -> Result<Place, CsvError> {
        self.sync()?;
        if std::mem::take(&mut self.is_entry_new) {
            sync_folder(self.names.folder());
        }
        let begun = self.file.metadata().map(|found| begun(&found));
        Ok(Place {
            file: self.identity,
            len: self.len,
            end: None,
            // If somebody has emptied the file, all of it is after the place.
            ending: Place::ending(&self.file, self.len).unwrap_or_default(),
            later: begun.unwrap_or_default().max(now.saturating_sub(CLOCK_TOLERANCE)),
            format,
            path: self.names.own_path(),
        })
    }

    /// A place after which there is as much as is ever looked through.
    ///
    /// # Errors
    /// When the disk does not take what was appended.
    pub(crate) fn recent(&mut self, now: Timestamp, format: Format) -> Result<Place, CsvError> {
        let end = self.checkpoint(now, format)?;
        let len = end.len.saturating_sub(earlier::MOST);
        Ok(Place {
            len,
            ending: Place::ending(&self.file, len).unwrap_or_default(),
            ..end
        })
    }

    /// Waits until everything that was appended is on disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn sync(&mut self) -> Result<(), CsvError> {
        self.finish_cut()?;
        self.file
            .sync_data()
            .map_err(|error| CsvError::write(&self.path, error))
    }

    /// Takes away what stands after the first `len` bytes, which are whole lines.
    fn cut_torn_line(&mut self, len: u64) -> Result<(), CsvError> {
        if len < self.len {
            self.file
                .set_len(len)
                .map_err(|error| CsvError::open("mend", &self.path, error))?;
            tracing::warn!(
                path = %self.path.display(), bytes = self.len - len,
                "the last line was incomplete, because its writer was killed; it was cut off"
            );
            self.len = len;
        }
        Ok(())
    }

    /// Whether the path still leads to the file, and all of it is there.
    pub(crate) fn is_in_place(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(found) => identity(&found) == self.identity && found.len() >= self.len,
            // Another error says nothing about the file; if it matters, the next write fails as well.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Whether the file was neither deleted nor emptied.
    pub(crate) fn is_anywhere(&self) -> bool {
        let own = self.file.metadata();
        own.is_ok_and(|own| own.nlink() > 0 && own.len() >= self.len)
    }

    /// Appends whole lines; all of them or nothing. Says whether they follow what was appended before; if not, because
    /// somebody has emptied the file, they are not there.
    ///
    /// # Errors
    /// Why they could not be written. The file is as it was before, or will be before anything else is written.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<bool, CsvError> {
        self.finish_cut()?;
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write(&bytes[written..]) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                stopped => {
                    self.cut(written as u64);
                    let error = stopped.err().unwrap_or(io::ErrorKind::WriteZero.into());
                    return Err(CsvError::write(&self.path, error));
                }
            }
        }
        let len = self.len + written as u64;
        if self.file.metadata().is_ok_and(|found| found.len() < len) {
            self.cut(written as u64);
            return Ok(false);
        }
        self.len = len;
        Ok(true)
    }

    /// Takes away again what was appended after the first `len` bytes.
    pub(crate) fn take_back(&mut self, len: u64) {
        let appended = self.len - len;
        self.len = len;
        self.cut(appended);
    }

    /// Takes the last `written` bytes away again.
    ///
    /// They are counted from the present end: somebody else may have emptied the file in the meantime, and a longer
    /// file would be filled with zeros.
    fn cut(&mut self, written: u64) {
        if written == 0 {
            return;
        }
        let end = self.cut_to.unwrap_or_else(|| {
            let found = self.file.metadata();
            found.map_or(self.len + written, |found| found.len())
        });
        self.cut_to = Some(end.saturating_sub(written));
        // If that fails too, it is tried again before the next write.
        let _ = self.finish_cut();
    }

    /// Makes sure that nothing is there that was taken back.
    ///
    /// # Errors
    /// When it cannot be cut off.
    pub(crate) fn finish_cut(&mut self) -> Result<(), CsvError> {
        if let Some(len) = self.cut_to {
            self.file
                .set_len(len)
                .map_err(|error| CsvError::write(&self.path, error))?;
            self.cut_to = None;
        }
        Ok(())
    }

    /// When it was begun.
    pub(crate) fn begun(&self) -> Timestamp {
        self.file
            .metadata()
            .map(|found| begun(&found))
            .unwrap_or_default()
    }

    /// Gives the file the name of a rotated one, under which it stays open.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub(crate) fn rotate(&self, now: Timestamp) -> io::Result<Rotated> {
        self.names.rotate(now)
    }

    /// The names beside it.
    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }
}

impl Drop for ActiveFile {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child process that was just forked and has not called `exec` yet.
        let _ = self.file.unlock();
    }
}

fn create_folder(path: &Path) -> Result<(), CsvError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::create_dir_all(folder).map_err(|error| {
            let error = match error.kind() {
                io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
                _ => error,
            };
            CsvError::create_folder(folder, error)
        }),
        _ => Ok(()),
    }
}

/// Opens the file at `real`, to which `path` leads; a new one is not for everybody.
fn open_locked(real: &Path, path: &Path) -> Result<File, CsvError> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(no_follow(real).bits())
        .open(real);
    let file = file.map_err(|error| CsvError::open("open", path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CsvError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => {
            tracing::debug!(%error, path = %path.display(), "the file system has no locks");
            Ok(file)
        }
    }
}

fn set_aside(path: &Path, names: &Names, now: Timestamp) -> Result<(), CsvError> {
    let renamed = names
        .set_aside(now)
        .map_err(|error| CsvError::open("rename", path, error))?;
    // What describes it, if there is anything, goes with it.
    let _ = fs::rename(metadata::beside(&names.own_path()), metadata::beside(&renamed));
    tracing::warn!(
        path = %path.display(), renamed_to = %renamed.display(),
        "the file has other columns or a damaged end; it was renamed and a new one is begun"
    );
    Ok(())
}

/// Not every file system can do this, and those that cannot need not.
fn sync_folder(folder: &Path) {
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!(%error, folder = %folder.display(), "the folder cannot be synchronised with the disk");
    }
}

/// Device and inode, which tell a file from all others.
pub(crate) fn identity(properties: &fs::Metadata) -> (u64, u64) {
    (properties.dev(), properties.ino())
}

/// When a file was last written.
pub(crate) fn modified(properties: &fs::Metadata) -> Timestamp {
    let seconds = properties.mtime().saturating_mul(1_000_000_000);
    Timestamp::from_nanos(seconds.saturating_add(properties.mtime_nsec()))
}

/// When a file was made, or last written where the file system does not know that.
pub(crate) fn begun(properties: &fs::Metadata) -> Timestamp {
    let made = properties.created().ok();
    let since = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    since.map_or_else(
        || modified(properties),
        |since| Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
    )
}
