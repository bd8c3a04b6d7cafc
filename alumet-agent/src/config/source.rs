//! Files and folders on disk.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::load::LONGEST_TEXT;
use super::problem::{Problem, Problems};

/// The file, or all `*.toml` files of the folder in the order of their names.
///
/// Sub-folders and files whose names begin with a dot are left out; links are followed.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, Problems> {
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
        let help = "put a file whose name ends in `.toml` into it, or name a file";
        return Err(Problem::new(what).help(help).into());
    }
    files.sort();
    Ok(files)
}

/// What a file holds.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problems> {
    let mut bytes = Vec::new();
    // One byte more than allowed is read, so that an endless file such as /dev/zero ends here too.
    let limit = u64::try_from(LONGEST_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| io_problem(path, &error))?;
    Ok(bytes)
}

fn io_problem(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    if error.kind() == ErrorKind::NotFound {
        let problem = Problem::new(format!("there is no configuration file `{path}`"));
        return problem
            .help("name an existing file with `--config`, or write the default one with `config regen`");
    }
    Problem::new(format!("cannot read `{path}`: {error}"))
        .help("name a readable file, or a folder of `.toml` files, with `--config`")
}
