//! Files and folders on disk.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Origin, Source};
use super::problem::{ConfigError, Problems};

/// Longest text of a configuration in bytes. The longest known one is a thousand times shorter.
pub(super) const LONGEST_TEXT: usize = 16 * 1024 * 1024;

/// Reads a file, or all `*.toml` files of a folder in the order of their names.
///
/// Sub-folders and files whose names begin with a dot are left out; links are followed.
pub(super) fn read(path: &Path, problems: &mut Problems) -> Vec<Arc<Source>> {
    let mut sources = Vec::new();
    match files(path) {
        Ok(files) => {
            for file in files {
                match read_file(&file) {
                    Ok(source) => sources.push(source),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Err(problem) => problems.push(problem),
    }
    sources
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error| io_problem(path, &error);
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let hidden = file
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension() == Some(OsStr::new("toml")) && !file.is_dir() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(ConfigError::EmptyFolder {
            path: path.to_owned(),
        });
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Arc<Source>, ConfigError> {
    let mut bytes = Vec::new();
    // One byte more than allowed is read, so that an endless file such as /dev/zero ends here too.
    let limit = u64::try_from(LONGEST_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| io_problem(path, &error))?;
    let origin = Origin::File(path.to_owned());
    if bytes.len() > LONGEST_TEXT {
        return Err(ConfigError::TooBig {
            origin,
            limit: LONGEST_TEXT,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::with_text(origin, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let place = Source::with_text(origin, text).place(valid..valid + '\u{fffd}'.len_utf8());
            Err(ConfigError::NotUtf8 { place })
        }
    }
}

fn io_problem(path: &Path, error: &io::Error) -> ConfigError {
    match error.kind() {
        io::ErrorKind::NotFound => ConfigError::NotFound {
            path: path.to_owned(),
        },
        kind => ConfigError::Unreadable {
            path: path.to_owned(),
            kind,
            reason: error.to_string(),
        },
    }
}
