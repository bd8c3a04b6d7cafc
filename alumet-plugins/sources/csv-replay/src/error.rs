//! Why a file cannot be replayed.

use std::io;
use std::path::PathBuf;

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The system does not give it.
    #[error("cannot read `{}`, which the key `path` names", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// It holds something else.
    #[error("cannot replay `{}`: {reason}", .path.display())]
    Content { path: PathBuf, reason: String },
}
