//! Which processes have cards open.

use std::path::{Path, PathBuf};
use std::{fs, io};

use alumet_reader_procfs::{ReadError, SystemRoot, is_exhausted, numbered};

/// A file of a process that is an open card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFile {
    /// The process.
    pub pid: u32,
    /// Where the kernel tells what its client has used, such as `/proc/42/fdinfo/5`.
    pub fdinfo: PathBuf,
}

/// All open cards of all processes that this user may look into, by rising number of the process. One client can have several
/// files.
///
/// # Errors
/// When the processes cannot be listed, or no descriptor is left.
pub fn client_files(root: &SystemRoot) -> Result<Vec<ClientFile>, ReadError> {
    let proc = root.proc("");
    list(&proc).map_err(|error| ReadError::Io { path: proc, error })
}

fn list(proc: &Path) -> io::Result<Vec<ClientFile>> {
    let mut found = Vec::new();
    for (pid, process) in numbered(proc, "")? {
        for (number, link) in numbered(&process.join("fd"), "")? {
            match fs::read_link(link) {
                Ok(target) if target.starts_with("/dev/dri") => found.push(ClientFile {
                    pid,
                    fdinfo: process.join(format!("fdinfo/{number}")),
                }),
                Err(error) if is_exhausted(&error) => return Err(error),
                // It was closed, or is no card.
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn open_cards_are_found_and_other_files_are_not() {
        let root = tempfile::tempdir().unwrap();
        let open = |pid: u32, number: u32, target: &str| {
            let folder = root.path().join(format!("proc/{pid}/fd"));
            fs::create_dir_all(&folder).unwrap();
            symlink(target, folder.join(number.to_string())).unwrap();
        };
        open(20, 5, "/dev/dri/renderD128");
        open(20, 6, "/dev/driver");
        open(7, 3, "socket:[12]");
        open(7, 12, "/dev/dri/card0");
        let found = client_files(&SystemRoot::at(root.path())).unwrap();
        let file = |pid: u32, path: &str| ClientFile {
            pid,
            fdinfo: root.path().join(path),
        };
        assert_eq!(found, [file(7, "proc/7/fdinfo/12"), file(20, "proc/20/fdinfo/5")]);
    }
}
