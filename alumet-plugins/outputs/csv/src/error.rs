//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The output cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The path is something that lines cannot be written to.
    #[error("{} is a {kind}; set `output_path` to a file, a named pipe or \"-\"", .path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The folder of the file is missing and cannot be made.
    #[error(
        "cannot create the folder {} for the output; create it, or set `output_path` to another place",
        .path.display()
    )]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user may not write there.
    #[error(
        "no permission to write {}; give the user of this process the right to write to the file and its folder, \
         or set `output_path` to another place",
        .path.display()
    )]
    Permission {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process, or another output, has the file open.
    #[error(
        "{} is being written by another process; stop it, or set `output_path` to another file",
        .path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Opening or reading failed otherwise.
    #[error(
        "cannot {action} {}; check that the disk works and is mounted for writing, \
         or set `output_path` to another place",
        .path.display()
    )]
    Open {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no room.
    #[error(
        "no space left for {}; free some space or rotate with `rotate_size` and `keep_files`, \
         writing goes on where it stopped",
        .path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has the largest size that the system lets it have.
    #[error(
        "{} has reached the largest size that a file may have here; raise the limit (`ulimit -f`) or set `rotate_size`",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed otherwise.
    #[error("cannot write {}; check that the disk works, writing goes on where it stopped", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody reads the pipe.
    #[error("nobody reads {}; start its reader, writing goes on then", .path.display())]
    NoReader {
        /// The pipe.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The pipe is full and stays so.
    #[error("the reader of {} does not keep up; writing goes on where it stopped", .path.display())]
    SlowReader {
        /// The pipe.
        path: PathBuf,
    },
    /// The reader of the standard output has gone, as `head` does.
    #[error("the reader of the standard output has gone")]
    StdoutClosed,
}

impl CsvError {
    /// Opening, reading or preparing `path` failed.
    pub(crate) fn open(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::PermissionDenied || is(&source, Errno::EROFS) {
            return Self::Permission { path, source };
        }
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Self::NoSpace { path, source };
        }
        Self::Open { action, path, source }
    }

    /// Writing to `path` failed.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            io::ErrorKind::FileTooLarge => Self::TooLarge { path, source },
            io::ErrorKind::BrokenPipe => Self::NoReader { path, source },
            _ => Self::Write { path, source },
        }
    }
}

/// Whether the error is the given one of the system.
pub(crate) fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alumet_core::Failure;

    #[test]
    fn what_the_system_says_becomes_what_to_do() {
        let path = Path::new("/var/log/out.csv");
        for (errno, advice) in [
            (
                Errno::EACCES,
                "no permission to write /var/log/out.csv; give the user",
            ),
            (
                Errno::EROFS,
                "no permission to write /var/log/out.csv; give the user",
            ),
            (
                Errno::ENOSPC,
                "no space left for /var/log/out.csv; free some space",
            ),
            (
                Errno::EDQUOT,
                "no space left for /var/log/out.csv; free some space",
            ),
            (Errno::EMFILE, "cannot open /var/log/out.csv; check"),
        ] {
            let text = Failure::retry(CsvError::open("open", path, errno.into())).to_string();
            assert!(text.starts_with(advice) && text.contains(": "), "{text}");
        }
        for (errno, advice) in [
            (
                Errno::ENOSPC,
                "no space left for /var/log/out.csv; free some space",
            ),
            (
                Errno::EDQUOT,
                "no space left for /var/log/out.csv; free some space",
            ),
            (Errno::EFBIG, "/var/log/out.csv has reached the largest size"),
            (Errno::EPIPE, "nobody reads /var/log/out.csv; start its reader"),
            (
                Errno::EIO,
                "cannot write /var/log/out.csv; check that the disk works",
            ),
        ] {
            let text = Failure::retry(CsvError::write(path, errno.into())).to_string();
            assert!(text.starts_with(advice) && text.contains("os error"), "{text}");
        }
    }
}
