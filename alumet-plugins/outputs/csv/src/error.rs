//! What can go wrong, and what to do about it.

use std::io::{self, ErrorKind};
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
    /// Another process, or another output, has the file open.
    #[error(
        "{} is being written by another process; stop it, or set `output_path` to another file",
        .0.display()
    )]
    Locked(PathBuf),
    /// A link leads to the output that another user made.
    #[error(
        "{} is a link that the user with the id {owner} made, so it is not followed; remove it, or set `output_path` to \
         the file itself",
        .path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// The user.
        owner: u32,
    },
    /// The system refuses something.
    #[error("{}", refusal(.action, .path, .source))]
    System {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file, pipe or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The pipe is full and stays so.
    #[error("the reader of {} does not keep up; writing goes on where it stopped", .0.display())]
    SlowReader(PathBuf),
    /// The reader of the standard output has gone, as `head` does.
    #[error("the reader of the standard output has gone")]
    StdoutClosed,
}

const CREATE_FOLDER: &str = "create the folder";
const WRITE: &str = "write";

impl CsvError {
    /// Opening, reading or preparing `path` failed.
    pub(crate) fn open(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::System { action, path, source }
    }

    /// The folder of the file is missing and cannot be made.
    pub(crate) fn create_folder(folder: &Path, source: io::Error) -> Self {
        Self::open(CREATE_FOLDER, folder, source)
    }

    /// Writing to `path` failed.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::open(WRITE, path, source)
    }
}

/// What the system refuses, and what to do about it.
fn refusal(action: &str, path: &Path, source: &io::Error) -> String {
    let place = path.display();
    match source.kind() {
        _ if action == CREATE_FOLDER => format!(
            "cannot {action} {place} for the output; create it, or set `output_path` to another place"
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
            "no space left for {place}; free some space or rotate with `rotate_size` and `keep_files`, writing goes on \
             where it stopped"
        ),
        kind if kind == ErrorKind::BrokenPipe || lacks_reader(source) => {
            format!("nobody reads {place}; start its reader, writing goes on then")
        }
        ErrorKind::FileTooLarge => format!(
            "{place} has reached the largest size that a file may have here; raise the limit (`ulimit -f`) or set \
             `rotate_size`"
        ),
        _ if action == WRITE => {
            format!("cannot write {place}; check that the disk works, writing goes on where it stopped")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
            "no permission to write {place}; give the user of this process the right to write to the file and its folder, \
             or set `output_path` to another place"
        ),
        _ => format!(
            "cannot {action} {place}; check that the disk works and is mounted for writing, or set `output_path` to \
             another place"
        ),
    }
}

/// Whether a pipe was opened that nobody reads.
pub(crate) fn lacks_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENXIO as i32)
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
