use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why the socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers there.
    #[error(
        "another agent listens on {}; stop it, or choose another `socket_path` for this one",
        .0.display()
    )]
    InUse(PathBuf),
    /// Something else is there.
    #[error(
        "{} exists and is no socket; remove it, or choose another `socket_path`",
        .0.display()
    )]
    NoSocket(PathBuf),
    /// The folder is not there.
    #[error(
        "the folder of {} does not exist; create it, or choose another `socket_path`",
        .0.display()
    )]
    NoFolder(PathBuf),
    /// The system refuses.
    #[error(
        "the socket {} cannot be {what}; choose another `socket_path` or mend the permissions of its folder",
        .path.display()
    )]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// There is no thread for it.
    #[error("the thread that serves the socket cannot be started")]
    Thread(#[source] io::Error),
}

impl SocketError {
    /// The system refuses what was tried.
    pub(crate) fn refused(path: &Path, what: &'static str) -> impl FnOnce(Errno) -> Self {
        move |error| Self::Refused {
            path: path.to_owned(),
            what,
            source: error.into(),
        }
    }
}
