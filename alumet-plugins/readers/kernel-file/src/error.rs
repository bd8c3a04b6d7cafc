//! What can go wrong while a kernel file is read, sorted by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The reason why a reading is missing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What the file tells about is no more. That is the normal end of every process and every control group, not a
    /// failure.
    #[error("{what} `{}` is gone", .path.display())]
    Gone {
        /// What it was, such as `the process`.
        what: &'static str,
        /// Its folder, or the file that was read.
        path: PathBuf,
    },

    /// No file system of the wanted kind is mounted.
    #[error("{what} is not mounted: {mend}")]
    NotMounted {
        /// The file system.
        what: &'static str,
        /// What to change to obtain it.
        mend: &'static str,
    },

    /// This kernel or this machine does not offer the file, or the feature behind it is off.
    #[error("`{}` is not offered here: {mend}", .path.display())]
    NotSupported {
        /// The file.
        path: PathBuf,
        /// What to change to obtain it.
        mend: &'static str,
    },

    /// The kernel refuses the file to this user.
    #[error("`{}` may not be read: {mend}", .path.display())]
    PermissionDenied {
        /// The file.
        path: PathBuf,
        /// What to change to be allowed.
        mend: &'static str,
    },

    /// The content is not in the format that the kernel documents.
    #[error(
        "`{}`: {error}; if the file comes from a running kernel, report its content and `uname -r`",
        .path.display()
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// What was expected and is not there.
        error: ParseError,
    },

    /// The operating system failed to open or to read the file.
    #[error("`{}` cannot be read: {error}; it is worth another try", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

impl ReadError {
    /// Whether the same read may succeed later without anybody changing the machine.
    pub const fn is_temporary(&self) -> bool {
        // A file that was read while it changed can be well formed the next time.
        matches!(self, Self::Parse { .. } | Self::Io { .. })
    }

    /// Sorts an error of the operating system about a file; `mend` says what to do when it is absent or switched off.
    pub fn of_file(path: &Path, error: io::Error, mend: &'static str) -> Self {
        let path = path.to_path_buf();
        match errno(&error) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::EOPNOTSUPP => Self::NotSupported { path, mend },
            Errno::EACCES | Errno::EPERM => Self::PermissionDenied {
                path,
                mend: "run as root, or grant CAP_DAC_READ_SEARCH",
            },
            _ => Self::Io { path, error },
        }
    }
}

/// Whether no descriptor was left to open a file, which tells nothing of the file.
pub fn is_exhausted(error: &io::Error) -> bool {
    matches!(errno(error), Errno::EMFILE | Errno::ENFILE)
}

/// The number of an error of the operating system.
pub fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The reason why bytes are not a kernel file of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", .line.map(|line| format!(" (line {line})")).unwrap_or_default())]
pub struct ParseError {
    /// The number of the line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// What was expected and is not there.
    pub what: &'static str,
}

/// What a parser makes of a file: `Ok(Some(…))` names the first part that was left out because it is not understood, while
/// the rest is sound; an error says that nothing is.
pub type Parsed = Result<Option<ParseError>, ParseError>;

impl ParseError {
    /// An error about the whole file.
    pub const fn whole(what: &'static str) -> Self {
        Self { line: None, what }
    }

    /// An error about one line, counted from 1.
    pub const fn at(line: usize, what: &'static str) -> Self {
        Self {
            line: Some(line),
            what,
        }
    }

    /// The same error with the name of the file.
    pub fn in_file(self, path: impl Into<PathBuf>) -> ReadError {
        ReadError::Parse {
            path: path.into(),
            error: self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_errno(errno: Errno) -> ReadError {
        ReadError::of_file(Path::new("/proc/x"), errno.into(), "mend it")
    }

    #[test]
    fn an_absent_or_switched_off_file_is_not_supported_and_says_how_to_mend_it() {
        for errno in [Errno::ENOENT, Errno::ENOTDIR, Errno::EOPNOTSUPP] {
            let error = of_errno(errno);
            assert!(matches!(error, ReadError::NotSupported { .. }), "{error:?}");
            assert!(error.to_string().contains("mend it"));
            assert!(!error.is_temporary());
        }
    }

    #[test]
    fn a_refused_file_names_the_capability() {
        for errno in [Errno::EACCES, Errno::EPERM] {
            let error = of_errno(errno);
            assert!(matches!(error, ReadError::PermissionDenied { .. }), "{error:?}");
            assert!(error.to_string().contains("CAP_DAC_READ_SEARCH"));
            assert!(!error.is_temporary());
        }
    }

    #[test]
    fn a_failing_device_is_worth_another_try() {
        let error = of_errno(Errno::EIO);
        assert!(matches!(error, ReadError::Io { .. }));
        assert!(error.is_temporary());
        // Its text says the cause; whoever writes a chain of errors would say it again.
        assert!(std::error::Error::source(&error).is_none(), "{error}");
    }

    #[test]
    fn an_error_that_is_not_of_the_operating_system_is_worth_another_try_as_well() {
        let other = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(ReadError::of_file(Path::new("/proc/x"), other, "").is_temporary());
    }

    #[test]
    fn a_format_error_names_file_and_line() {
        let error = ParseError::at(3, "a number is expected").in_file("/proc/stat");
        assert!(
            error
                .to_string()
                .starts_with("`/proc/stat`: a number is expected (line 3); ")
        );
    }
}
