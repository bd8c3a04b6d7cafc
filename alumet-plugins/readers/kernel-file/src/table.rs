//! A kernel file together with what it said.

use std::path::PathBuf;

use crate::{Extent, KeptFile, Parsed, ReadError};

/// A kernel file that stays open, and the value that its content is parsed into at each reading.
#[derive(Debug)]
pub struct Table<T> {
    file: KeptFile,
    value: T,
    parse: fn(&[u8], &mut T) -> Parsed,
}

impl<T> Table<T> {
    /// A file that is opened by its first reading; `mend` says what to do when it is absent.
    pub const fn new(
        path: PathBuf,
        extent: Extent,
        mend: &'static str,
        value: T,
        parse: fn(&[u8], &mut T) -> Parsed,
    ) -> Self {
        let file = KeptFile::new(path, extent, mend);
        Self { file, value, parse }
    }

    /// What the file says now.
    ///
    /// # Errors
    /// When it cannot be read or nothing in it is sound.
    pub fn read(&mut self) -> Result<&mut T, ReadError> {
        self.file
            .read_with(|bytes| (self.parse)(bytes, &mut self.value))?;
        Ok(&mut self.value)
    }

    /// What it said at the last reading.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Forgets the open file and opens the path anew.
    ///
    /// # Errors
    /// When it is absent or refused.
    pub fn reopen(&mut self) -> Result<(), ReadError> {
        self.file.reopen()
    }
}
