//! The directories of a hierarchy: their identities and what is in them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, lstat};

use super::CgroupId;

/// Which directory is at the path now.
///
/// # Errors
/// `ENOENT` when there is none, `ENOTDIR` when something else is there.
pub(super) fn identity(path: &Path) -> Result<CgroupId, Errno> {
    let stat = lstat(path)?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    Ok(CgroupId(stat.st_ino))
}

/// The names and numbers of the directories in a directory.
pub(super) fn children(path: &Path) -> Result<Vec<(OsString, CgroupId)>, Errno> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let mut children = Vec::new();
    for entry in Dir::open(path, flags, Mode::empty())?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let name = OsStr::from_bytes(name);
        match entry.file_type() {
            Some(Type::Directory) => children.push((name.to_os_string(), CgroupId(entry.ino()))),
            None => children.extend(
                identity(&path.join(name))
                    .ok()
                    .map(|id| (name.to_os_string(), id)),
            ),
            Some(_) => {}
        }
    }
    Ok(children)
}
