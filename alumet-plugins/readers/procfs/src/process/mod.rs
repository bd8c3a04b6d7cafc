//! `/proc/PID`: the processes.
//!
//! [`Processes`] scans and reads any of them, with one buffer for all. [`Process`] follows one of them: it knows when
//! its number was given to another process, and reads its CPU time in nanoseconds.

pub mod command;
pub mod cpu_clock;
pub mod cpu_split;
pub mod io;
pub mod smaps_rollup;
pub mod stat;
pub mod statm;
pub mod status;
pub mod tree;

mod cgroup;
mod followed;
mod pids;

pub use cpu_split::{CpuSplit, SplitTime};
pub use followed::Process;
pub use io::ProcessIo;
pub use smaps_rollup::SmapsRollup;
pub use stat::ProcessStat;
pub use statm::Statm;
pub use tree::{ProcessTree, TreeReading, TreeUsage};

use std::cell::OnceCell;
use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alumet_reader_cgroupfs::CgroupPath;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::{ParseError, ReadError, SystemRoot, page_size, ticks_per_second};
use alumet_reader_kernel_file::{Extent, errno, fill};

/// The processes of a machine.
///
/// A process can end between any two reads; every method then says [`ReadError::Gone`]. The number of a process can be
/// given to another one later: follow a process with [`Self::follow`] where that matters.
#[derive(Debug)]
pub struct Processes {
    root: SystemRoot,
    proc: PathBuf,
    opened: OnceCell<Folder>,
    buffer: Vec<u8>,
    page_size: u64,
    ticks_per_second: u64,
    most_kept: usize,
    /// Every file that is kept holds one more.
    kept: Arc<()>,
    /// Where this program's namespace of control groups begins.
    namespace: OnceCell<CgroupPath>,
}

/// The open folder of the processes.
#[derive(Debug)]
struct Folder {
    /// Files are opened relative to it, so that the kernel does not walk the path of the mount each time.
    directory: Dir,
    has_clocks: bool,
    is_live: bool,
}

impl Folder {
    fn open(proc: &Path) -> std::io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = Dir::open(proc, flags, Mode::empty())?;
        Ok(Self {
            has_clocks: cpu_clock::are_numbers_ours(proc)?,
            is_live: fstatfs(&directory).is_ok_and(|fs| fs.filesystem_type() == PROC_SUPER_MAGIC),
            directory,
        })
    }
}

impl Processes {
    /// Opens the folder of the processes; where no descriptor is left, that is done when it is needed.
    ///
    /// At most `most_kept` files of followed processes stay open between reads, and no more than an eighth of those that
    /// the program may have open, so that whatever else it opens finds room: a kept file saves more than half of a reading
    /// (see the crate's README). The others are opened, read and closed each time.
    ///
    /// # Errors
    /// When it is absent or refused.
    pub fn open(root: &SystemRoot, most_kept: usize) -> Result<Self, ReadError> {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
        let processes = Self {
            root: root.clone(),
            proc: root.proc(""),
            opened: OnceCell::new(),
            buffer: Vec::new(),
            page_size: page_size(),
            ticks_per_second: ticks_per_second(),
            most_kept: most_kept.min(usize::try_from(soft / 8).unwrap_or(usize::MAX)),
            kept: Arc::default(),
            namespace: OnceCell::new(),
        };
        match processes.folder() {
            Err(error) if !error.is_temporary() => Err(error),
            _ => Ok(processes),
        }
    }

    fn folder(&self) -> Result<&Folder, ReadError> {
        if let Some(folder) = self.opened.get() {
            return Ok(folder);
        }
        let refused = |error| ReadError::of_file(&self.proc, error, crate::root::MOUNT_PROC);
        let folder = Folder::open(&self.proc).map_err(refused)?;
        Ok(self.opened.get_or_init(|| folder))
    }

    /// Whether CPU time is read from the processes' clocks, in nanoseconds. Otherwise (a captured tree, or the mount of
    /// another PID namespace) it has the resolution of a tick, 10 ms.
    pub fn has_clocks(&self) -> bool {
        self.opened.get().is_some_and(|folder| folder.has_clocks)
    }

    /// Whether this is the kernel's own file system and not a captured tree: starts of processes can then be compared
    /// with the clock.
    pub fn is_live(&self) -> bool {
        self.opened.get().is_some_and(|folder| folder.is_live)
    }

    /// How many ticks of [`ProcessStat`] make one second.
    pub fn ticks_per_second(&self) -> u64 {
        self.ticks_per_second
    }

    /// Whether a process with this number exists, waited for or not.
    pub fn exists(&self, pid: u32) -> bool {
        self.open_file(pid, "").is_ok()
    }

    /// Opens, reads and closes one file of a process.
    fn read_with<T>(
        &mut self,
        pid: u32,
        file: &str,
        extent: Extent,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, ReadError> {
        let opened = self.open_file(pid, file)?;
        self.read_open(&opened, pid, file, extent, parse)
    }

    /// Reads a file of a process that is open.
    fn read_open<T>(
        &mut self,
        opened: &File,
        pid: u32,
        file: &str,
        extent: Extent,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, ReadError> {
        match fill(opened, &mut self.buffer, extent) {
            Ok(filled) => {
                parse(&self.buffer[..filled]).map_err(|error| error.in_file(self.path_of(pid, file)))
            }
            Err(error) => Err(self.sort(pid, file, error)),
        }
    }

    fn open_file(&self, pid: u32, file: &str) -> Result<File, ReadError> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let folder = &self.folder()?.directory;
        let opened = openat(folder, pid_path(&mut [0; 40], pid, file), flags, Mode::empty());
        opened
            .map(File::from)
            .map_err(|errno| self.sort(pid, file, errno.into()))
    }

    /// Sorts an error of the operating system about a file of a process.
    fn sort(&self, pid: u32, file: &str, source: std::io::Error) -> ReadError {
        let path = self.path_of(pid, file);
        match errno(&source) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ESRCH => self.gone(pid),
            Errno::EACCES | Errno::EPERM => ReadError::PermissionDenied {
                path,
                mend: "run as root or as the owner of the process, or grant CAP_SYS_PTRACE",
            },
            _ => ReadError::of_file(&path, source, "the kernel was built without this file"),
        }
    }

    /// A process that has ended.
    fn gone(&self, pid: u32) -> ReadError {
        ReadError::Gone {
            what: "the process",
            path: self.proc.join(pid.to_string()),
        }
    }

    fn path_of(&self, pid: u32, file: &str) -> PathBuf {
        self.proc.join(pid.to_string()).join(file)
    }

    /// The threads of a process; none when it has ended.
    fn threads(&self, pid: u32) -> impl Iterator<Item = u32> + use<> {
        let tasks = std::fs::read_dir(self.path_of(pid, "task")).into_iter().flatten();
        tasks
            .flatten()
            .filter_map(|task| task.file_name().to_str()?.parse().ok())
    }
}

/// A path such as `4294967295/task/4294967295/children` and its final zero, in zeros on the stack.
fn pid_path<'a>(room: &'a mut [u8; 40], pid: u32, file: &str) -> &'a CStr {
    // A path that does not fit is cut, and the file then not found; the longest has 35 bytes.
    let _cut = write!(&mut room[..39], "{pid}/{file}");
    CStr::from_bytes_until_nul(room).unwrap_or(c"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_fits() {
        assert_eq!(
            pid_path(&mut [0; 40], u32::MAX, "task/4294967295/children"),
            c"4294967295/task/4294967295/children"
        );
    }

    #[test]
    fn a_process_that_vanishes_in_any_way_is_gone_and_a_refused_one_names_the_capability() {
        let processes = Processes::open(&SystemRoot::default(), 256).unwrap();
        for errno in [Errno::ENOENT, Errno::ENOTDIR, Errno::ESRCH] {
            let error = processes.sort(7, "stat", errno.into());
            assert_eq!(error.to_string(), "the process `/proc/7` is gone");
            assert!(!error.is_temporary());
        }
        for errno in [Errno::EACCES, Errno::EPERM] {
            let error = processes.sort(7, "io", errno.into());
            assert!(matches!(error, ReadError::PermissionDenied { .. }), "{error:?}");
            assert!(
                error.to_string().contains("`/proc/7/io`") && error.to_string().contains("CAP_SYS_PTRACE")
            );
        }
        assert!(processes.sort(7, "io", Errno::EIO.into()).is_temporary());
    }

    #[test]
    fn a_root_without_proc_is_not_supported() {
        let folder = tempfile::tempdir().unwrap();
        let error = Processes::open(&SystemRoot::at(folder.path()), 256).unwrap_err();
        assert!(matches!(error, ReadError::NotSupported { .. }));
    }
}
