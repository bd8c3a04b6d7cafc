//! Where the kernel's file systems are mounted.

use std::path::{Path, PathBuf};
use std::{fs, io};

use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::is_exhausted;

/// The place of `/proc` and `/sys`: the machine itself, a host mount in a container, or a captured tree.
///
/// ```
/// use alumet_reader_procfs::SystemRoot;
///
/// assert_eq!(SystemRoot::default().proc("stat").to_str(), Some("/proc/stat"));
/// assert_eq!(SystemRoot::at("/host").sys("class/hwmon").to_str(), Some("/host/sys/class/hwmon"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRoot(PathBuf);

impl Default for SystemRoot {
    /// The machine that this program runs on.
    fn default() -> Self {
        Self::at("/")
    }
}

impl SystemRoot {
    /// The tree whose `proc` and `sys` folders lie below `root`, such as `/host`.
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self(root.as_ref().to_path_buf())
    }

    /// The path of a file of the proc file system, given relative to its mount.
    pub fn proc(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.join("proc").join(relative)
    }

    /// The path of a file of the sys file system, given relative to its mount.
    pub fn sys(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.join("sys").join(relative)
    }

    /// The folder that has them.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether these are the mounts of the machine that this program runs on.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What to do when a file that every kernel has is absent.
pub(crate) const MOUNT_PROC: &str = "mount proc there, or name another system root";

/// What is there, and nothing for what is absent or refused.
///
/// # Errors
/// When no descriptor is left to find that out.
pub(crate) fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if is_exhausted(&error) => Err(error),
        found => Ok(found.ok()),
    }
}

/// The entries of a folder whose names are `prefix` and a number, by rising number; none where there is no such folder.
///
/// # Errors
/// When no descriptor is left to list it.
pub fn numbered(folder: &Path, prefix: &str) -> io::Result<Vec<(u32, PathBuf)>> {
    let entries = if_there(fs::read_dir(folder))?.into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let name = entry.file_name();
        let digits = name.as_encoded_bytes().strip_prefix(prefix.as_bytes())?;
        Some((u32::try_from(number(digits)?).ok()?, entry.path()))
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_unstable();
    Ok(numbered)
}
