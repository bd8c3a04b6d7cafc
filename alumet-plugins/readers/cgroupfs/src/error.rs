//! Errors of the operating system about control groups.

use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::ReadError;
use nix::errno::Errno;

/// A control group that was removed, by its directory or one of its files.
pub(crate) const fn gone(path: PathBuf) -> ReadError {
    ReadError::Gone {
        what: "the control group",
        path,
    }
}

/// Sorts an error of the operating system about a control group or one of its files.
pub(crate) fn of_cgroup(path: &Path, errno: Errno) -> ReadError {
    match errno {
        Errno::ENOENT | Errno::ENODEV | Errno::ENOTDIR => gone(path.to_path_buf()),
        _ => ReadError::of_file(
            path,
            errno.into(),
            "the kernel has the feature behind it switched off",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno) -> ReadError {
        of_cgroup(Path::new("/sys/fs/cgroup/a"), errno)
    }

    #[test]
    fn a_removed_group_is_gone_whichever_way_the_kernel_says_it() {
        for number in [Errno::ENOENT, Errno::ENODEV, Errno::ENOTDIR] {
            assert_eq!(
                of(number).to_string(),
                "the control group `/sys/fs/cgroup/a` is gone"
            );
        }
    }

    #[test]
    fn other_errors_are_those_of_any_file() {
        assert!(of(Errno::EACCES).to_string().contains("CAP_DAC_READ_SEARCH"));
        assert!(of(Errno::EIO).is_temporary());
        assert!(matches!(of(Errno::EOPNOTSUPP), ReadError::NotSupported { .. }));
    }
}
