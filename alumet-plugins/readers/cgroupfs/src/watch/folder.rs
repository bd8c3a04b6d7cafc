//! The directories of a hierarchy: their identities and what is in them.

use std::ffi::OsString;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::Path;
use std::{fs, io};

use nix::errno::Errno;

use super::CgroupId;

/// Which directory is at the path now.
///
/// # Errors
/// When there is none, or something else is there.
pub(super) fn identity(path: &Path) -> io::Result<CgroupId> {
    let metadata = fs::symlink_metadata(path)?;
    match metadata.is_dir() {
        true => Ok(CgroupId(metadata.ino())),
        false => Err(Errno::ENOTDIR.into()),
    }
}

/// The names and numbers of the directories in a directory.
pub(super) fn children(path: &Path) -> io::Result<Vec<(OsString, CgroupId)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            children.push((entry.file_name(), CgroupId(entry.ino())));
        }
    }
    Ok(children)
}
