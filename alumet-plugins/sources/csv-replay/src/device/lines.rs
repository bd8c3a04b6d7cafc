//! A text file, line by line, in constant memory.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An open file, and the line at which it is.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    /// Device and inode.
    identity: (u64, u64),
    /// How many bytes were read.
    position: u64,
    line: Vec<u8>,
    /// Whether the line was given, so that the next one begins.
    is_given: bool,
    number: u64,
}

/// What comes next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line.
    Line,
    /// A line that is too long for a row.
    TooLong,
    /// The last line, which has no end yet. It is a [`Next::Line`] if it has not become longer when it is asked for again.
    Unfinished,
    /// The end of the file. What is added later comes after it.
    End,
}

/// What changes when a file does.
pub(crate) type Version = (u64, u64, u64, i64, i64);

/// How long a row can be: the labels of a GPU are a few kilobytes.
const LONGEST: usize = 1 << 20;

impl Lines {
    /// Opens the file at its beginning.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // A pipe would be waited for, and could not begin again.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 16, file),
            identity: (metadata.dev(), metadata.ino()),
            position: 0,
            line: Vec::new(),
            is_given: true,
            number: 0,
        })
    }

    /// Goes to the next line.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        if std::mem::take(&mut self.is_given) {
            self.line.clear();
            self.number += 1;
        }
        let room = LONGEST + 1 - self.line.len();
        let read = (&mut self.file)
            .take(room as u64)
            .read_until(b'\n', &mut self.line)?;
        self.position += read as u64;
        if self.line.ends_with(b"\n") {
            self.is_given = true;
            return Ok(Next::Line);
        }
        if self.line.len() > LONGEST {
            self.position += self.file.skip_until(b'\n')? as u64;
            self.is_given = true;
            return Ok(Next::TooLong);
        }
        match (self.line.is_empty(), read) {
            (true, _) => Ok(Next::End),
            (false, 0) => {
                self.is_given = true;
                Ok(Next::Line)
            }
            (false, _) => Ok(Next::Unfinished),
        }
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The number of the line, from 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether another file has the path now, or this one was cut.
    pub(crate) fn is_replaced(&self) -> bool {
        // While there is none, this one is the latest.
        let now = self.path.metadata();
        now.is_ok_and(|now| (now.dev(), now.ino()) != self.identity || now.len() < self.position)
    }

    /// Which version of the file has the path now; `None` if there is none.
    pub(crate) fn version(&self) -> Option<Version> {
        let version = |now: Metadata| (now.dev(), now.ino(), now.len(), now.mtime(), now.mtime_nsec());
        self.path.metadata().ok().map(version)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::NamedTempFile, Lines) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let lines = Lines::open(file.path()).unwrap();
        (file, lines)
    }

    #[test]
    fn a_line_that_is_being_written_is_given_when_it_is_complete() {
        let (mut file, mut lines) = file(b"a\r\nb");
        assert_eq!(lines.next().unwrap(), Next::Line);
        assert_eq!((lines.line(), lines.number()), (&b"a"[..], 1));
        assert_eq!(lines.next().unwrap(), Next::Unfinished);
        file.write_all(b"c\nd").unwrap();
        assert_eq!(lines.next().unwrap(), Next::Line);
        assert_eq!((lines.line(), lines.number()), (&b"bc"[..], 2));
        assert_eq!(lines.next().unwrap(), Next::Unfinished);
        assert_eq!(lines.next().unwrap(), Next::Line);
        assert_eq!((lines.line(), lines.number()), (&b"d"[..], 3));
        assert_eq!(lines.next().unwrap(), Next::End);
        file.write_all(b"e\n").unwrap();
        assert_eq!(lines.next().unwrap(), Next::Line);
        assert_eq!(lines.line(), b"e");
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_the_next_one_is_given() {
        let mut content = vec![b'x'; 3 * LONGEST];
        content.extend(b"\nb\n");
        let (_file, mut lines) = file(&content);
        assert_eq!(lines.next().unwrap(), Next::TooLong);
        assert!(
            lines.line.capacity() <= 2 * LONGEST + 2,
            "{}",
            lines.line.capacity()
        );
        assert_eq!(lines.next().unwrap(), Next::Line);
        assert_eq!((lines.line(), lines.number()), (&b"b"[..], 2));
    }
}
