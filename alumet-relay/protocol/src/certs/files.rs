//! The two files of a certificate. The key is never readable by others, not even for an instant.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::CertsError;

/// Where a certificate and its key are.
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pair {
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        Self {
            certificate: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        }
    }

    /// Both.
    pub(super) fn paths(self) -> [PathBuf; 2] {
        [self.certificate, self.key]
    }

    /// Those of both files that are there.
    pub(super) fn existing(&self) -> Vec<&Path> {
        let both = [self.certificate.as_path(), &self.key];
        both.into_iter().filter(|path| path.exists()).collect()
    }

    /// Refuses to write over what is there.
    pub(super) fn refuse_existing(&self, remedy: &str) -> Result<(), CertsError> {
        self.existing().first().map_or(Ok(()), |path| {
            let text = format!("{} exists already; {remedy}", path.display());
            Err(CertsError::new(text))
        })
    }
}

/// Files that appear together. They are made in a folder of their own; once all are there it gets another name, from which
/// the next run knows that it is complete, and they are moved to their place.
pub(super) struct Set<'a> {
    dir: &'a Path,
    making: PathBuf,
    made: PathBuf,
}

impl<'a> Set<'a> {
    pub(super) fn new(dir: &'a Path, name: &str) -> Self {
        Self {
            dir,
            making: dir.join(format!(".{name}.making")),
            made: dir.join(format!(".{name}.made")),
        }
    }

    /// Makes the folder; what an interrupted run had not completed is removed.
    pub(super) fn begin(&self) -> Result<(), CertsError> {
        make_folder(self.dir)?;
        let removed = match fs::remove_dir_all(&self.making) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => DirBuilder::new().mode(0o700).create(&self.making),
        };
        removed.map_err(|source| unwritable(&self.making, source))
    }

    /// Writes the certificate of that name and its key.
    pub(super) fn write(&self, name: &str, certificate: &str, key: &str) -> Result<(), CertsError> {
        let pair = Pair::new(&self.making, name);
        write(&pair.key, key, 0o600)?;
        write(&pair.certificate, certificate, 0o644)
    }

    /// Writes the list of that name.
    pub(super) fn write_list(&self, name: &str, text: &str) -> Result<(), CertsError> {
        write(&self.making.join(name), text, 0o644)
    }

    /// Puts all that was written in its place.
    pub(super) fn complete(&self) -> Result<(), CertsError> {
        fs::rename(&self.making, &self.made).map_err(|source| unwritable(&self.made, source))?;
        self.put_in_place().map(drop)
    }

    /// Puts a complete set in its place, also one that an interrupted run has left; says whether there was one.
    pub(super) fn put_in_place(&self) -> Result<bool, CertsError> {
        let entries = match fs::read_dir(&self.made) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
        };
        let moved = entries.and_then(|entries| {
            let mut names: Vec<_> = entries
                .iter()
                .map(|entry| PathBuf::from(entry.file_name()))
                .collect();
            // Keys first: a certificate that is there has its key.
            names.sort_by_key(|name| name.extension() != Some(OsStr::new("key")));
            for name in names {
                fs::rename(self.made.join(&name), self.dir.join(&name))?;
            }
            fs::remove_dir(&self.made)
        });
        moved.map_err(|source| unwritable(self.dir, source))?;
        Ok(true)
    }
}

/// Replaces a file that everybody may read, at once.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), CertsError> {
    let making = path.with_extension("making");
    match fs::remove_file(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(&making, error)),
        // Of a run that was interrupted.
        _ => write(&making, text, 0o644)?,
    }
    fs::rename(&making, path).map_err(|source| unwritable(path, source))
}

fn make_folder(dir: &Path) -> Result<(), CertsError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| unwritable(dir, source))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, error: io::Error) -> CertsError {
    let path = path.display();
    let text = format!("{path} cannot be written; choose a folder that this user may write");
    CertsError::because(text, error)
}
