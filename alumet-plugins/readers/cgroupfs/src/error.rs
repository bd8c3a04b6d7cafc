//! What can go wrong with control groups, sorted by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The reason why something about a control group is not known.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The control group was removed. That is the normal end of every group, not a failure.
    #[error("the control group `{}` is gone", .path.display())]
    Gone {
        /// Its directory, or the file that was read.
        path: PathBuf,
    },

    /// No hierarchy of the wanted kind is mounted.
    #[error("{what} is not mounted: {mend}")]
    NotMounted {
        /// The hierarchy.
        what: &'static str,
        /// What to change to obtain it.
        mend: &'static str,
    },

    /// This kernel or this machine does not offer the file.
    #[error("`{}` is not offered here: {mend}", .path.display())]
    NotSupported {
        /// The file.
        path: PathBuf,
        /// What to change to obtain it.
        mend: &'static str,
    },

    /// The kernel refuses the file to this user.
    #[error(
        "`{}` may not be read: run as root, or grant CAP_DAC_READ_SEARCH",
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
            Self::Gone { .. }
            | Self::NotMounted { .. }
            | Self::NotSupported { .. }
            | Self::PermissionDenied { .. } => false,
            Self::Parse { .. } | Self::Io { .. } => true,
        }
    }

    /// Sorts an error of the operating system about a control group or one of its files.
    pub(crate) fn of_cgroup(path: &Path, errno: Errno) -> Self {
        let path = path.to_path_buf();
        match errno {
            Errno::ENOENT | Errno::ENODEV | Errno::ENOTDIR => Self::Gone { path },
            Errno::EOPNOTSUPP => Self::NotSupported {
                path,
                mend: "the kernel has the feature behind it switched off",
            },
            Errno::EACCES | Errno::EPERM => Self::PermissionDenied { path },
            _ => Self::Io {
                path,
                source: errno.into(),
            },
        }
    }
}

/// The number of an error of the operating system.
pub(crate) fn errno(error: &io::Error) -> Errno {
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
    pub(crate) fn in_file(self, path: PathBuf) -> ReadError {
        ReadError::Parse {
            path,
            line: self.line,
            what: self.what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno) -> ReadError {
        ReadError::of_cgroup(Path::new("/sys/fs/cgroup/a"), errno)
    }

    #[test]
    fn a_removed_group_is_gone_whichever_way_the_kernel_says_it() {
        for number in [Errno::ENOENT, Errno::ENODEV] {
            assert!(matches!(of(number), ReadError::Gone { .. }));
            assert!(!of(number).is_temporary());
        }
    }

    #[test]
    fn a_refused_file_names_the_capability_and_a_failing_one_may_be_tried_again() {
        assert!(of(Errno::EACCES).to_string().contains("CAP_DAC_READ_SEARCH"));
        assert!(!of(Errno::EACCES).is_temporary());
        assert!(of(Errno::EIO).is_temporary());
        assert!(matches!(of(Errno::EOPNOTSUPP), ReadError::NotSupported { .. }));
    }

    #[test]
    fn a_format_error_names_file_and_line() {
        let error = ParseError::at(3, "a number is expected").in_file(PathBuf::from("/c/cpu.stat"));
        assert!(
            error
                .to_string()
                .starts_with("`/c/cpu.stat` line 3: a number is expected")
        );
    }
}
