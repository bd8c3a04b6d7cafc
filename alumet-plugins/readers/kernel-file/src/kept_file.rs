//! A kernel file that stays open between reads.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::{Extent, Parsed, ReadError, errno, fill};

/// An open file with its buffer: one `pread` per reading, no allocation.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    extent: Extent,
    mend: &'static str,
    has_told: bool,
}

impl KeptFile {
    /// A file that is opened by its first read; `mend` says what to do when it is absent.
    pub const fn new(path: PathBuf, extent: Extent, mend: &'static str) -> Self {
        Self {
            path,
            file: None,
            buffer: Vec::new(),
            extent,
            mend,
            has_told: false,
        }
    }

    /// Forgets the open file and opens the path anew.
    ///
    /// # Errors
    /// `NotSupported` when the file is absent, `PermissionDenied` when it is refused, `Io` otherwise.
    pub fn reopen(&mut self) -> Result<(), ReadError> {
        self.file = None;
        let file = File::open(&self.path).map_err(|error| self.sort(error))?;
        self.file = Some(file);
        Ok(())
    }

    /// The present content. A file whose device or process was replaced is opened anew, once.
    ///
    /// # Errors
    /// Like [`Self::reopen`].
    pub fn read(&mut self) -> Result<&[u8], ReadError> {
        let filled = match self.fill() {
            Err(error) if is_stale(&error) => {
                self.reopen()?;
                self.fill()
            }
            result => result,
        };
        match filled {
            Ok(filled) => Ok(&self.buffer[..filled]),
            Err(error) => Err(self.sort(error)),
        }
    }

    /// Reads and parses. Content that does not parse is read once more from a freshly opened file. That a part was left
    /// out is logged, once.
    ///
    /// # Errors
    /// Like [`Self::read`], and `Parse` when the second reading is not well formed either.
    pub fn read_with(&mut self, mut parse: impl FnMut(&[u8]) -> Parsed) -> Result<(), ReadError> {
        let parsed = match parse(self.read()?) {
            Ok(parsed) => parsed,
            Err(_) => {
                self.reopen()?;
                parse(self.read()?).map_err(|error| error.in_file(&*self.path))?
            }
        };
        if let Some(odd) = parsed.filter(|_| !self.has_told) {
            self.has_told = true;
            let error = odd.in_file(&*self.path);
            tracing::warn!(%error, "what is not understood is left out, the rest is measured");
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        match &self.file {
            Some(file) => fill(file, &mut self.buffer, self.extent),
            // Stale, so that `read` opens it.
            None => Err(Errno::ENOENT.into()),
        }
    }

    fn sort(&self, error: io::Error) -> ReadError {
        ReadError::of_file(&self.path, error, self.mend)
    }
}

/// Whether the error says that the open file no longer stands for what the path names.
fn is_stale(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Errno::ESTALE | Errno::ENODEV | Errno::ENXIO | Errno::ESRCH | Errno::ENOENT
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::ParseError;

    fn expect_good(bytes: &[u8]) -> Parsed {
        if bytes == b"good" {
            Ok(None)
        } else {
            Err(ParseError::whole("`good` is expected"))
        }
    }

    #[test]
    fn content_that_does_not_parse_is_read_again_from_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "torn").unwrap();
        let mut kept = KeptFile::new(path.clone(), Extent::OneRecord, "");
        assert!(matches!(
            kept.read_with(expect_good),
            Err(ReadError::Parse { .. })
        ));

        fs::write(folder.path().join("new"), "good").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        kept.read_with(expect_good).unwrap();
    }

    #[test]
    fn a_kept_file_follows_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a longer text").unwrap();
        let mut kept = KeptFile::new(path.clone(), Extent::OneRecord, "");
        assert_eq!(kept.read().unwrap(), b"a longer text");
        fs::write(&path, "short").unwrap();
        assert_eq!(kept.read().unwrap(), b"short");
    }

    #[test]
    fn a_file_whose_owner_vanished_is_opened_anew_and_then_reported_absent() {
        let mut child = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let path = PathBuf::from(format!("/proc/{}/stat", child.id()));
        let mut kept = KeptFile::new(path, Extent::OneRecord, "start it");
        assert!(!kept.read().unwrap().is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        let error = kept.read().unwrap_err();
        assert!(matches!(error, ReadError::NotSupported { .. }), "{error:?}");
    }

    #[test]
    fn a_file_that_appears_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut kept = KeptFile::new(path.clone(), Extent::OneRecord, "wait");
        assert!(kept.read().is_err());
        fs::write(&path, "here").unwrap();
        assert_eq!(kept.read().unwrap(), b"here");
    }
}
