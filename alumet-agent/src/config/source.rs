//! Files and folders on disk.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Origin, Source};
use super::problem::{Problem, Problems};

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

fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
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
        let what = format!("the folder `{}` holds no configuration file", path.display());
        return Err(Problem::new(what).help("put a file whose name ends in `.toml` into it, or name a file"));
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Arc<Source>, Problem> {
    let mut bytes = Vec::new();
    // One byte more than allowed is read, so that an endless file such as /dev/zero ends here too.
    let limit = u64::try_from(LONGEST_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| io_problem(path, &error))?;
    let origin = Origin::File(path.to_owned());
    if bytes.len() > LONGEST_TEXT {
        return Err(too_big(&origin));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::with_text(origin, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let place = Source::with_text(origin, text).place(valid..valid + '\u{fffd}'.len_utf8());
            Err(Problem::new("the file is not UTF-8 text")
                .at(&place)
                .help("save the file as UTF-8"))
        }
    }
}

/// The problem of a text that is longer than a configuration may be.
pub(super) fn too_big(origin: &Origin) -> Problem {
    let limit = LONGEST_TEXT / (1024 * 1024);
    Problem::new(format!(
        "the configuration of {origin} is larger than {limit} MiB"
    ))
    .help("check that this is the configuration, and not some other file")
}

fn io_problem(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    let what = match error.kind() {
        ErrorKind::NotFound => format!("there is no configuration file `{path}`"),
        _ => format!("cannot read `{path}`: {error}"),
    };
    Problem::new(what).help(match error.kind() {
        ErrorKind::NotFound => {
            "name an existing file with `--config`, or write the default one with `config regen`"
        }
        _ => "name a readable file, or a folder of `.toml` files, with `--config`",
    })
}
