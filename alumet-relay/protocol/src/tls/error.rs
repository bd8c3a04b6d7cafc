use std::io;
use std::path::{Path, PathBuf};

/// Why files cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read; check its path and that the user of the program may read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} in PEM form; it should begin with `-----BEGIN {begin}-----`", .path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
        /// How it would begin.
        begin: &'static str,
    },
    /// A file is damaged.
    #[error("{} is damaged: {reason}; copy or make it again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A certificate is not valid any more.
    #[error("the certificate in {} expired at {since}; replace it with a new one", .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it expired.
        since: String,
    },
    /// A certificate is not valid yet.
    #[error(
        "the certificate in {} is valid only from {from} on; set the clock of this machine or wait",
        .path.display()
    )]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// When it begins to be valid.
        from: String,
    },
    /// A key belongs to another certificate.
    #[error(
        "the key in {} is not that of the certificate in {}; name two files that were made together",
        .key.display(), .certificate.display()
    )]
    OtherKey {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate and its key cannot be used.
    #[error(
        "the certificate in {} and the key in {} cannot be used: {reason}",
        .certificate.display(), .key.display()
    )]
    Identity {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificates of authorities cannot be used.
    #[error("the certificates of authorities in {} cannot be used: {reason}", .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name cannot be that of a server.
    #[error(
        "`{0}` is neither a DNS name nor an IP address, so no certificate can have it; set `tls.server_name`"
    )]
    ServerName(String),
    /// The library does not work.
    #[error("TLS cannot be set up")]
    Library(#[source] rustls::Error),
}

impl TlsError {
    pub(super) fn identity(certificate: &Path, key: &Path, error: rustls::Error) -> Self {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        match error {
            rustls::Error::InconsistentKeys(_) => Self::OtherKey { certificate, key },
            error => Self::Identity {
                certificate,
                key,
                reason: error.to_string(),
            },
        }
    }
}
