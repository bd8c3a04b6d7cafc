use std::io;
use std::path::{Path, PathBuf};

/// Why files cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A certificate is not valid at present.
    #[error("the certificate in {} {fault}", .path.display())]
    OutOfDate {
        /// The file.
        path: PathBuf,
        /// Since or until when, and what to do.
        fault: String,
    },
    /// What is there cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the file {} cannot be read; check its path and that the user of the program may read it", .path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl Unreadable {
    /// The file at `path`, because of `source`.
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self { path, source }
    }
}

impl TlsError {
    /// A file holds something else: no `what`, which would begin with `begin`.
    pub(crate) fn not_there(path: &Path, what: &str, begin: &str) -> Self {
        let path = path.display();
        Self::Unusable(format!(
            "{path} holds no {what} in PEM form; it should begin with `-----BEGIN {begin}-----`"
        ))
    }

    /// A file is damaged.
    pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Unusable(format!(
            "{} is damaged: {reason}; copy or make it again",
            path.display()
        ))
    }

    /// The certificates of authorities in a file cannot be used.
    pub(crate) fn authorities(path: &Path, reason: impl std::fmt::Display) -> Self {
        let path = path.display();
        Self::Unusable(format!(
            "the certificates of authorities in {path} cannot be used: {reason}"
        ))
    }

    /// A certificate and its key cannot be used.
    pub(crate) fn identity(certificate: &Path, key: &Path, error: &rustls::Error) -> Self {
        let (certificate, key) = (certificate.display(), key.display());
        Self::Unusable(match error {
            rustls::Error::InconsistentKeys(_) => format!(
                "the key in {key} is not that of the certificate in {certificate}; name two files that were made together"
            ),
            error => {
                format!("the certificate in {certificate} and the key in {key} cannot be used: {error}")
            }
        })
    }

    pub(crate) fn unusable(error: impl std::fmt::Display) -> Self {
        Self::Unusable(format!("TLS cannot be set up: {error}"))
    }
}
