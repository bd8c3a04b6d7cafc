//! Links that lead to the output.

use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, readlinkat};
use nix::unistd::geteuid;

use crate::error::CsvError;

/// How many links the kernel follows.
const MOST_LINKS: usize = 40;

/// The path with the link at its end, and those to which that leads, resolved. Nothing needs to be there.
///
/// Links before the end are not looked at: whoever can make these owns the folders.
///
/// # Errors
/// When another user than this one and root made a link: its maker chooses what this process overwrites.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, CsvError> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        // The link itself is open: nobody can exchange it between the questions.
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let link = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(&path);
        // Whoever opens what cannot be looked at hears why.
        let Ok((link, found)) = link.and_then(|link| link.metadata().map(|found| (link, found))) else {
            break;
        };
        if !found.is_symlink() {
            break;
        }
        let owner = found.uid();
        if owner != 0 && owner != geteuid().as_raw() {
            return Err(CsvError::Link { path, owner });
        }
        let Ok(target) = readlinkat(&link, "") else { break };
        let target = path.parent().unwrap_or(Path::new("")).join(target);
        // In `/proc`, links lead to what has no path, such as a pipe.
        if target.symlink_metadata().is_err() && fs::metadata(&path).is_ok() {
            break;
        }
        path = target;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    Ok(match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    })
}

/// What keeps a resolved path from being exchanged for a link before it is opened.
pub(crate) fn no_follow(resolved: &Path) -> OFlag {
    match resolved.as_os_str().as_bytes().starts_with(b"/proc/") {
        true => OFlag::empty(),
        false => OFlag::O_NOFOLLOW,
    }
}
