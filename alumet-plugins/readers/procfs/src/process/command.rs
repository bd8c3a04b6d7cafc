//! What a process runs: `/proc/PID/{comm,cmdline,exe}`.

use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::readlinkat;

use super::{Processes, pid_path};
use crate::ReadError;
use alumet_reader_kernel_file::Extent;

/// Splits the content of `/proc/PID/cmdline` into the arguments. A process may have written anything over them.
pub fn arguments(cmdline: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    cmdline
        .split(|byte| *byte == 0)
        .filter(move |_| !cmdline.is_empty())
}

impl Processes {
    /// Reads the command line, to be split by [`arguments`]. Empty for kernel threads and ended processes.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn cmdline(&mut self, pid: u32) -> Result<Vec<u8>, ReadError> {
        let cmdline = self.content(pid, "cmdline")?;
        if !cmdline.is_empty() {
            return Ok(cmdline);
        }
        // The thread may end meanwhile: then there is nothing to tell.
        let thread = self
            .other_thread(pid)
            .map(|thread| format!("task/{thread}/cmdline"));
        Ok(thread
            .and_then(|file| self.content(pid, &file).ok())
            .unwrap_or_default())
    }

    fn content(&mut self, pid: u32, file: &str) -> Result<Vec<u8>, ReadError> {
        self.read_with(pid, file, Extent::ManyRecords, |bytes| Ok(bytes.to_vec()))
    }

    /// The path of the executable; ends with ` (deleted)` when the file was removed or replaced. `None` for a process
    /// without an executable (a kernel thread) and for one that this user may not look into.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn exe(&self, pid: u32) -> Result<Option<PathBuf>, ReadError> {
        let folder = self.folder()?;
        let link = |file: &str| readlinkat(&folder.directory, pid_path(&mut [0; 40], pid, file));
        let of_thread = |thread: u32| link(&format!("task/{thread}/exe")).ok();
        match link("exe") {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::EACCES | Errno::EPERM) => Ok(None),
            // The kernel says "no such file" for a kernel thread as well as for a process that has ended.
            Err(Errno::ENOENT | Errno::ESRCH) if self.exists(pid) => {
                Ok(self.other_thread(pid).and_then(of_thread).map(PathBuf::from))
            }
            Err(errno) => Err(self.sort(pid, "exe", errno.into())),
        }
    }

    /// A thread of a process that is not the first: that one may have ended, and shows no program any more, while others
    /// still run it.
    pub(super) fn other_thread(&self, pid: u32) -> Option<u32> {
        self.threads(pid).filter(|thread| *thread != pid).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(cmdline: &[u8]) -> Vec<&[u8]> {
        arguments(cmdline).collect()
    }

    #[test]
    fn arguments_end_with_zero_bytes_and_may_be_empty() {
        assert_eq!(split(b"a\0b c\0\0"), [&b"a"[..], b"b c", b""]);
        assert_eq!(split(b"overwritten title"), [&b"overwritten title"[..]]);
        assert!(split(b"").is_empty());
    }
}
