use std::io;
use std::path::PathBuf;

use crate::identity::InvalidNodeName;

/// Why certificates cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// A file is there already.
    #[error("{} exists already; {remedy}", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// There is no authority.
    #[error("{} cannot be read; `alumet-server certs init` makes an authority", .path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The authority cannot be used.
    #[error("{} is no usable part of an authority; restore it, or make a new one with `certs init --force`", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: rcgen::Error,
    },
    /// A name cannot be in a certificate.
    #[error("a certificate cannot be for {names}; use DNS names and IP addresses")]
    Name {
        /// The names.
        names: String,
        /// The reason.
        source: rcgen::Error,
    },
    /// A name cannot be that of a node.
    #[error(transparent)]
    Node(#[from] InvalidNodeName),
    /// A name is that of a file of the authority.
    #[error(
        "`{0}` cannot be the name of a node here, because the files of the authority and the server are named like that"
    )]
    Reserved(String),
    /// A file cannot be written.
    #[error("{} cannot be written; choose a folder that this user may write", .path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A key or certificate cannot be made.
    #[error("a key or certificate cannot be made")]
    Make(#[source] rcgen::Error),
}
