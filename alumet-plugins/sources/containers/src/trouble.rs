//! Why names are not known.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why an engine or its files did not tell the names of containers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("no socket and no file tells the names of these containers")]
    Nowhere,
    #[error("`{path}` may not be opened")]
    Forbidden { path: PathBuf },
    #[error("`{path}` cannot be used: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("the engine at `{path}` answers {request} with status {status}")]
    Refused {
        path: PathBuf,
        request: &'static str,
        status: u16,
    },
    #[error("the engine at `{path}` gives no answer within {} s", limit.as_secs())]
    Silent { path: PathBuf, limit: Duration },
    #[error("the engine at `{path}` speaks another language: {detail}")]
    Nonsense { path: PathBuf, detail: String },
    #[error("the engine at `{path}` has closed the connection")]
    Closed { path: PathBuf },
}

impl Trouble {
    /// Of a file or socket that could not be used.
    pub(crate) fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Forbidden { path },
            _ => Self::Io { path, error },
        }
    }

    /// How to mend it.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Nowhere => {
                "put the socket of the engine in `sockets`, make it visible to the agent, or choose `names = \"never\"`"
            }
            Self::Forbidden { .. } => {
                "give the agent the group of the socket (for Docker `docker`, which has the rights of root), put a proxy \
                 that only reads in `sockets`, or choose `names = \"never\"`"
            }
            Self::Refused {
                status: 401 | 403, ..
            } => "let the proxy before the engine allow `GET /containers/json` and `GET /events`",
            Self::Io { .. } | Self::Closed { .. } => "check that the engine runs",
            Self::Silent { .. } => "check that the engine works: `docker ps` or `podman ps` must answer",
            Self::Refused { .. } | Self::Nonsense { .. } => {
                "check that the API of Docker, or that of Podman for Docker, is what listens there"
            }
        }
    }

    /// Whether there is nothing, rather than something that does not work.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Nowhere => true,
            Self::Io { error, .. } => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}
