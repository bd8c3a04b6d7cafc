//! What can go wrong while a kernel file is read, sorted by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The reason why a reading is missing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The process has ended. That is the normal end of every process, not a failure.
    #[error("process {pid} has ended")]
    Gone {
        /// The number of the process.
        pid: u32,
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
    #[error(
        "`{}` may not be read: run as root or as the owner of the process, or grant CAP_SYS_PTRACE \
         (processes of other users) or CAP_DAC_READ_SEARCH (files of root)",
        .path.display()
    )]
    PermissionDenied {
        /// The file.
        path: PathBuf,
    },

    /// The content is not in the format that the kernel documents.
    #[error(
        "`{}`{}: {what}; if the file comes from a running kernel, report its content and `uname -r`",
        .path.display(),
        .line.map(|line| format!(" line {line}")).unwrap_or_default()
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1, where one is to blame.
        line: Option<usize>,
        /// What was expected and is not there.
        what: &'static str,
    },

    /// The operating system failed to open or to read the file.
    #[error("`{}` cannot be read: {source}; it is worth another try", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl ReadError {
    /// Whether the same read may succeed later without anybody changing the machine.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Gone { .. } | Self::NotSupported { .. } | Self::PermissionDenied { .. } => false,
            // A file that was read while it changed can be well formed the next time.
            Self::Parse { .. } | Self::Io { .. } => true,
        }
    }

    /// Sorts an error of the operating system about a file of the machine.
    pub(crate) fn of_file(path: &Path, source: io::Error, mend: &'static str) -> Self {
        let path = path.to_path_buf();
        match errno(&source) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::EOPNOTSUPP => Self::NotSupported { path, mend },
            Errno::EACCES | Errno::EPERM => Self::PermissionDenied { path },
            _ => Self::Io { path, source },
        }
    }

    /// Sorts an error of the operating system about a file below `/proc/PID`.
    pub(crate) fn of_process(pid: u32, path: &Path, source: io::Error) -> Self {
        match errno(&source) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ESRCH => Self::Gone { pid },
            _ => Self::of_file(path, source, "the kernel was built without this file"),
        }
    }
}

/// The number of an error of the operating system.
pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
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

impl ParseError {
    /// An error about the whole file.
    pub(crate) fn whole(what: &'static str) -> Self {
        Self { line: None, what }
    }

    /// An error about one line, counted from 1.
    pub(crate) fn at(line: usize, what: &'static str) -> Self {
        Self {
            line: Some(line),
            what,
        }
    }

    /// The same error with the name of the file.
    pub(crate) fn in_file(self, path: &Path) -> ReadError {
        ReadError::Parse {
            path: path.to_path_buf(),
            line: self.line,
            what: self.what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_errno(errno: Errno) -> ReadError {
        ReadError::of_file(
            Path::new("/proc/x"),
            io::Error::from_raw_os_error(errno as i32),
            "mend it",
        )
    }

    #[test]
    fn an_absent_or_switched_off_file_is_not_supported_and_says_how_to_mend_it() {
        for errno in [Errno::ENOENT, Errno::EOPNOTSUPP] {
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
            assert!(error.to_string().contains("CAP_SYS_PTRACE"));
            assert!(!error.is_temporary());
        }
    }

    #[test]
    fn a_failing_device_is_worth_another_try() {
        let error = of_errno(Errno::EIO);
        assert!(matches!(error, ReadError::Io { .. }));
        assert!(error.is_temporary());
    }

    #[test]
    fn a_process_that_vanishes_in_any_way_is_gone() {
        for errno in [Errno::ENOENT, Errno::ESRCH] {
            let source = io::Error::from_raw_os_error(errno as i32);
            let error = ReadError::of_process(7, Path::new("/proc/7/stat"), source);
            assert!(matches!(error, ReadError::Gone { pid: 7 }), "{error:?}");
            assert!(!error.is_temporary());
        }
    }

    #[test]
    fn a_format_error_names_file_and_line() {
        let error = ParseError::at(3, "a number is expected").in_file(Path::new("/proc/stat"));
        assert!(
            error
                .to_string()
                .starts_with("`/proc/stat` line 3: a number is expected")
        );
    }
}
