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

    pub(super) fn is_complete(&self) -> bool {
        self.certificate.exists() && self.key.exists()
    }

    pub(super) fn is_absent(&self) -> bool {
        !self.certificate.exists() && !self.key.exists()
    }

    /// Refuses to write over what is there.
    pub(super) fn refuse_existing(&self, remedy: &'static str) -> Result<(), CertsError> {
        match [&self.certificate, &self.key]
            .into_iter()
            .find(|path| path.exists())
        {
            None => Ok(()),
            Some(path) => Err(CertsError::Exists {
                path: path.clone(),
                remedy,
            }),
        }
    }
}

pub(super) fn make_folder(dir: &Path) -> Result<(), CertsError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| unwritable(dir, source))
}

/// Writes both files, the key first: a certificate that is there has its key.
pub(super) fn write_pair(pair: &Pair, certificate: &str, key: &str) -> Result<[PathBuf; 2], CertsError> {
    write(&pair.key, key, 0o600)?;
    write(&pair.certificate, certificate, 0o644)?;
    Ok([pair.certificate.clone(), pair.key.clone()])
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

fn unwritable(path: &Path, source: io::Error) -> CertsError {
    CertsError::Unwritable {
        path: path.to_owned(),
        source,
    }
}
