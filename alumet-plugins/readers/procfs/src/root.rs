//! Where the kernel's file systems are mounted.

use std::path::{Path, PathBuf};

/// The place of `/proc` and `/sys`: the machine itself, a host mount in a container, or a captured tree.
///
/// ```
/// use alumet_reader_procfs::SystemRoot;
///
/// assert_eq!(SystemRoot::default().proc("stat").to_str(), Some("/proc/stat"));
/// assert_eq!(SystemRoot::at("/host").sys("class/hwmon").to_str(), Some("/host/sys/class/hwmon"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRoot {
    proc: PathBuf,
    sys: PathBuf,
}

impl Default for SystemRoot {
    /// The machine that this program runs on.
    fn default() -> Self {
        Self::at("/")
    }
}

impl SystemRoot {
    /// The tree whose `proc` and `sys` folders lie below `root`, such as `/host`.
    pub fn at(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self::with_mounts(root.join("proc"), root.join("sys"))
    }

    /// Two mounts that have no common parent.
    pub fn with_mounts(proc: impl Into<PathBuf>, sys: impl Into<PathBuf>) -> Self {
        Self {
            proc: proc.into(),
            sys: sys.into(),
        }
    }

    /// The path of a file of the proc file system, given relative to its mount.
    pub fn proc(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.proc.join(relative)
    }

    /// The path of a file of the sys file system, given relative to its mount.
    pub fn sys(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.sys.join(relative)
    }

    /// Whether these are the mounts of the machine that this program runs on.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What to do when a file that every kernel has is absent.
pub(crate) const MOUNT_PROC: &str = "mount proc there, or name another system root";
