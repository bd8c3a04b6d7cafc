//! The two files of a certificate. The key is never readable by others, not even for an instant.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
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

pub(super) fn make_folder(dir: &Path) -> Result<(), CertsError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| unwritable(dir, source))
}

/// Writes both files, the key first: a certificate that is there has its key.
pub(super) fn write_pair(pair: &Pair, certificate: &str, key: &str) -> Result<Vec<PathBuf>, CertsError> {
    write(&pair.key, key, 0o600)?;
    write(&pair.certificate, certificate, 0o644)?;
    Ok(vec![pair.certificate.clone(), pair.key.clone()])
}

/// Replaces a file at once, or leaves it as it was.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, error: io::Error) -> CertsError {
    let path = path.display();
    let text = format!("{path} cannot be written; choose a folder that this user may write");
    CertsError::because(text, error)
}
