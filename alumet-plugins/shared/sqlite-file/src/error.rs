//! What a disk or a file can have against us, and what would mend it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the file cannot be used. The text ends with what would mend it.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It is not tried at all; the text says why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// SQLite says so.
    #[error("`{}`: {error}; {}", .path.display(), remedy(.error))]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: rusqlite::Error,
    },
}

impl DiskError {
    /// SQLite has failed with the file.
    pub fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        Self::Sqlite { path, error }
    }

    /// The system refuses something.
    pub fn system(action: &str, path: &Path, error: &io::Error, remedy: &str) -> Self {
        Self::Refused(format!("cannot {action} `{}`: {error}; {remedy}", path.display()))
    }

    /// A file cannot be renamed.
    pub fn rename(path: &Path, error: &io::Error) -> Self {
        Self::system("move away", path, error, "make its folder writable for this user")
    }

    /// Whether the content of the file makes no sense, as opposed to a disk that does not work.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Sqlite { error, .. } if is_damage(error))
    }

    /// Whether a place of the disk cannot be read.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Sqlite { error, .. } if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure))
    }

    /// Whether what is in the file can still be read through the same connection.
    pub fn can_read_on(&self) -> bool {
        matches!(self, Self::Sqlite { error, .. } if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

/// Whether the content of a file makes no sense: SQLite says "corrupt" for most damage, "no such table" for a damaged schema and "type mismatch" for a damaged row.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::Unknown
                | ErrorCode::SchemaChanged
                | ErrorCode::TypeMismatch
                | ErrorCode::ConstraintViolation
        ),
        None => !matches!(
            error,
            rusqlite::Error::InvalidPath(_) | rusqlite::Error::NulError(_)
        ),
    }
}

fn remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free some space on the disk, or move the file to another one",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make the file and its folder writable for this user"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            "another program uses it: give each program a file of its own, or end the other one"
        }
        _ => "check the disk",
    }
}
